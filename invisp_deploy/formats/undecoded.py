"""What a RAW file is that LibRaw does not decode, by name: a whole file of a kind we cannot read is no damaged one."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

from invisp_deploy.formats.dng_tags import first_number, pattern_size, read_dng_tags
from invisp_deploy.formats.ifd import ByteOrder, byte_order, read_directory

_COMPRESSION, _SAMPLE_FORMAT = 259, 339
_EXIF_IFD, _MAKER_NOTE, _NIKON_COMPRESSION = 0x8769, 0x927C, 0x0093
_DEFLATE: Final = (8, 32946)
_FLOAT: Final = 3
_COMPRESSIONS: Final = {9: "VC-5 (GoPro's GPR)", 34892: "lossy JPEG", 52546: "JPEG XL"}
"""TIFF's Compression of raw images -> its name (DNG specification 1.7; SMPTE ST 2073)."""
_HIGH_EFFICIENCY: Final = {13: "Nikon's High Efficiency", 14: "Nikon's High Efficiency*"}
"""ExifTool, Nikon tag NEFCompression."""


def undecoded_kind(path: Path) -> str | None:
    """How the mosaic of a file is stored, in words that end a sentence; None if nothing unusual is known of it."""
    tags = read_dng_tags(path)
    if tags is None:
        name = _nikon_compression(path)
        return name and f"compressed as {name}"
    for image in tags.images:
        compression = first_number(image, _COMPRESSION, 1)
        if first_number(image, _SAMPLE_FORMAT, 1) == _FLOAT:
            return "stored in floating point numbers"
        if compression in _DEFLATE:
            return "compressed as deflated integers"
        if compression in _COMPRESSIONS:
            return f"compressed as {_COMPRESSIONS[compression]}"
        size = pattern_size(image)
        if size and size != (2, 2):
            return f"of a {size[0]}x{size[-1]} pattern (quad Bayer, X-Trans or another)"
    return None


def _nikon_compression(path: Path) -> str | None:
    """Of a NEF: its maker's block is a TIFF of its own behind ten bytes."""
    with path.open("rb") as stream:
        first, order = _start(stream.read(8))
        exif = first_number(read_directory(stream, first, order, wanted=_EXIF_IFD.__eq__), _EXIF_IFD, 0) or 0
        noted = read_directory(stream, exif, order, wanted=_MAKER_NOTE.__eq__)
    block = noted[_MAKER_NOTE].data if _MAKER_NOTE in noted else b""
    if not block.startswith(b"Nikon\0"):
        return None
    first, order = _start(block[10:18])
    inner = read_directory(io.BytesIO(block[10:]), first, order, wanted=_NIKON_COMPRESSION.__eq__)
    return _HIGH_EFFICIENCY.get(first_number(inner, _NIKON_COMPRESSION, 0) or 0)


def _start(head: bytes) -> tuple[int, ByteOrder]:
    """Where the first directory of a TIFF begins, by its first eight bytes, and its byte order."""
    order = byte_order(head) or "<"
    return int.from_bytes(head[4:], "little" if order == "<" else "big"), order
