"""Linear pictures as files: by the format's own description, by libavif, and by Pillow."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from invisp_deploy.errors import ImageFileError, MissingExtraError, RequestError
from invisp_deploy.formats.avif_items import with_items
from invisp_deploy.formats.hdr import SRGB_TO_BT2020, write_avif, write_exr
from invisp_deploy.formats.metadata import Metadata
from tests.formats.test_metadata import SAID

HEIGHT, WIDTH = 48, 64
WRITERS = {"a.exr": write_exr, "a.avif": write_avif}


def ramp() -> np.ndarray:
    """From black to eight times white, another way in each channel."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    return np.stack((columns / 8, rows / 24, (rows + columns) / 500), -1).astype(np.float16)


def exr_pixels(data: bytes) -> dict[str, np.ndarray]:
    """By the OpenEXR File Layout alone: scan lines of half floats, sixteen deflated together."""
    assert data[:8] == struct.pack("<II", 20000630, 2)
    attributes, place = {}, 8
    while data[place]:
        name, kind = data[place:].split(b"\0", 2)[:2]
        place += len(name) + len(kind) + 2
        size = struct.unpack_from("<I", data, place)[0]
        attributes[name.decode()] = data[place + 4 : place + 4 + size]
        place += 4 + size
    assert attributes["compression"] == b"\x03"
    left, top, right, bottom = struct.unpack("<4i", attributes["dataWindow"])
    height, width = bottom - top + 1, right - left + 1
    offsets = struct.unpack_from(f"<{-(-height // 16)}Q", data, place + 1)
    lines = []
    for offset in offsets:
        _, size = struct.unpack_from("<iI", data, offset)
        packed = data[offset + 8 : offset + 8 + size]
        rows = min(16, height - 16 * len(lines))
        plain = packed
        if size < rows * width * 6:
            deltas = np.frombuffer(zlib.decompress(packed), np.uint8).astype(int)
            summed = (np.cumsum(deltas) - 128 * np.arange(len(deltas))).astype(np.uint8)
            halves = np.array_split(summed, 2)
            woven = np.empty(len(summed), np.uint8)
            woven[::2], woven[1::2] = halves
            plain = woven.tobytes()
        lines.append(np.frombuffer(plain, "<f2").reshape(rows, 3, width))
    blue, green, red = np.concatenate(lines).transpose(1, 0, 2)
    return {"pixels": np.stack((red, green, blue), -1), **attributes}  # type: ignore[dict-item]


def test_exr_holds_half_floats(tmp_path: Path) -> None:
    linear = ramp()
    linear[0, 0] = (-0.25, 65504, 1e-6)
    write_exr(tmp_path / "a.exr", linear, SAID)
    found = exr_pixels((tmp_path / "a.exr").read_bytes())
    np.testing.assert_array_equal(found["pixels"], linear.astype(np.float16))
    assert found["cameraModel"] == b"Canon EOS 30D"
    assert struct.unpack("<f", found["isoSpeed"]) == (100.0,)  # type: ignore[arg-type]
    assert np.frombuffer(found["chromaticities"], "<f4").tolist() == pytest.approx(
        [0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290]
    )


def bt2020_from_primaries() -> np.ndarray:
    """Linear sRGB to BT.2020 from the chromaticities of both (SMPTE RP 177)."""
    matrices = []
    for primaries in (((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))):
        columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
        white = np.array((0.3127 / 0.3290, 1, (1 - 0.3127 - 0.3290) / 0.3290))
        matrices.append(columns * np.linalg.solve(columns, white))
    return np.linalg.inv(matrices[1]) @ matrices[0]


def test_the_matrix_is_that_of_the_primaries() -> None:
    np.testing.assert_allclose(SRGB_TO_BT2020, bt2020_from_primaries(), atol=1e-6)


def pq(nits: np.ndarray) -> np.ndarray:
    part = (nits / 10000) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * part) / (1 + 18.6875 * part)) ** 78.84375)


def test_avif_holds_pq_of_bt2020(tmp_path: Path) -> None:
    """libavif's decoders, of 10 bits here and of 8 in Pillow, see the codes that BT.2100 says."""
    linear = ramp()
    write_avif(tmp_path / "a.avif", linear, white_nits=100, quality=100)
    linear = linear.astype(np.float64)
    data = (tmp_path / "a.avif").read_bytes()
    signal = pq(100 * np.maximum(linear @ bt2020_from_primaries().T, 0))
    deep = imagecodecs.avif_decode(data)
    assert deep.dtype == np.uint16
    inner = (slice(8, -8), slice(8, -8))
    assert np.abs(deep[inner] - 1023 * signal[inner]).mean() < 1.5
    with Image.open(io.BytesIO(data)) as image:
        assert np.abs(np.asarray(image)[inner] - 255 * signal[inner]).mean() < 1
    assert b"colrnclx" + struct.pack(">3HB", 9, 16, 9, 0x80) in data
    brightest = np.maximum(linear @ bt2020_from_primaries().T, 0).max(-1) * 100
    most, mean = struct.unpack_from(">HH", data, data.index(b"clli") + 4)
    assert (most, mean) == (round(brightest.max()), round(brightest.mean()))


def test_avif_keeps_exif_and_xmp_beside_the_same_pixels(tmp_path: Path) -> None:
    metadata = Metadata(SAID.ifd0, SAID.exif, SAID.gps, b"<x:xmpmeta/>" * 100)
    write_avif(tmp_path / "a.avif", ramp(), metadata)
    write_avif(tmp_path / "b.avif", ramp())
    with Image.open(tmp_path / "a.avif") as image, Image.open(tmp_path / "b.avif") as plain:
        assert image.info["xmp"] == metadata.xmp
        assert "xmp" not in plain.info
        tags = image.getexif()
        assert (tags[0x0110].strip(), tags[0x0112]) == ("Canon EOS 30D", 1)
        assert tags.get_ifd(0x8769)[0x8827] == 100
        assert tags.get_ifd(0x8769)[0xA001] == 0xFFFF  # no sRGB
        np.testing.assert_array_equal(np.asarray(image), np.asarray(plain))


def test_avif_of_several_items_is_refused() -> None:
    codes = np.zeros((16, 16, 4), np.uint8)
    with pytest.raises(ImageFileError, match="more than one item"):
        with_items(bytes(imagecodecs.avif_encode(codes)), b"", b"", (0, 0))  # with alpha


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("linear", "why"),
    [
        (np.zeros((4, 4, 3)), "float64"),
        (np.zeros((4, 4), np.float16), r"\(4, 4\) float16"),
        (np.zeros((0, 4, 3), np.float16), r"\(0, 4, 3\)"),
        (np.full((4, 4, 3), np.nan, np.float16), "values from nan"),
        (np.full((4, 4, 3), np.inf, np.float16), "to inf"),
        (np.full((4, 4, 3), -np.inf, np.float16), "from -inf"),
    ],
)
def test_what_the_formats_do_not_hold_is_refused(name: str, linear: np.ndarray, why: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=why):
        WRITERS[name](tmp_path / name, linear)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("settings", [{"white_nits": 0}, {"white_nits": 20000}, {"quality": 0}, {"quality": 101}])
def test_settings_that_mean_nothing_are_refused(settings: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=next(iter(settings))):
        write_avif(tmp_path / "a.avif", ramp(), **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WRITERS)
def test_files_are_written_whole_or_not_at_all(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"there")
    with pytest.raises(RequestError, match="exists already"):
        WRITERS[name](path, ramp(), overwrite=False)
    assert path.read_bytes() == b"there"
    WRITERS[name](path, ramp())
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert len(path.read_bytes()) > 500


@pytest.mark.parametrize(("name", "package"), [("a.exr", "OpenEXR"), ("a.avif", "imagecodecs")])
def test_a_missing_package_is_named_with_its_extra(
    name: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"`{package}`.*hdr"):
        WRITERS[name](tmp_path / name, ramp())
    assert not list(tmp_path.iterdir())
