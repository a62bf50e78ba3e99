"""The index of several pictures in one JPEG file: where the second one lies (CIPA DC-007, chapter 5).

A TIFF directory in an APP2 segment, whose offsets count from the byte behind `MPF`, NUL. It stands directly before the
scan, so that whoever changes the metadata before it moves index and second picture alike, and the offset stays right.
The second picture's own segments may hold layers of the first, which are then no way that a browser has to go before
the first pixel.
"""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from typing import BinaryIO, Final

from invisp_deploy.formats.ifd import read_first_directory
from invisp_deploy.formats.jpeg import APP2, INDEX, JpegHeader, Pieces, read_jpeg_header, segment

_VERSION, _NUMBER, _ENTRIES = 0xB000, 0xB001, 0xB002
_ENTRY: Final = 16
_PRIMARY: Final = 0x030000  # baseline, and what is shown; nothing is said of the others
_HEAD: Final = 4 + len(INDEX)
"""Bytes of the segment before the one that offsets count from."""


def with_index(pieces: Pieces, scan: int, second: Pieces) -> Pieces:
    """A JPEG in pieces, of which that of the index `scan` begins with the first scan, and a second one behind it."""
    before, all_of_it = sum(map(len, pieces[:scan])), sum(map(len, pieces))
    size = len(_segment(0, 0, 0))
    index = _segment(all_of_it + size, sum(map(len, second)), all_of_it + size - (before + _HEAD))
    return [*pieces[:scan], index, *pieces[scan:], *second]


def second_picture(header: JpegHeader) -> tuple[int, int] | None:
    """Where in the file the second picture begins, and its bytes, as the index claims; None where nothing is said."""
    stream = io.BytesIO(header.index)
    directory, order = read_first_directory(stream)
    if _ENTRIES not in directory or len(directory[_ENTRIES].data) < 2 * _ENTRY:
        return None
    size, offset = struct.unpack_from(order + "II", directory[_ENTRIES].data, _ENTRY + 4)
    return header.index_at + offset, size


def packets_behind(header: JpegHeader, stream: BinaryIO) -> list[bytes]:
    """The packets of layers that the second picture's segments hold; none where it is not there any more."""
    place, _ = second_picture(header) or (0, 0)
    stream.seek(place)
    with suppress(ValueError):
        return read_jpeg_header(stream).packets if place else []
    return []


def _segment(first: int, second: int, offset: int) -> bytes:
    """first, second: bytes of the pictures; offset: of the second."""
    entries = struct.pack(">IIIHH", _PRIMARY, first, 0, 0, 0) + struct.pack(">IIIHH", 0, second, offset, 0, 0)
    directory = struct.pack(">H", 3)
    directory += struct.pack(">HHI4s", _VERSION, 7, 4, b"0100") + struct.pack(">HHII", _NUMBER, 4, 1, 2)
    directory += struct.pack(">HHII", _ENTRIES, 7, len(entries), 8 + 2 + 3 * 12 + 4) + bytes(4)
    return segment(APP2, INDEX + b"MM\0*" + struct.pack(">I", 8) + directory + entries)
