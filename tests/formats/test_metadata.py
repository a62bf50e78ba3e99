"""Metadata: what is kept of a file, what is dropped, what damage costs."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
import tifffile
from PIL import Image

from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.ifd import ASCII, BYTE, Entry, rational, shorts, text, tiff_of
from invisp_deploy.formats.metadata import (
    EXIF_IFD,
    GPS_IFD,
    MADE_SOFTWARE,
    MAKE,
    MODEL,
    NO_CAMERA,
    NONE,
    SOFTWARE,
    Metadata,
)
from invisp_deploy.formats.raw import read_raw

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


@pytest.mark.parametrize("pointer", [rational(0, 0), text("ab"), shorts(8), Entry(12, b"\0" * 6 + b"\xf0\x7f")])
def test_a_pointer_of_another_type_points_nowhere(pointer: Entry) -> None:
    assert Metadata.from_bytes(tiff_of({**IFD0, EXIF_IFD: pointer}, ())) == Metadata(IFD0)


def test_a_file_that_was_made_of_a_photograph_says_so() -> None:
    assert Metadata({SOFTWARE: text(MADE_SOFTWARE)}).made_from_photograph
    assert not SAID.made_from_photograph
    assert not SAID.without(MAKE).make


def test_a_camera_is_named_anew_only_where_it_differs() -> None:
    assert SAID.named("Canon", "Canon EOS 30D") == SAID
    other = SAID.named("", "Other")
    assert (other.make, other.model, other.exif) == ("", "Other", EXIF)
    assert MAKE not in other.ifd0


def test_exposure_and_dates_in_the_first_directory_stand_in_exifs() -> None:
    exposure = {0x829A: rational(1, 60), 0x8827: shorts(64), 0x9003: text("2026:05:04 03:02:01")}
    block = tiff_of({**IFD0, **exposure}, ((EXIF_IFD, {0x8827: shorts(100)}),))
    found = Metadata.from_bytes(block)
    assert found.ifd0 == IFD0
    assert found.exif == {**exposure, 0x8827: shorts(100)}, "its own directory goes first"
    dng = Metadata.from_bytes(tiff_of({0xC62F: text("0420"), 0xC630: rational(24, 1)}, ()))
    assert dng.exif == {0xA431: text("0420"), 0xA432: rational(24, 1)}


def test_a_text_of_nothing_says_nothing() -> None:
    blank = {0x013B: Entry(ASCII, bytes(64)), 0x0132: Entry(ASCII, b"    \0"), **IFD0}
    assert Metadata.from_bytes(tiff_of(blank, ((EXIF_IFD, {0x9003: Entry(ASCII, bytes(20))}),))) == Metadata(IFD0)


def test_ratings_and_titles_of_windows_are_kept() -> None:
    said = {0x4746: shorts(4), 0x4749: shorts(75), 0x9C9B: Entry(BYTE, "Möwe".encode("utf-16-le"))}
    assert Metadata.from_bytes(tiff_of({**said, 0x014A: shorts(1)}, ())).ifd0 == said


@pytest.mark.parametrize(
    ("ifd0", "model"),
    [
        ({}, "Blackmagic Pocket"),
        ({MODEL: text("Canon EOS 30D")}, "Canon EOS 30D"),
        ({MAKE: text("Canon")}, ""),
    ],
)
def test_a_dngs_unique_name_is_the_model_where_no_other_is(ifd0: dict[int, Entry], model: str) -> None:
    block = tiff_of({**ifd0, 0xC614: text("Blackmagic Pocket")}, ())
    assert Metadata.from_bytes(block).model == model


def test_a_dng_of_no_camera_has_none(small_frame: RawFrame, tmp_path: Path) -> None:
    replace(small_frame, make="", model="").save(tmp_path / "a.dng")
    with tifffile.TiffFile(tmp_path / "a.dng") as dng:
        assert dng.pages.first.tags[0xC614].value == NO_CAMERA
    assert read_raw(tmp_path / "a.dng").camera == ""
