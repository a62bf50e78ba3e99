"""TIFF directories as bytes: read from a file with bounds, written small and little-endian (TIFF 6.0, section 2)."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, SRATIONAL, IFD = 1, 2, 3, 4, 5, 7, 10, 13
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Bytes of one value of each type."""
_WORDS: Final = {3: "H", 8: "H", 4: "I", 9: "I", 5: "I", 10: "I", 11: "I", 13: "I", 12: "Q"}
"""What a value of a type is turned round by."""

MAX_ENTRIES: Final = 4096
"""Entries beyond which a directory is damaged."""
MAX_VALUE: Final = 1 << 20
"""Bytes beyond which a value is passed over: it is no word about a picture."""

MAX_VALUES: Final = 1 << 22
"""Bytes of a directory's values together: entries may share their bytes, so a small file could stand for gigabytes."""

ByteOrder = Literal["<", ">"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of a directory. kind: its TIFF type, 1 to 13; data: its bytes, little-endian, of whole values."""

    kind: int
    data: bytes

    @property
    def count(self) -> int:
        return len(self.data) // _SIZES[self.kind]

    @property
    def text(self) -> str:
        """What it says to people; empty for a type that is no text. Bytes that are no UTF-8 are taken for Latin-1."""
        if self.kind not in (BYTE, ASCII, UNDEFINED):
            return ""
        said = self.data.split(b"\0", 1)[0]
        try:
            return said.decode().strip()
        except UnicodeDecodeError:
            return said.decode("latin-1").strip()

    @property
    def numbers(self) -> tuple[float, ...]:
        """Its values; a rational without a denominator is NaN; empty for text and bytes without a type."""
        if self.kind in (ASCII, UNDEFINED):
            return ()
        code = {1: "B", 3: "H", 4: "I", 13: "I", 5: "I", 6: "b", 8: "h", 9: "i", 10: "i", 11: "f", 12: "d"}[self.kind]
        values = struct.unpack(f"<{len(self.data) // struct.calcsize('<' + code)}{code}", self.data)
        if self.kind not in (RATIONAL, SRATIONAL):
            return values
        return tuple(a / b if b else float("nan") for a, b in zip(values[::2], values[1::2], strict=True))


Directory = Mapping[int, Entry]
"""Tag -> value."""


def longs(*values: int) -> Entry:
    return Entry(LONG, struct.pack(f"<{len(values)}I", *values))


def shorts(*values: int) -> Entry:
    return Entry(SHORT, struct.pack(f"<{len(values)}H", *values))


def rational(numerator: int, denominator: int) -> Entry:
    return Entry(RATIONAL, struct.pack("<2I", numerator, denominator))


def text(value: str) -> Entry:
    return Entry(ASCII, value.encode() + b"\0")


def byte_order(head: bytes) -> ByteOrder | None:
    """What the first two bytes of a TIFF file say."""
    return "<" if head[:2] == b"II" else ">" if head[:2] == b"MM" else None


def read_directory(
    stream: BinaryIO,
    offset: int,
    order: ByteOrder,
    *,
    base: int = 0,
    wanted: Callable[[int], bool] = lambda tag: True,
) -> dict[int, Entry]:
    """The wanted entries of a directory, in its order; what is damaged or too large is left out, never raised.

    offset: of the directory, counted as all offsets in it from `base`, bytes. Of an entry that is there twice the
    first counts.
    """
    entries: dict[int, Entry] = {}
    head = _bytes_at(stream, base + offset, 2)
    count = struct.unpack(order + "H", head)[0] if len(head) == 2 else 0
    if count > MAX_ENTRIES:
        return entries
    table = _bytes_at(stream, base + offset + 2, 12 * count)
    left = MAX_VALUES
    for start in range(0, len(table) - 11, 12):
        tag, kind, number, place = struct.unpack_from(order + "HHII", table, start)
        length = number * _SIZES.get(kind, 0)
        if not 0 < length <= min(MAX_VALUE, left) or tag in entries or not wanted(tag):
            continue
        data = table[start + 8 : start + 8 + length] if length <= 4 else _bytes_at(stream, base + place, length)
        if len(data) == length:
            left -= length
            entries[tag] = Entry(kind, data if order == "<" else _turned(kind, data))
    return entries


def read_first_directory(
    stream: BinaryIO, base: int = 0, wanted: Callable[[int], bool] = lambda tag: True
) -> tuple[dict[int, Entry], ByteOrder]:
    """The wanted entries of the first directory of a TIFF that starts at a place of a file; none where it is none."""
    head = _bytes_at(stream, base, 8)
    order = byte_order(head)
    if order is None or len(head) < 8:
        return {}, "<"
    first = int.from_bytes(head[4:], "little" if order == "<" else "big")
    return read_directory(stream, first, order, base=base, wanted=wanted), order


def directory_bytes(entries: Directory, offset: int) -> bytes:
    """A little-endian directory for that even offset of a file, its longer values behind it, no directory following.

    Of even length.
    """
    rows, values = rows_of(entries, offset + 2 + 12 * len(entries) + 4)
    return b"".join((struct.pack("<H", len(rows)), *(rows[tag] for tag in sorted(rows)), bytes(4), values))


def rows_of(entries: Directory, place: int) -> tuple[dict[int, bytes], bytes]:
    """The 12 bytes of each entry in a directory, and their longer values, of even length, for that place of a file."""
    rows, values = {}, b""
    for tag, entry in sorted(entries.items()):
        head, data = struct.pack("<HHI", tag, entry.kind, entry.count), entry.data
        if len(data) <= 4:
            rows[tag] = head + data.ljust(4, b"\0")
        else:
            rows[tag] = head + struct.pack("<I", place + len(values))
            values += data + bytes(len(data) % 2)
    return rows, values


def tiff_of(ifd0: Directory, inner: Iterable[tuple[int, Directory]]) -> bytes:
    """A TIFF file of one directory without pixels, which points by each tag of `inner` to one of these."""
    inner = [(tag, directory) for tag, directory in inner if directory]
    pointers = {tag: longs(0) for tag, _ in inner}
    place = 8 + len(directory_bytes({**ifd0, **pointers}, 8))
    parts = []
    for tag, directory in inner:
        parts.append(directory_bytes(directory, place))
        pointers[tag] = longs(place)
        place += len(parts[-1])
    return b"".join((b"II\x2a\0\x08\0\0\0", directory_bytes({**ifd0, **pointers}, 8), *parts))


def _bytes_at(stream: BinaryIO, offset: int, length: int) -> bytes:
    if offset < 0:
        return b""
    stream.seek(offset)
    return stream.read(length)


def _turned(kind: int, data: bytes) -> bytes:
    if kind not in _WORDS:
        return data
    words = array(_WORDS[kind], data)
    words.byteswap()
    return words.tobytes()
