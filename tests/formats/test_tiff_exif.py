"""Exif directories in TIFF files: found by other readers, typed as Exif says, the rest of the file as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from invisp_deploy.formats.exif import EXIF_IFD, exif_block, load_exif
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.tiff_exif import append_exif, stand_in, sub_directory_as_long

PIXELS = np.random.default_rng(0).integers(0, 65536, (9, 7, 3)).astype(np.uint16)
TAGS = {
    0x829A: IFDRational(1, 200),
    0x8827: 400,
    0x9003: "2008:02:16 13:51:56",
    0x9000: b"0221",
    0x9201: IFDRational(-15, 2),
    0xA301: b"\x01",
}


def block() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif.get_ifd(EXIF_IFD).update(TAGS)
    return exif_block(exif)


@pytest.fixture
def tiff(tmp_path: Path) -> Path:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, PIXELS, photometric="rgb", byteorder="<", metadata=None, extratags=[stand_in()])
    return path


def test_other_readers_find_the_directory(tiff: Path) -> None:
    append_exif(tiff, block())
    with tifffile.TiffFile(tiff) as opened:
        found = opened.pages.first.tags[EXIF_IFD].value
    assert found["ISOSpeedRatings"] == 400
    assert found["DateTimeOriginal"] == "2008:02:16 13:51:56"
    assert found["ExposureTime"] == (1, 200)
    numerator, denominator = found["ShutterSpeedValue"]
    assert numerator / denominator == -7.5, "a signed value keeps its sign"
    exif = Image.Exif()
    with tiff.open("rb") as stream:
        exif.load_from_fp(stream)
        assert set(exif.get_ifd(EXIF_IFD)) == set(TAGS)


def test_types_are_those_of_the_exif_standard(tiff: Path) -> None:
    append_exif(tiff, block())
    data = tiff.read_bytes()
    with tifffile.TiffFile(tiff) as opened:
        pointer = opened.pages.first.tags[EXIF_IFD]
        assert (int(pointer.dtype), pointer.count) == (4, 1)  # LONG
        start = pointer.offset + 8  # where its value stands
    offset = int.from_bytes(data[start : start + 4], "little")
    assert offset % 2 == 0  # TIFF 6.0: a directory begins on a word boundary
    count = int.from_bytes(data[offset : offset + 2], "little")
    entries = [data[offset + 2 + 12 * index : offset + 14 + 12 * index] for index in range(count)]
    types = {int.from_bytes(entry[:2], "little"): int.from_bytes(entry[2:4], "little") for entry in entries}
    assert types == {0x829A: 5, 0x8827: 3, 0x9000: 7, 0x9003: 2, 0x9201: 10, 0xA301: 7}
    assert list(types) == sorted(types)
    end = offset + 2 + 12 * count
    assert data[end : end + 4] == bytes(4), "no directory follows"


def test_pixels_and_order_of_tags_stay(tiff: Path) -> None:
    append_exif(tiff, block())
    np.testing.assert_array_equal(tifffile.imread(tiff), PIXELS)
    with tifffile.TiffFile(tiff) as opened:
        tags = sorted(opened.pages.first.tags, key=lambda tag: tag.offset)
    codes = [tag.code for tag in tags]
    assert codes == sorted(codes)
    assert stand_in()[0] not in codes


def test_a_cameras_whole_block_survives(tiff: Path, small_frame: RawFrame) -> None:
    append_exif(tiff, small_frame.exif)
    before = load_exif(small_frame.exif).get_ifd(EXIF_IFD)
    exif = Image.Exif()
    with tiff.open("rb") as stream:
        exif.load_from_fp(stream)
        after = exif.get_ifd(EXIF_IFD)
    assert len(before) > 10
    assert {tag: after.get(tag) for tag in before} == pytest.approx(dict(before))


def test_a_file_of_odd_length_is_padded(tiff: Path) -> None:
    with tiff.open("ab") as stream:
        stream.write(b"x" * (1 + tiff.stat().st_size % 2))
    assert tiff.stat().st_size % 2 == 1
    append_exif(tiff, block())
    with tifffile.TiffFile(tiff) as opened:
        assert opened.pages.first.tags[EXIF_IFD].value["ISOSpeedRatings"] == 400


def test_a_sub_directory_is_pointed_to_by_a_long(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, byteorder="<") as writer:
        writer.write(PIXELS[:4], photometric="rgb", subifds=1, metadata=None)
        writer.write(PIXELS, photometric="rgb", metadata=None)
    before = path.read_bytes()
    sub_directory_as_long(path)
    after = path.read_bytes()
    assert [(a, b) for a, b in zip(before, after, strict=True) if a != b] == [(13, 4)], "IFD became LONG, no more"
    with tifffile.TiffFile(path) as opened:
        first = opened.pages.first
        assert int(first.tags[330].dtype) == 4
        np.testing.assert_array_equal(first.pages[0].asarray(), PIXELS)
