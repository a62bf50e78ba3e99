"""Directories of TIFF files: what Pillow and tifffile write is read, what we write they read, damage costs an entry."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

from invisp_deploy.formats.ifd import (
    ASCII,
    MAX_ENTRIES,
    MAX_VALUE,
    MAX_VALUES,
    RATIONAL,
    SHORT,
    Entry,
    directory_bytes,
    longs,
    rational,
    read_directory,
    shorts,
    text,
    tiff_of,
)

ENTRIES = {0x010F: text("Maker"), 0x0112: shorts(6), 0x829A: rational(1, 200), 0x8827: shorts(100, 200, 300)}


def test_pillow_reads_what_is_written() -> None:
    exif = Image.Exif()
    exif.load(tiff_of(ENTRIES, ((0x8769, {0x9003: text("2008:02:16 13:51:56")}), (0x8825, {}))))
    assert (exif[0x010F], exif[0x0112], exif[0x829A], exif[0x8827]) == ("Maker", 6, 0.005, (100, 200, 300))
    assert exif.get_ifd(0x8769)[0x9003] == "2008:02:16 13:51:56"
    assert 0x8825 not in exif, "no pointer to nothing"


@pytest.mark.parametrize("prefix", [b"II\x2a\0\x08\0\0\0", b"MM\0\x2a\0\0\0\x08"])
def test_what_pillow_writes_is_read(prefix: bytes) -> None:
    directory = ImageFileDirectory_v2(prefix)
    directory[0x010F], directory[0x8827], directory[0x829A] = "Maker", (100, 200, 300), IFDRational(1, 200)
    directory.tagtype[0x9203], directory[0x9203] = 10, IFDRational(-3, 2)
    directory.tagtype[0x5001], directory[0x5001] = 12, 0.1
    data = directory.tobytes(8)
    found = read_directory(io.BytesIO(prefix + data), 8, "<" if prefix[:1] == b"I" else ">")
    assert found[0x010F] == text("Maker")
    assert found[0x8827] == shorts(100, 200, 300)
    assert found[0x829A] == Entry(RATIONAL, struct.pack("<2I", 1, 200))
    assert found[0x9203].numbers == (-1.5,)
    assert found[0x5001].numbers == (0.1,)


def test_directories_come_back_and_are_of_even_length() -> None:
    data = directory_bytes(ENTRIES, 8)
    assert len(data) % 2 == 0
    assert read_directory(io.BytesIO(bytes(8) + data), 8, "<") == ENTRIES
    assert [*read_directory(io.BytesIO(bytes(8) + data), 8, "<", wanted=(0x0112).__eq__)] == [0x0112]


@pytest.mark.parametrize("cut", range(0, 120, 3))
def test_a_file_that_ends_early_costs_entries(cut: int) -> None:
    data = bytes(8) + directory_bytes(ENTRIES, 8)
    found = read_directory(io.BytesIO(data[:cut]), 8, "<")
    assert found.items() <= ENTRIES.items()


@pytest.mark.parametrize(
    "row",
    [
        struct.pack("<HHII", 0x010E, 99, 1, 0),  # no such type
        struct.pack("<HHII", 0x010E, ASCII, 0, 0),  # no value
        struct.pack("<HHII", 0x010E, ASCII, MAX_VALUE + 1, 8),
        struct.pack("<HHII", 0x010E, ASCII, 0xFFFFFFFF, 0xFFFFFFFF),
        struct.pack("<HHII", 0x010E, ASCII, 30, 0xFFFFFF00),  # beyond the file
        struct.pack("<HHII", 0x010F, ASCII, 4, 0x00414141),  # there already
    ],
)
def test_a_damaged_entry_costs_itself(row: bytes) -> None:
    data = directory_bytes(ENTRIES, 8)
    data = struct.pack("<H", len(ENTRIES) + 1) + data[2 : 2 + 12 * len(ENTRIES)] + row + data[2 + 12 * len(ENTRIES) :]
    moved = {0x010F: 12, 0x829A: 12, 0x8827: 12}
    stream = bytearray(bytes(8) + data)
    for at in range(10, 10 + 12 * len(ENTRIES), 12):
        tag, _, _, place = struct.unpack_from("<HHII", stream, at)
        struct.pack_into("<I", stream, at + 8, place + moved.get(tag, 0))
    assert read_directory(io.BytesIO(bytes(stream)), 8, "<") == ENTRIES


def test_a_directory_of_too_many_entries_is_none() -> None:
    data = struct.pack("<H", MAX_ENTRIES + 1) + struct.pack("<HHII", 0x0112, SHORT, 1, 6) * (MAX_ENTRIES + 1)
    assert read_directory(io.BytesIO(data), 0, "<") == {}


def test_values_that_share_their_bytes_stay_within_bounds() -> None:
    rows = b"".join(struct.pack("<HHII", tag, ASCII, MAX_VALUE, 0) for tag in range(1000))
    found = read_directory(io.BytesIO(bytes(MAX_VALUE) + struct.pack("<H", 1000) + rows), MAX_VALUE, "<")
    assert sum(len(entry.data) for entry in found.values()) == MAX_VALUES


def test_values() -> None:
    assert longs(1, 2).count == 2
    assert Entry(ASCII, "© Jürgen\0\0".encode()).text == "© Jürgen"
    assert Entry(ASCII, b" caf\xe9 \0rubbish").text == "café"
    assert shorts(5).text == ""
    assert text("5").numbers == ()
    assert str(rational(1, 0).numbers) == "(nan,)"
