"""Metadata of CRW files, whose head is no TIFF but Canon's CIFF: records in heaps, each with its directory at its end.

Layout after the CIFF specification 1.0 (Canon, 1997); Canon's own records after ExifTool's CanonRaw and Canon tables.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import BinaryIO, Final

from invisp_deploy.formats.ifd import RATIONAL, SRATIONAL, Entry, shorts, text
from invisp_deploy.formats.metadata import MAKE, MODEL, NONE, Metadata

_OWNER: Final = 0x0810
_CAMERA: Final = 0x080A
_FOCAL: Final = 0x1029
_SHOT: Final = 0x102A
_SETTINGS: Final = 0x102D
_TIME: Final = 0x180E
_WANTED: Final = (_OWNER, _CAMERA, _FOCAL, _SHOT, _SETTINGS, _TIME)

_DEPTH: Final = 5
_MOST: Final = 1000
"""Entries of a directory."""
_MOST_STOPS: Final = 16
"""Beyond which a number is no exposure."""
_LONGEST: Final = 4096
"""Bytes of a record that is a word about the picture."""


def read_ciff(stream: BinaryIO) -> Metadata:
    """What a CRW file says: camera, owner, moment, exposure, focal lengths; damaged records are left out."""
    stream.seek(0)
    head = stream.read(14)
    if head[:2] != b"II" or head[6:] != b"HEAPCCDR":
        return NONE
    records: dict[int, bytes] = {}
    _read_heap(stream, int.from_bytes(head[2:6], "little"), stream.seek(0, 2), _DEPTH, records)
    make, _, model = records.get(_CAMERA, b"").partition(b"\0")
    names = {MAKE: make, MODEL: model.partition(b"\0")[0]}
    exif = {**_moment(records.get(_TIME, b"")), **_exposure(_numbers(records, _SHOT)), **_lens(records)}
    if owner := _text(records.get(_OWNER, b"").partition(b"\0")[0]):
        exif[0xA430] = text(owner)
    return Metadata({tag: text(_text(name)) for tag, name in names.items() if _text(name)}, exif)


def _read_heap(stream: BinaryIO, start: int, end: int, depth: int, records: dict[int, bytes]) -> None:
    """Put the wanted records of the heap between two places of a file, and of those in it, beside those found."""
    if not 0 <= start < end - 4:
        return
    stream.seek(end - 4)
    place = start + int.from_bytes(stream.read(4), "little")
    if place > end - 6:
        return
    stream.seek(place)
    count = min(int.from_bytes(stream.read(2), "little"), _MOST)
    table = stream.read(min(10 * count, end - 6 - place))
    for at in range(0, len(table) - 9, 10):
        code, size, offset = struct.unpack_from("<HII", table, at)
        tag, kind = code & 0x3FFF, code & 0x3800
        if code & 0x4000:
            records.setdefault(tag, table[at + 2 : at + 10])
        elif kind in (0x2800, 0x3000) and depth and start + offset + size <= end - 4 and size < end - start:
            _read_heap(stream, start + offset, start + offset + size, depth - 1, records)
        elif tag in _WANTED and size <= _LONGEST and start + offset + size <= end:
            stream.seek(start + offset)
            records.setdefault(tag, stream.read(size))


def _text(data: bytes) -> str:
    return Entry(2, data).text


def _numbers(records: Mapping[int, bytes], tag: int) -> tuple[int, ...]:
    data = records.get(tag, b"")
    return struct.unpack(f"<{len(data) // 2}h", data[: len(data) // 2 * 2])


def _moment(data: bytes) -> dict[int, Entry]:
    """Seconds of the camera's own clock since 1970, and where that is known its seconds ahead of UTC."""
    if len(data) < 12:
        return {}
    seconds, zone, known = struct.unpack("<IiI", data[:12])
    if not seconds:
        return {}
    clock = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    said = {0x9003: text(f"{clock:%Y:%m:%d %H:%M:%S}")}
    if known & 0x80000000 and abs(zone) < 86400:
        sign, minutes = "-" if zone < 0 else "+", abs(zone) // 60
        said[0x9011] = text(f"{sign}{minutes // 60:02d}:{minutes % 60:02d}")
    return said


def _exposure(shot: tuple[int, ...]) -> dict[int, Entry]:
    """Time, s, f-number, ISO speed and correction, EV, out of numbers on logarithmic scales."""
    if len(shot) < 23:
        return {}
    time, correction, aperture = (_stops(number) for number in (shot[22], shot[6], shot[21] or shot[4]))
    said = {}
    if abs(time) <= _MOST_STOPS:
        said[0x829A] = _ratio(2.0**-time)
    if abs(correction) <= _MOST_STOPS:
        said[0x9204] = _ratio(correction, SRATIONAL)
    if 0 < aperture <= _MOST_STOPS:
        said[0x829D] = _ratio(2.0 ** (aperture / 2), most=10)
    if shot[2] and 0 <= shot[1] + shot[2] <= 32 * _MOST_STOPS:
        said[0x8827] = shorts(min(round(100 / 32 * 2.0 ** ((shot[1] + shot[2]) / 32)), 65535))
    return said


def _lens(records: Mapping[int, bytes]) -> dict[int, Entry]:
    """Focal length, and the range of the lens, mm; its f-numbers are not told."""
    focal, settings = _numbers(records, _FOCAL), _numbers(records, _SETTINGS)
    if len(settings) < 26 or settings[25] <= 0:
        return {}
    units, longest, shortest = settings[25], settings[23], settings[24]
    said = {}
    if len(focal) > 1 and focal[1] > 0:
        said[0x920A] = _ratio(focal[1] / units)
    if 0 < shortest <= longest:
        ends = _ratio(shortest / units).data + _ratio(longest / units).data
        said[0xA432] = Entry(RATIONAL, ends + bytes(16))
    return said


def _stops(number: int) -> float:
    """Canon's count in 32nds, in which 12 and 20 stand for thirds of a stop."""
    whole, part = divmod(abs(number), 32)
    third = {12: 1 / 3, 20: 2 / 3}.get(part, part / 32)
    return (whole + third) * (-1 if number < 0 else 1)


def _ratio(value: float, kind: int = RATIONAL, most: int = 10_000) -> Entry:
    ratio = Fraction(value).limit_denominator(most)
    return Entry(kind, struct.pack("<2i", ratio.numerator, ratio.denominator))
