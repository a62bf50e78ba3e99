"""Metadata: what is kept of a file, what is dropped, what damage costs."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from invisp_deploy.formats.ifd import ASCII, Entry, rational, shorts, text, tiff_of
from invisp_deploy.formats.metadata import EXIF_IFD, GPS_IFD, MADE_SOFTWARE, MAKE, MODEL, NONE, SOFTWARE, Metadata

IFD0 = {MAKE: text("Canon"), MODEL: text(" Canon EOS 30D "), 0x8298: Entry(ASCII, "© José\0".encode())}
EXIF = {0x829A: rational(1, 500), 0x8827: shorts(100)}
GPS = {1: text("N"), 16: text("T")}
SAID = Metadata(IFD0, EXIF, GPS, b"<x:xmpmeta/>")


def test_what_means_something_to_people_is_kept_as_it_is() -> None:
    assert Metadata.from_bytes(SAID.to_bytes()) == SAID
    assert Metadata.from_bytes(b"Exif\0\0" + SAID.to_bytes()) == SAID
    assert (SAID.make, SAID.model) == ("Canon", "Canon EOS 30D")


def test_layout_and_private_tags_are_dropped() -> None:
    block = tiff_of(
        {**IFD0, 0x0112: shorts(6), 0x0100: shorts(3522)},
        ((EXIF_IFD, {**EXIF, 0x927C: text("private"), 0xA002: shorts(3504)}), (GPS_IFD, GPS)),
    )
    assert Metadata.from_bytes(block, SAID.xmp) == SAID


def test_a_block_is_what_pillow_reads_in_a_jpeg() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", exif=b"Exif\0\0" + SAID.exif_block(), xmp=SAID.xmp)
    with Image.open(stream) as image:
        assert image.getexif().get_ifd(EXIF_IFD)[0x8827] == 100
        assert Metadata.from_bytes(image.info["exif"], image.info["xmp"]) == SAID


def test_nothing_gives_nothing() -> None:
    assert not NONE
    assert NONE.to_bytes() == b""
    assert Metadata.from_bytes(b"") == NONE


@pytest.mark.parametrize("block", [b"II", b"no TIFF", b"II\x2a\0\xff\xff\xff\xff", b"MM\0\x2a\0\0\0\x08\xff\xff"])
def test_what_is_no_tiff_says_nothing(block: bytes) -> None:
    assert Metadata.from_bytes(block) == NONE


def test_directories_that_point_to_themselves_end() -> None:
    block = bytearray(SAID.to_bytes())
    place = block.index(EXIF_IFD.to_bytes(2, "little")) + 8
    block[place : place + 4] = (8).to_bytes(4, "little")
    assert Metadata.from_bytes(bytes(block)).gps == GPS


def test_a_file_that_was_made_of_a_photograph_says_so() -> None:
    assert Metadata({SOFTWARE: text(MADE_SOFTWARE)}).made_from_photograph
    assert not SAID.made_from_photograph
    assert not SAID.without(MAKE).make


def test_a_camera_is_named_anew_only_where_it_differs() -> None:
    assert SAID.named("Canon", "Canon EOS 30D") == SAID
    other = SAID.named("", "Other")
    assert (other.make, other.model, other.exif) == ("", "Other", EXIF)
    assert MAKE not in other.ifd0
