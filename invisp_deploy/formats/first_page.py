"""What tifffile leaves out of the files it writes: Exif and GPS directories, text in other bytes than ASCII's."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Final

from invisp_deploy.formats.ifd import Directory, directory_bytes, longs, rows_of
from invisp_deploy.formats.metadata import EXIF_IFD, GPS_IFD, Metadata

_STAND_INS: Final = {34664: EXIF_IFD, 34852: GPS_IFD}
"""tifffile writes no pointers to these; neighbours of their tags keep the place and the order."""


def first_page_tags(metadata: Metadata) -> list[tuple[Any, ...]]:
    """Its tags as tifffile takes them for the first page; `append_directories` has to follow."""
    entries = metadata.first_directory()
    entries |= {tag: longs(0) for tag, inner in _STAND_INS.items() if _directory(metadata, inner)}
    return [(tag, entry.kind, entry.count, entry.data, True) for tag, entry in entries.items()]


def append_directories(path: Path, metadata: Metadata) -> None:
    """Append the Exif and the GPS directory to a little-endian TIFF that has `first_page_tags`."""
    with path.open("r+b") as stream:
        stream.seek(4)
        (first,) = struct.unpack("<I", stream.read(4))
        stream.seek(first)
        (count,) = struct.unpack("<H", stream.read(2))
        table = stream.read(12 * count)
        place = stream.seek(0, 2)
        stream.write(bytes(place % 2))
        for at in range(0, len(table), 12):
            (tag,) = struct.unpack_from("<H", table, at)
            if tag in _STAND_INS:
                place = stream.seek(0, 2)
                stream.write(directory_bytes(_directory(metadata, _STAND_INS[tag]), place))
                rows, _ = rows_of({_STAND_INS[tag]: longs(place)}, 0)
                stream.seek(first + 2 + at)
                stream.write(rows[_STAND_INS[tag]])


def _directory(metadata: Metadata, tag: int) -> Directory:
    return metadata.exif if tag == EXIF_IFD else metadata.gps
