"""Metadata in TIFF files: found by other readers, bytes and types as they were, the rest of the file as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from invisp_deploy.formats.first_page import append_directories, first_page_tags
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.metadata import EXIF_IFD, GPS_IFD, NONE, SOFTWARE, Metadata, read_tiff
from tests.formats.test_metadata import SAID

PIXELS = np.random.default_rng(0).integers(0, 65536, (9, 7, 3)).astype(np.uint16)


def write(path: Path, metadata: Metadata = SAID) -> Path:
    tifffile.imwrite(path, PIXELS, photometric="rgb", byteorder="<", metadata=None, extratags=first_page_tags(metadata))
    return path


@pytest.fixture
def tiff(tmp_path: Path) -> Path:
    return write(tmp_path / "a.tif")


def test_other_readers_find_the_directories(tiff: Path) -> None:
    append_directories(tiff, SAID)
    with tifffile.TiffFile(tiff) as opened:
        tags = opened.pages.first.tags
        assert tags[271].value == "Canon"
        assert tags[700].value == SAID.xmp
        assert tags[EXIF_IFD].value["ISOSpeedRatings"] == 100
        assert tags[EXIF_IFD].value["ExposureTime"] == (1, 500)
        assert (int(tags[EXIF_IFD].dtype), tags[EXIF_IFD].count) == (4, 1)  # LONG
    with Image.open(tiff) as image:
        assert image.getexif().get_ifd(GPS_IFD)[16] == "T"


def test_it_is_read_as_it_was(tmp_path: Path, small_frame: RawFrame) -> None:
    assert len(small_frame.metadata.exif) > 10
    for said in (SAID, small_frame.metadata, NONE):
        path = write(tmp_path / "a.tif", said)
        append_directories(path, said)
        with path.open("rb") as stream:
            found = read_tiff(stream)
        assert found.without(SOFTWARE) == said.without(SOFTWARE)


def test_pixels_and_order_of_tags_stay(tiff: Path) -> None:
    append_directories(tiff, SAID)
    np.testing.assert_array_equal(tifffile.imread(tiff), PIXELS)
    with tifffile.TiffFile(tiff) as opened:
        assert len(opened.pages) == 1
        codes = [tag.code for tag in sorted(opened.pages.first.tags, key=lambda tag: tag.offset)]
    assert codes == sorted(codes)
    assert not {34664, 34852} & set(codes)


def test_a_file_of_odd_length_is_padded(tiff: Path) -> None:
    with tiff.open("ab") as stream:
        stream.write(b"x" * (1 + tiff.stat().st_size % 2))
    assert tiff.stat().st_size % 2 == 1
    append_directories(tiff, SAID)
    with tifffile.TiffFile(tiff) as opened:
        assert opened.pages.first.tags[EXIF_IFD].value["ISOSpeedRatings"] == 100
