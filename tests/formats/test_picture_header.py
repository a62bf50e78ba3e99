"""Headers say what a file is before anything of its size is allocated."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.picture import Picture, carried_record, read_picture
from invisp_deploy.formats.picture_header import read_picture_header
from tests.formats.test_untouched import WAY_BACK, expected


def bomb(path: Path, width: int = 100000, height: int = 100000) -> Path:
    """A file of some hundred bytes that claims to be large."""
    if path.suffix == ".tif":
        tags = [(256, width), (257, height), (258, 16), (259, 8), (262, 2), (273, 8), (277, 3), (278, height), (279, 4)]
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        path.write_bytes(b"II*\0" + struct.pack("<IIH", 12, 0, len(tags)) + entries + bytes(4))
    elif path.suffix == ".png":

        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    else:
        Image.new("RGB", (8, 8)).save(path)
        data = path.read_bytes()
        at = data.index(b"\xff\xc0") + 5
        path.write_bytes(data[:at] + struct.pack(">HH", min(height, 65535), min(width, 65535)) + data[at + 4 :])
    return path


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg"])
def test_what_claims_more_than_any_camera_is_refused_before_it_is_allocated(name: str, tmp_path: Path) -> None:
    path = bomb(tmp_path / name)
    for read in (read_picture, carried_record, read_picture_header):
        tracemalloc.start()
        with pytest.raises(ImageFileError, match=rf"{name} claims to be"):
            read(path)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 20e6


def test_the_limit_is_the_callers(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (1000, 500)).save(path)
    with pytest.raises(ImageFileError, match="more than 0.4 megapixels"):
        read_picture(path, max_pixels=0.4)
    assert read_picture(path, max_pixels=0.5).pixels.shape == (500, 1000, 3)


def test_a_picture_of_a_hundred_megapixels_makes_no_remark_of_pillows(tmp_path: Path) -> None:
    """Pillow warns from 89 megapixels on, and warnings are errors here."""
    path = bomb(tmp_path / "a.jpg", 12000, 10000)
    assert read_picture_header(path).width == 12000
    with pytest.raises(ImageFileError, match="more than 100 mega"):
        read_picture(path, max_pixels=100)


@pytest.mark.parametrize(("made", "named"), [("a.tif", "b.jpg"), ("a.png", "b.tif"), ("a.jpg", "b.png")])
def test_content_decides_and_not_the_name(made: str, named: str, tmp_path: Path) -> None:
    pixels = expected() if made != "a.tif" else expected().astype(np.uint16) * 257
    Picture(pixels, WAY_BACK).save(tmp_path / made)
    (tmp_path / made).rename(tmp_path / named)
    picture = read_picture(tmp_path / named)
    assert picture.record is not None
    assert picture.pixels.dtype == pixels.dtype
    assert carried_record(tmp_path / named) == picture.record


def test_a_tag_that_another_program_wrote_again_as_text_says_nothing(tmp_path: Path) -> None:
    """As Pillow does it, which takes 8 bits of 16."""
    Picture(expected().astype(np.uint16) * 257, WAY_BACK).save(tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as image:
        image.save(tmp_path / "b.tif")
    assert read_picture(tmp_path / "b.tif").record is None


@pytest.mark.parametrize("kind", ["EPS", "BMP", "GIF", "JPEG2000", "PPM", "WEBP", "TGA", "PCX"])
def test_other_formats_are_not_opened_whatever_their_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(expected()).save(path, kind)
    with pytest.raises(ImageFileError, match="is not a JPEG, PNG or TIFF"):
        read_picture(path, force=True)


def test_sixteen_bits_of_a_png_are_refused_and_not_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    rows = b"".join(b"\0" + bytes(6 * 4) for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    path.write_bytes(data)
    with pytest.raises(ImageFileError, match="PNG of RGB with 16 bits"):
        read_picture(path, force=True)


def test_samples_of_a_tiff_are_looked_at_before_they_are_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for array, said in ((np.zeros((9, 9, 3), np.float32), "float32"), (np.zeros((9, 9), np.uint16), "1 samples")):
        tifffile.imwrite(path, array, photometric="rgb" if array.ndim == 3 else "minisblack")
        with pytest.raises(ImageFileError, match=said):
            read_picture(path, force=True)


def test_a_strip_that_inflates_beyond_its_rows_is_refused_before_it_is_held(tmp_path: Path) -> None:
    """200 megabytes of zeros where 64 rows of 8 pixels are claimed."""
    path, packed = tmp_path / "a.tif", zlib.compress(bytes(200_000_000))
    tags = [(256, 8), (257, 64), (258, 16), (259, 8), (262, 2), (273, 200), (277, 3), (278, 64), (279, len(packed))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = b"II*\0" + struct.pack("<IIH", 8, len(tags), 0)[:4] + struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(head.ljust(200, b"\0") + packed)
    tracemalloc.start()
    try:
        with pytest.raises(ImageFileError, match="inflates to more than the 3072 bytes of its rows"):
            read_picture(path, force=True)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
