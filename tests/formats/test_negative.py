"""A negative keeps a DNG's own words about its development: every byte there and back, and nothing that cannot be."""

from __future__ import annotations

import struct
import zlib

import pytest

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.ifd import RATIONAL, SRATIONAL, UNDEFINED, Entry, longs, shorts, text, tiff_of
from invisp_deploy.formats.negative import Negative, newest_opcode

SIZE = (128, 128)
EXPOSURE = Entry(SRATIONAL, struct.pack("<2i", 3, 2))
MATRIX = Entry(SRATIONAL, struct.pack("<18i", *[7, 10] * 9))


def opcodes(*numbers: int, version: tuple[int, int, int, int] = (1, 3, 0, 0), size: int = 8) -> Entry:
    body = b"".join(struct.pack(">I4B2I", number, *version, 0, size) + bytes(size) for number in numbers)
    return Entry(UNDEFINED, struct.pack(">I", len(numbers)) + body)


TAGS = {
    50708: text("Camera"),
    50719: longs(16, 0),
    50720: longs(96, 128),
    50721: MATRIX,
    50730: EXPOSURE,
    51009: opcodes(9, 9),
    51041: Entry(12, struct.pack("<2d", 1e-4, 1e-6)),
}


def test_every_byte_comes_back() -> None:
    negative = Negative.of(TAGS, *SIZE)
    assert {**negative.camera, **negative.mosaic} == TAGS
    assert set(negative.mosaic) == {50719, 50720, 51009, 51041}
    assert Negative.from_bytes(negative.to_bytes(), "a.jpg", *SIZE) == negative
    assert not Negative()
    assert Negative().to_bytes() == b""


@pytest.mark.parametrize(
    ("code", "entry"),
    [
        (50730, Entry(SRATIONAL, bytes(8))),  # 0/0, as Magic Lantern writes it
        (50730, shorts(1)),
        (50721, EXPOSURE),
        (51009, Entry(UNDEFINED, opcodes(9).data[:-1])),
        (51009, Entry(UNDEFINED, struct.pack(">I", 0xFFFFFFFF))),
        (51041, Entry(12, struct.pack("<2d", float("nan"), 0))),
        (50739, Entry(RATIONAL, struct.pack("<2I", 1, 0))),
        (256, longs(10)),
    ],
)
def test_what_no_dng_can_say_is_left_out_of_a_file_and_refused_in_a_picture(code: int, entry: Entry) -> None:
    tags = {**TAGS, code: entry}
    negative = Negative.of(tags, *SIZE)
    assert code not in negative.camera
    assert code not in negative.mosaic
    assert len(negative.camera) + len(negative.mosaic) == len(set(TAGS) - {code})
    with pytest.raises(ImageFileError, match=rf"a\.jpg carries of its negative is damaged \(the tags {code} cannot be"):
        Negative.from_bytes(zlib.compress(tiff_of(tags, ())), "a.jpg", *SIZE)


@pytest.mark.parametrize(("height", "width"), [(127, 128), (128, 111)])
def test_a_crop_outside_of_the_mosaic_is_none(height: int, width: int) -> None:
    assert {50719, 50720} & set(Negative.of(TAGS, height, width).mosaic) == set()


@pytest.mark.parametrize("pointer", [Entry(6, b"\xff"), Entry(11, struct.pack("<f", float("inf"))), text("a")])
def test_a_second_directory_is_at_a_whole_place(pointer: Entry) -> None:
    data = zlib.compress(tiff_of({330: pointer}, ()))
    with pytest.raises(ImageFileError, match="it names no second directory"):
        Negative.from_bytes(data, "a.jpg", *SIZE)


@pytest.mark.parametrize("data", [b"x", zlib.compress(b"nothing"), zlib.compress(tiff_of(TAGS, ()))[:-3]])
def test_damaged_data_are_refused(data: bytes) -> None:
    with pytest.raises(ImageFileError, match="of its negative is damaged"):
        Negative.from_bytes(data, "a.jpg", *SIZE)


def test_what_takes_too_much_room_is_left_out_by_name_tastes_first() -> None:
    curve = bytes(index * 31 % 251 for index in range(4 << 10))  # compressed, it is shorter
    tags = {**TAGS, 51009: Entry(UNDEFINED, struct.pack(">2I4B2I", 1, 9, 1, 3, 0, 0, 0, len(curve)) + curve)}
    tags[50940] = Entry(11, struct.pack("<1024f", *(index**0.5 for index in range(1024))))
    negative = Negative.of(tags, *SIZE)
    assert negative.within() == (negative, ())
    without_curve, left_out = negative.within(len(negative.to_bytes()) - 1)
    assert left_out == ("the profile's tone curve (4096 bytes)",)
    assert without_curve == negative.without(50940)
    least, left_out = negative.within(400)
    assert left_out == ("the profile's tone curve (4096 bytes)", f"OpcodeList2 ({len(curve) + 20} bytes)")
    assert least == negative.without(50940, 51009)
    assert negative.within(10)[0] == Negative()
    assert len(negative.within(10)[1]) == 1


def test_another_matrix_takes_the_place_of_all_that_leads_to_colours() -> None:
    assert set(Negative.of(TAGS, *SIZE).without_colours().camera) == {50708, 50730}


def test_the_latest_version_that_an_opcode_asks_for() -> None:
    assert newest_opcode(opcodes(9, 1).data) == (1, 3, 0, 0)
    assert newest_opcode(opcodes(14, version=(1, 6, 0, 0)).data) == (1, 6, 0, 0)
    assert newest_opcode(opcodes().data) == (1, 0, 0, 0)
