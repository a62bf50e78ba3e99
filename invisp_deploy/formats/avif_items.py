"""What an AVIF says beside its pixels: Exif, XMP, and how bright it is at most, put into a file that has none of it.

An AVIF is a HEIF file (ISO/IEC 23008-12) of boxes. That of an encoder holds one item, the coded picture, and its
properties; here its list of items is written anew, with the metadata as further items that describe the first.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from invisp_deploy.errors import ImageFileError

_PICTURE: Final = 1
_XMP: Final = b"application/rdf+xml\0"


def with_items(data: bytes, exif: bytes, xmp: bytes, light: tuple[int, int]) -> bytes:
    """An encoder's AVIF with a TIFF of Exif, and an XMP packet if it is not empty.

    light: of the brightest sample and of the mean, cd/m2 (CTA-861.3, MaxCLL and MaxFALL). Raises ImageFileError for an
    AVIF of more than one item.
    """
    files = dict(_boxes(data))
    meta = dict(_boxes(files[b"meta"][4:]))
    coded = _coded(data, meta)
    parts = [(b"av01", b"Color\0", coded), (b"Exif", b"Exif\0", bytes(4) + exif)]
    if xmp:
        parts.append((b"mime", b"XMP\0" + _XMP, xmp))
    infos = [_full(b"infe", struct.pack(">HH4s", at, 0, kind) + name, 2) for at, (kind, name, _) in _numbered(parts)]
    refers = [_box(b"cdsc", struct.pack(">HHH", at, 1, _PICTURE)) for at, _ in _numbered(parts) if at != _PICTURE]
    rest = (
        _full(b"iinf", struct.pack(">H", len(infos)) + b"".join(infos)),
        _full(b"iref", b"".join(refers)),
        _box(b"iprp", _properties(dict(_boxes(meta[b"iprp"])), light)),
    )
    head, described = _box(b"ftyp", files[b"ftyp"]), _box(b"hdlr", meta[b"hdlr"]) + _box(b"pitm", meta[b"pitm"])
    size = len(head) + 12 + len(described) + len(_places(parts, 0)) + sum(map(len, rest)) + 8
    whole = _full(b"meta", b"".join((described, _places(parts, size), *rest)))
    return b"".join((head, whole, _box(b"mdat", b"".join(held for _, _, held in parts))))


def _numbered(parts: list[tuple[bytes, bytes, bytes]]) -> Iterator[tuple[int, tuple[bytes, bytes, bytes]]]:
    return enumerate(parts, _PICTURE)


def _places(parts: list[tuple[bytes, bytes, bytes]], start: int) -> bytes:
    """The box of where each item's bytes lie, one behind the other from that place of the file on."""
    entries = []
    for at, (_, _, held) in _numbered(parts):
        entries.append(struct.pack(">HHHII", at, 0, 1, start, len(held)))
        start += len(held)
    return _full(b"iloc", struct.pack(">HH", 0x4400, len(entries)) + b"".join(entries))


def _properties(found: dict[bytes, bytes], light: tuple[int, int]) -> bytes:
    """Those of the picture, and its light."""
    held = found[b"ipco"] + _box(b"clli", struct.pack(">HH", *light))
    _, number, item, count = struct.unpack_from(">IIHB", found[b"ipma"])
    used = found[b"ipma"][11:]
    if (number, item, len(used)) != (1, _PICTURE, count):
        raise ImageFileError("The encoder's AVIF has properties of more than one item: it cannot be described.")
    used += bytes((len(list(_boxes(held))),))  # the last one, counted from 1
    return _box(b"ipco", held) + _full(b"ipma", struct.pack(">IHB", 1, item, len(used)) + used)


def _coded(data: bytes, meta: dict[bytes, bytes]) -> bytes:
    """The bytes of the only item."""
    layout = struct.unpack_from(">IHHHHHII", meta[b"iloc"])
    if layout[:6] != (0, 0x4400, 1, _PICTURE, 0, 1):
        raise ImageFileError("The encoder's AVIF has more than one item, or one in parts: it cannot be described.")
    return data[layout[6] : layout[6] + layout[7]]


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kinds and bodies of boxes that follow one another."""
    while data:
        size = int.from_bytes(data[:4], "big")
        yield data[4:8], data[8:size]
        data = data[size:]


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, body: bytes, version: int = 0) -> bytes:
    """A box with a version, and no flags."""
    return _box(kind, struct.pack(">I", version << 24) + body)
