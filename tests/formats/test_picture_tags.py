"""What Exif asks of every picture is there, and what the frame said."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from invisp_deploy.formats.ifd import ASCII, UNDEFINED, Entry
from invisp_deploy.formats.metadata import EXIF_IFD, SOFTWARE, Metadata
from invisp_deploy.formats.picture_tags import fitting_jpeg, of_picture, of_tiff
from tests.formats.test_metadata import SAID


def test_a_picture_says_what_exif_asks() -> None:
    made = of_picture(SAID, 6, 300, 200)
    exif = Image.Exif()
    exif.load(made.exif_block())
    assert (exif[0x0112], exif[0x011A], exif[0x0128], exif[0x0213], exif[SOFTWARE]) == (6, 72, 2, 1, "invisp-deploy")
    shot = exif.get_ifd(EXIF_IFD)
    assert (shot[0x9000], shot[0xA000], shot[0xA001], shot[0xA002], shot[0xA003]) == (b"0232", b"0100", 1, 300, 200)
    assert (shot[0x8827], made.xmp) == (100, SAID.xmp)


@pytest.mark.parametrize(("said", "written"), [(b"0221", b"0232"), (b"0300", b"0300"), (b"xx", b"0232")])
def test_the_version_of_exif_is_that_of_its_newest_tag(said: bytes, written: bytes) -> None:
    old = Metadata(exif={0x9000: Entry(UNDEFINED, said)})
    assert of_picture(old, 1, 30, 20).exif[0x9000].data == written


def test_a_tiff_lays_out_its_own_pixels() -> None:
    made = of_tiff(of_picture(SAID, 6, 300, 200))
    assert made.ifd0 == SAID.ifd0
    assert {0x9000, 0xA000, 0xA001, 0x8827} <= made.exif.keys()
    assert not {0x9101, 0xA002, 0xA003} & made.exif.keys()
    assert (made.gps, made.xmp) == (SAID.gps, SAID.xmp)


def test_read_back_it_is_what_the_frame_said() -> None:
    read = Metadata.from_bytes(of_picture(SAID, 6, 300, 200).to_bytes())
    assert read.without(SOFTWARE).ifd0 == SAID.ifd0
    assert {tag: value for tag, value in read.exif.items() if tag in SAID.exif} == SAID.exif
    assert (read.gps, read.xmp) == (SAID.gps, SAID.xmp)


def test_a_jpeg_goes_without_what_it_does_not_hold() -> None:
    long = Entry(ASCII, b"a" * 70_000 + b"\0")
    two = {0xA430: Entry(ASCII, b"b" * 40_000), 0x9286: Entry(UNDEFINED, b"c" * 30_000)}
    whole = Metadata({**SAID.ifd0, 0x010E: long}, {**SAID.exif, **two}, SAID.gps, b"x" * 65_505)
    kept, notes = fitting_jpeg(whole)
    assert kept == Metadata(SAID.ifd0, {**SAID.exif, 0x9286: two[0x9286]}, SAID.gps)
    assert notes == (
        "the XMP packet of 65505 bytes does not fit a JPEG and was left out",
        "ImageDescription of 70001 bytes does not fit a JPEG and was left out",
        "CameraOwnerName of 40000 bytes does not fit a JPEG and was left out",
    )
    assert fitting_jpeg(SAID) == (SAID, ())
    just = replace(SAID, xmp=b"x" * 65_504)
    assert fitting_jpeg(just) == (just, ())
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", exif=b"Exif\0\0" + just.exif_block(), xmp=just.xmp)
