"""What stands at an output's place already: a whole file of ours, or a negative that nothing can bring back."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.ifd import ByteOrder, Directory, byte_order, read_directory
from invisp_deploy.formats.metadata import SOFTWARE
from invisp_deploy.formats.picture import carried_record
from invisp_deploy.formats.walk import is_picture, is_raw

OUR_SOFTWARE: Final = "invisp-deploy"
"""What a recovered DNG names as its software."""

_DNG_VERSION: Final = 0xC612
_RAW_STARTS: Final = (b"II", b"MM", b"FUJIFILM", b"FOVb", b"\0MRM")
_SUB_IFDS: Final = 330
_PIXELS: Final = ((273, 279), (324, 325))  # offsets and byte counts of strips, of tiles
_LAST_BYTES: Final = {b"\xff\xd8": b"\xff\xd9", b"\x89P": b"IEND\xaeB`\x82"}


def is_recovered(path: Path) -> bool:
    """Whether a file is a DNG that we took back from a picture, as its Software tag says."""
    try:
        with path.open("rb") as stream:
            first = next(_directories(stream), {})
    except OSError:
        return False
    return _DNG_VERSION in first and SOFTWARE in first and first[SOFTWARE].text == OUR_SOFTWARE


def is_negative(path: Path) -> bool:
    """Whether a file is a RAW file by its ending and its first bytes, and none that we took back from a picture."""
    try:
        with path.open("rb") as stream:
            start = stream.read(12)
    except OSError:
        return False
    raw = start.startswith(_RAW_STARTS) or start[4:8] == b"ftyp"
    return is_raw(path.resolve()) and raw and not is_recovered(path)


def is_finished(path: Path) -> bool:
    """Whether a file is a recovered DNG, or a picture that carries its way back, and none of it is cut off.

    Read are headers and the last bytes, no pixels.
    """
    try:
        if not (carried_record(path) is not None if is_picture(path) else is_recovered(path)):
            return False
        with path.open("rb") as stream:
            return _is_whole(stream)
    except (OSError, ImageFileError):
        return False


def _is_whole(stream: BinaryIO) -> bool:
    start = stream.read(2)
    size = stream.seek(0, 2)
    if start in _LAST_BYTES:
        last = _LAST_BYTES[start]
        stream.seek(max(size - len(last), 0))
        return stream.read() == last
    ends = [
        place + length
        for directory in _directories(stream)
        for places, lengths in _PIXELS
        if places in directory and lengths in directory
        for place, length in zip(directory[places].numbers, directory[lengths].numbers, strict=False)
    ]
    return bool(ends) and max(ends) <= size


def _directories(stream: BinaryIO) -> Iterator[Directory]:
    """The first directory of a TIFF, and those that it holds; none of another file."""
    stream.seek(0)
    head = stream.read(8)
    order: ByteOrder | None = byte_order(head)
    if order is None or len(head) < 8:
        return
    first = read_directory(stream, struct.unpack(order + "I", head[4:])[0], order)
    yield first
    if _SUB_IFDS in first:
        for place in first[_SUB_IFDS].numbers:
            yield read_directory(stream, int(place), order)
