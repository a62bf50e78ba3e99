"""Windows of a JPEG equal the same part of the whole picture as Pillow decodes it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.dataset.strips import StripJpeg, jpeg_with_restarts
from invisp_deploy.errors import DatasetError
from invisp_deploy.formats.subsampling import SUBSAMPLINGS

SIZES = [(97, 640), (160, 333), (64, 16 * 11), (33, 7), (8, 8), (1, 1)]
"""Divisible rows of MCUs, a prime number of them, odd sizes, less than one MCU."""


def picture(height: int, width: int) -> np.ndarray:
    """Noise with structure: chroma that changes at every pixel, so that a wrong neighbour shows."""
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3)).astype(np.uint8)


def stored(path: Path, height: int, width: int, subsampling: str, quality: int = 90) -> np.ndarray:
    """Write the picture with restart markers; gives it as Pillow decodes it as a whole."""
    data = jpeg_with_restarts(picture(height, width), quality, subsampling)
    path.write_bytes(data)
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def windows(height: int, width: int) -> list[tuple[slice, slice]]:
    """All corners, edges, the whole, and thirty at random."""
    rng = np.random.default_rng(0)
    spans = []
    for size in (height, width):
        random = np.sort(rng.integers(0, size + 1, (30, 2)), axis=1)
        random[:, 1] = np.maximum(random[:, 1], random[:, 0] + 1)
        random -= (random[:, 1:] > size).astype(int)
        fixed = [(0, size), (0, 1), (size - 1, size), (0, min(17, size)), (max(size - 17, 0), size)]
        spans.append([slice(int(start), int(stop)) for start, stop in [*fixed, *random]])
    corners = [(rows, columns) for rows in spans[0][:5] for columns in spans[1][:5]]
    return corners + list(zip(spans[0][5:], spans[1][5:], strict=True))


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_windows_equal_the_whole_decode(size: tuple[int, int], subsampling: str, tmp_path: Path) -> None:
    whole = stored(tmp_path / "a.jpg", *size, subsampling)
    strips = StripJpeg.index(tmp_path / "a.jpg")
    assert (strips.height, strips.width) == size
    for window in windows(*size):
        np.testing.assert_array_equal(strips.pixels(window), whole[window])


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_markers_change_no_pixel_and_cost_little(subsampling: str) -> None:
    smooth = np.asarray(Image.fromarray(picture(20, 30)).resize((960, 640), Image.Resampling.BICUBIC))
    plain = io.BytesIO()
    Image.fromarray(smooth).save(plain, "JPEG", quality=90, subsampling=subsampling)
    data = jpeg_with_restarts(smooth, 90, subsampling)
    with Image.open(plain) as one, Image.open(io.BytesIO(data)) as other:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert len(plain.getvalue()) < len(data) < 1.05 * len(plain.getvalue())


def test_a_window_reads_a_fraction_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = stored(tmp_path / "a.jpg", 640, 1600, "4:2:2")
    strips = StripJpeg.index(tmp_path / "a.jpg")
    read: list[int] = []
    inside = Path.open

    def counting(self: Path, *arguments: object, **options: object) -> object:
        stream = inside(self, *arguments, **options)  # type: ignore[call-overload]

        class Counted:
            def __enter__(self) -> Counted:
                return self

            def __exit__(self, *error: object) -> None:
                stream.close()

            def seek(self, at: int) -> None:
                stream.seek(at)

            def read(self, count: int) -> bytes:
                read.append(count)
                return bytes(stream.read(count))

        return Counted()

    monkeypatch.setattr(Path, "open", counting)
    window = (slice(200, 264), slice(600, 664))
    np.testing.assert_array_equal(strips.pixels(window), whole[window])
    assert sum(read) < 0.06 * (tmp_path / "a.jpg").stat().st_size  # of the area it is 0.4 %, with whole segments 4 %


def test_qualities_are_those_asked_for(tmp_path: Path) -> None:
    for quality in (30, 100):
        whole = stored(tmp_path / "a.jpg", 40, 200, "4:2:0", quality)
        window = (slice(3, 35), slice(100, 164))
        np.testing.assert_array_equal(StripJpeg.index(tmp_path / "a.jpg").pixels(window), whole[window])


def test_a_jpeg_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    kinds: list[dict[str, object]] = [{}, {"progressive": True, "restart_marker_rows": 1}, {"restart_marker_blocks": 3}]
    for options in kinds:
        Image.fromarray(picture(64, 64)).save(path, "JPEG", **options)
        with pytest.raises(DatasetError, match=r"a\.jpg is damaged or not as it was written"):
            StripJpeg.index(path)
    path.write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"a\.jpg is damaged"):
        StripJpeg.index(path)


def test_a_jpeg_of_rows_by_pillow_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(picture(100, 120)).save(path, "JPEG", quality=80, restart_marker_rows=1)
    with Image.open(path) as image:
        whole = np.asarray(image)
    window = (slice(30, 61), slice(50, 90))
    np.testing.assert_array_equal(StripJpeg.index(path).pixels(window), whole[window])


def test_every_truncation_and_a_missing_file_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    stored(path, 64, 200, "4:2:2")
    data = path.read_bytes()
    for length in [0, 1, *range(2, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(DatasetError, match=r"a\.jpg"):
            StripJpeg.index(path)
    with pytest.raises(DatasetError, match=r"b\.jpg could not be read: No such file"):
        StripJpeg.index(tmp_path / "b.jpg")


def test_a_changed_byte_is_found_by_the_checksum(tmp_path: Path) -> None:
    import zlib

    path = tmp_path / "a.jpg"
    stored(path, 64, 200, "4:2:2")
    data = bytearray(path.read_bytes())
    crc = zlib.crc32(data)
    StripJpeg.index(path, crc)
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"a\.jpg is damaged"):
        StripJpeg.index(path, crc)


def test_a_file_that_is_cut_after_it_was_indexed_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    stored(path, 64, 200, "4:2:2")
    strips = StripJpeg.index(path)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(DatasetError, match=r"a\.jpg is damaged"):
        strips.pixels((slice(40, 64), slice(0, 200)))
    path.unlink()
    with pytest.raises(DatasetError, match=r"a\.jpg"):
        strips.pixels((slice(0, 8), slice(0, 8)))


def test_a_picture_too_large_for_jpeg_is_a_sentence() -> None:
    with pytest.raises(DatasetError, match="A picture of 65501x1 is no JPEG"):
        jpeg_with_restarts(np.zeros((1, 65501, 3), np.uint8), 90, "4:4:4")
