"""Gain maps in and out of files: by libultrahdr and Pillow, and taken away, replaced and damaged."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.gain_map import (
    GainMap,
    packet_with_gain_map,
    packet_without_gain_map,
    second_image,
)
from invisp_deploy.formats.jpeg import END, MOST_PACKET, header_of_jpeg
from invisp_deploy.formats.metadata import NONE, Metadata
from invisp_deploy.formats.picture import Picture, carried_record, read_picture
from invisp_deploy.tolerances import TOLERANCES
from tests.conftest import DATA
from tests.formats.test_record import RECORD
from tests.formats.test_xmp import HEAD, TAIL, TITLE

HEIGHT, WIDTH = 64, 96
BASE = np.full((HEIGHT, WIDTH, 3), (200, 128, 160), np.uint8)
WAY_BACK = replace(RECORD, height=HEIGHT, width=WIDTH, digest="")
PACKET = f"{HEAD} rdf:about='uuid:7'>{TITLE}{TAIL}".encode()


def jpeg_of(pixels: np.ndarray, **how: int | bool) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **{"quality": 95, "subsampling": 0, **how})
    return stream.getvalue()


def stored(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Nothing on the left, and another gain in each channel on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :] = (255, 100, 20)
    return pixels


MAP = GainMap(jpeg_of(stored()), 33)
PICTURE = Picture(BASE, WAY_BACK, Metadata(xmp=PACKET), {"negative": bytes(100_000)}, gain_map=MAP)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    PICTURE.save(tmp_path / "a.jpg")
    return tmp_path / "a.jpg"


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_comes_back_from_every_format(name: str, tmp_path: Path) -> None:
    pixels = BASE.astype(np.uint16) if name == "a.tif" else BASE
    assert replace(PICTURE, pixels=pixels).save(tmp_path / name) == ()
    found = read_picture(tmp_path / name)
    assert found.gain_map == MAP
    assert (found.layers, found.metadata.xmp, found.notes) == (PICTURE.layers, PACKET, ())
    found.save(tmp_path / f"again-{name}")
    assert (tmp_path / f"again-{name}").read_bytes() == (tmp_path / name).read_bytes()


@pytest.mark.parametrize("boost", [1.0, 2.0, 8.0])
@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (HEIGHT // 4, WIDTH // 4)])
def test_libultrahdr_shows_what_the_formula_says(boost: float, size: tuple[int, int], tmp_path: Path) -> None:
    replace(PICTURE, gain_map=GainMap(jpeg_of(stored(*size)), 33)).save(tmp_path / "a.jpg", subsampling="4:4:4")
    shown = imagecodecs.ultrahdr_decode((tmp_path / "a.jpg").read_bytes(), boost=boost)[..., :3].astype(float)
    base = read_picture(tmp_path / "a.jpg").pixels / 255
    linear = np.where(base <= 0.04045, base / 12.92, ((base + 0.055) / 1.055) ** 2.4)
    gains = np.asarray(Image.open(io.BytesIO(MAP.image))) / 255 * 33 / 16
    expected = (linear + 1 / 64) * 2 ** (gains * min(np.log2(boost) / (33 / 16), 1)) - 1 / 64
    for column in (10, WIDTH - 10):  # beside the edge, where the scaling of the map counts
        np.testing.assert_allclose(
            shown[HEIGHT // 2, column], expected[HEIGHT // 2, column], rtol=TOLERANCES["gain-map-shown"].limit
        )
    assert boost == 1 or expected[0, -1].max() > 1, "something is brighter than white"


def test_the_picture_itself_is_as_without_one(path: Path, tmp_path: Path) -> None:
    replace(PICTURE, gain_map=None).save(tmp_path / "plain.jpg")
    data, plain = path.read_bytes(), (tmp_path / "plain.jpg").read_bytes()
    assert data[data.index(b"\xff\xdb") :].startswith(plain[plain.index(b"\xff\xdb") : plain.index(b"\xff\xda")])
    scan = header_of_jpeg(plain).scan
    assert scan is not None
    assert plain[scan.start :] in data
    with Image.open(path) as image:
        assert (image.format, getattr(image, "n_frames", 1)) == ("JPEG", 1)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(Image.open(tmp_path / "plain.jpg")))
    assert carried_record(path) == carried_record(tmp_path / "plain.jpg")


def test_an_ordinary_reader_of_several_pictures_finds_it(path: Path) -> None:
    from PIL.MpoImagePlugin import MpoImageFile

    with MpoImageFile(str(path)) as image:
        image.seek(1)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(Image.open(io.BytesIO(MAP.image))))
    assert path.read_bytes().endswith(second_image(MAP))


def test_a_file_that_was_written_once_stays_readable() -> None:
    picture = read_picture(DATA / "gain_map.jpg")
    assert picture.notes == ()
    assert picture.gain_map is not None
    assert (picture.gain_map.stops, picture.gain_map.size) == (2.0625, (16, 24))
    shown = imagecodecs.ultrahdr_decode((DATA / "gain_map.jpg").read_bytes(), boost=8.0)
    assert shown[32, 86, 0] > 1


def lost(data: bytes, path: Path) -> str:
    """Why the gain map of a picture is left out, which comes as it was but for that."""
    path.write_bytes(data)
    picture = read_picture(path)
    assert picture.gain_map is None
    assert picture.record is not None
    assert picture.layers == PICTURE.layers
    np.testing.assert_array_equal(picture.pixels, np.asarray(Image.open(io.BytesIO(data))))
    (note,) = picture.notes
    assert "the gain map of" in note
    assert str(path) in note
    return note


def test_one_that_another_program_took_away_is_noted(path: Path) -> None:
    data = path.read_bytes()
    primary = data[: data.index(END, header_of_jpeg(data).scan.start) + 2]  # type: ignore[union-attr]
    assert "took it away" in lost(primary, path)
    assert "took it away" in lost(primary + b"something else " * 1000, path)
    index = data.index(b"\xff\xe2\x00\x58MPF")
    assert "took it away" in lost(data[:index] + data[index + 90 :], path)


def test_another_one_in_its_place_is_noted(path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    other = replace(PICTURE, gain_map=GainMap(jpeg_of(255 - stored()), 33))
    other.save(tmp_path / "b.jpg")
    theirs = (tmp_path / "b.jpg").read_bytes()
    swapped = data[: -len(second_image(MAP))] + theirs[-len(second_image(other.gain_map)) :]  # type: ignore[arg-type]
    assert "another than the one" in lost(swapped, path)


@pytest.mark.parametrize("at", [1, 100, 1500, -40, -1])
def test_a_damaged_one_is_noted(at: int, path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[at - len(second_image(MAP)) if at >= 0 else at] ^= 0x41
    if at == 100:  # within its XMP, which the picture's own layer makes good
        path.write_bytes(data)
        assert read_picture(path).gain_map == MAP
    else:
        lost(bytes(data), path)
    lost(path.read_bytes()[:-300], path)


@pytest.mark.parametrize("offset", [0, 1, 0xFFFFFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize("size", [0, 1, 0xFFFFFFFF])
def test_an_index_that_leads_anywhere_is_noted(offset: int, size: int, path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = data.index(b"MPF\0") + 4 + 50 + 16 + 4
    assert struct.unpack_from(">I", data, at)[0] == len(second_image(MAP))
    struct.pack_into(">II", data, at, size, offset)
    lost(bytes(data), path)


def test_a_damaged_layer_of_it_costs_the_gain_map_alone(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[data.index(b"InvISP\0gainmap\0") + 26] ^= 1
    assert "checksum" in lost(bytes(data), path)


def test_metadata_that_another_program_makes_longer_moves_nothing(path: Path) -> None:
    """As exiv2 and jhead do it: the index, whose offset counts from itself, and the map move alike."""
    data = path.read_bytes()
    path.write_bytes(data[:20] + b"\xff\xfe\x03\xe8" + bytes(998) + data[20:])
    found = read_picture(path)
    assert (found.gain_map, found.notes) == (MAP, ())


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"\xff\xd8",
        b"no picture",
        jpeg_of(stored())[:-1],
        jpeg_of(stored()[..., 0]),
        jpeg_of(stored(), subsampling=2),
        jpeg_of(stored(), progressive=True),
    ],
)
def test_what_no_reader_takes_for_one_is_refused(image: bytes) -> None:
    with pytest.raises(ImageFileError, match="A gain map is a"):
        GainMap(image, 33)


@pytest.mark.parametrize("sixteenths", [-1, 0, 257])
def test_gains_that_cannot_be_are_refused(sixteenths: int) -> None:
    with pytest.raises(ImageFileError, match="sixteenths"):
        GainMap(MAP.image, sixteenths)


def test_one_that_is_larger_than_its_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="97x64 is not of a picture of 96x64"):
        replace(PICTURE, gain_map=GainMap(jpeg_of(stored(HEIGHT, WIDTH + 1)), 1)).save(tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"<x:xmpmeta/>", "has no rdf:RDF"),
        (PACKET.decode().encode("utf-16"), "cannot be read"),
        (PACKET.replace(b"xmp:Rating", b'hdrgm:Version="1.0" xmp:Rating'), "gain map of its own"),
        (PACKET.replace(b"<dc:title>", b" " * 64_500 + b"<dc:title>"), "no room"),
    ],
    ids=["no rdf", "utf-16", "own", "long"],
)
def test_a_packet_that_cannot_take_it_is_left_out_with_a_note(packet: bytes, why: str, tmp_path: Path) -> None:
    assert len(packet) < MOST_PACKET
    (note,) = replace(PICTURE, metadata=Metadata(xmp=packet)).save(tmp_path / "a.jpg")
    assert why in note
    found = read_picture(tmp_path / "a.jpg")
    assert (found.gain_map, found.metadata.xmp) == (MAP, b"")


def test_a_packet_of_none_is_made_and_goes_again() -> None:
    made, notes = packet_with_gain_map(b"", 5000)
    assert b'Item:Length="5000"' in made
    assert notes == ()
    assert packet_without_gain_map(made) == b""
    assert packet_without_gain_map(b"") == b""


def test_what_another_program_wrote_anew_leaves_the_packet_too() -> None:
    """As ExifTool 12.57 writes it."""
    rest = b"<rdf:Description rdf:about='' xmlns:Container='c'>%s</rdf:Description><hdrgm:x>%s"
    items = b"<Container:Directory>\n<rdf:Seq><rdf:li>GainMap</rdf:li></rdf:Seq>\n</Container:Directory>"
    assert packet_without_gain_map(rest % (items, b"<hdrgm:Version>1.0</hdrgm:Version>")) == rest % (b"", b"")


def test_a_picture_without_one_says_nothing_of_it(tmp_path: Path) -> None:
    replace(PICTURE, gain_map=None, metadata=NONE).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    for word in (b"MPF\0", b"hdrgm", b"21496", b"gainmap", b"http://ns.adobe.com/xap"):
        assert word not in data
    assert read_picture(tmp_path / "a.jpg").gain_map is None


def test_the_numbers_stand_where_iso_21496_1_has_them(path: Path) -> None:
    """In the picture its version alone, in the map all of it; Chromium shows less than HDR without either flag."""
    data, name = path.read_bytes(), b"urn:iso:std:iso:ts:21496:-1\0"
    in_picture, in_map = (at.start() for at in re.finditer(re.escape(name), data))
    for at, size in ((in_picture, 4), (in_map, 141)):
        assert data[at - 4 : at] == b"\xff\xe2" + struct.pack(">H", 2 + len(name) + size)
    assert data[in_picture + len(name) :][:4] == bytes(4)
    minimum, writer, flags = struct.unpack_from(">HHB", data, in_map + len(name))
    assert (minimum, writer) == (0, 0)
    assert flags == 0x80 | 0x40, "three channels, in the picture's colours; no common denominator, not backward"
