"""Metadata of RAW files, by what their heads say that they are."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

from invisp_deploy.formats.ciff import read_ciff
from invisp_deploy.formats.ifd import byte_order, read_first_directory
from invisp_deploy.formats.metadata import NONE, SOFTWARE, Metadata, kept, read_tiff

_XMP_IDENTIFIER: Final = b"http://ns.adobe.com/xap/1.0/\0"
_MOST: Final = 1000
"""Segments of a JPEG, blocks and boxes of a file, beyond which it is damaged."""
_LARGEST_XMP: Final = 1 << 20


def metadata_of(path: Path, preview: Callable[[], bytes] = bytes) -> Metadata:
    """Metadata of a RAW file: of its head, or where that names no camera of its preview; nothing where neither does.

    preview: asked for a JPEG where it is needed. A header that LibRaw made up for it says nothing.
    """
    with path.open("rb") as stream:
        head = stream.read(16)
        if head.startswith(b"FUJIFILMCCD-RAW"):
            found = _raf(stream)
        elif head[4:12] == b"ftypcrx ":
            found = _cr3(stream)
        elif head.startswith(b"\0MRM"):
            found = _mrw(stream)
        elif head[6:14] == b"HEAPCCDR":
            found = read_ciff(stream)
        elif byte_order(head):
            found = read_tiff(stream)
        else:
            found = NONE
    if (found.make or found.model) and not head.startswith(b"IIU\0"):
        return found
    shown = read_jpeg(io.BytesIO(preview()))  # Panasonic's files keep lens and more there alone
    made_up = SOFTWARE in shown.ifd0 and shown.ifd0[SOFTWARE].text.startswith("dcraw")
    return found if made_up else found.beside(shown)


def read_jpeg(stream: BinaryIO, base: int = 0) -> Metadata:
    """What the Exif segment and the XMP packet of the JPEG say that starts at a place of a file."""
    exif, xmp = b"", b""
    stream.seek(base)
    if stream.read(2) != b"\xff\xd8":
        return NONE
    for _ in range(_MOST):
        head = stream.read(4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in (0xDA, 0xD9):
            break
        length = max(int.from_bytes(head[2:], "big") - 2, 0)
        data = stream.read(length) if head[1] == 0xE1 else b""
        if head[1] != 0xE1:
            stream.seek(length, 1)
        if not exif and data.startswith(b"Exif\0\0"):
            exif = data
        if not xmp and data.startswith(_XMP_IDENTIFIER):
            xmp = data.removeprefix(_XMP_IDENTIFIER)
    return Metadata.from_bytes(exif, xmp)


def _raf(stream: BinaryIO) -> Metadata:
    """Fujifilm: the place of a JPEG that has everything stands in the head."""
    stream.seek(84)
    return read_jpeg(stream, int.from_bytes(stream.read(4), "big"))


def _mrw(stream: BinaryIO) -> Metadata:
    """Minolta: blocks, of which one holds a TIFF."""
    place = 8
    for _ in range(_MOST):
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8 or head[:4] == b"\0TTW":
            return read_tiff(stream, place + 8)
        place += 8 + int.from_bytes(head[4:], "big")
    return NONE


_CANON: Final = b"uuid\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48"
_XMP_BOX: Final = b"uuid\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac"


def _cr3(stream: BinaryIO) -> Metadata:
    """Canon: boxes (ISO 14496-12), of which three are a TIFF each of one directory, and one is the XMP packet."""
    directories, xmp = {}, b""
    for kind, start, end in _boxes(stream, 0, stream.seek(0, 2)):
        if kind == _XMP_BOX and end - start <= _LARGEST_XMP:
            stream.seek(start)
            xmp = stream.read(end - start)
        for inner, place, last in _boxes(stream, start, end) if kind == b"moov" else ():
            for name, at, _ in _boxes(stream, place, last) if inner == _CANON else ():
                if name in (b"CMT1", b"CMT2", b"CMT4"):
                    directories[name] = read_first_directory(stream, at)[0]
    found = kept(*(directories.get(name, {}) for name in (b"CMT1", b"CMT2", b"CMT4")))
    return replace(found, xmp=xmp.rstrip(b"\0"))


def _boxes(stream: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, with what makes a `uuid` its own, and first and last place of the content, of boxes in a row."""
    for _ in range(_MOST):
        stream.seek(start)
        head = stream.read(24)
        size, kind, inner = int.from_bytes(head[:4], "big"), head[4:8], start + 8
        if size == 1:
            size, inner = int.from_bytes(head[8:16], "big"), start + 16
        elif kind == b"uuid":
            kind, inner = head[4:24], start + 24
        last = end if size == 0 else start + size
        if len(head) < 8 or not inner <= last <= end:
            return
        yield kind, inner, last
        start = last
