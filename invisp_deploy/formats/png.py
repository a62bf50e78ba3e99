"""PNG files by their chunks: header, colour profile, the layers that they carry as text. Nothing here decodes a pixel.

PNG specification, third edition, chapters 5 and 11. Text is looked for behind the pixels, too, where some programs put
what they found before them.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from invisp_deploy.formats.layers import IDENTIFIER

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
TEXT_KEY: Final = "InvISP"
MOST_PACKET: Final = 600_000
"""Bytes: as base64 they stay below what Pillow reads as one text (1 MiB)."""

_COLOURS: Final = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}
_MOST_TEXT: Final = 1 << 20
_MOST_CHUNKS: Final = 1 << 20


@dataclass
class PngHeader:
    """What a PNG says around its pixels. bits: of a sample. colour: in words, `RGB` for three samples."""

    width: int
    height: int
    bits: int
    colour: str
    packets: list[bytes] = field(default_factory=list)
    profile: bytes = b""


def read_png_header(stream: BinaryIO) -> PngHeader:
    """All chunks but the pixels, which are skipped. Raises ValueError for what is no PNG or ends before its end."""
    if stream.read(8) != SIGNATURE:
        raise ValueError("it does not begin as a PNG")
    kind, data = _chunk(stream)
    if kind != b"IHDR" or len(data) != 13:
        raise ValueError("its first chunk is no header")
    width, height, bits, colour = struct.unpack(">IIBB", data[:10])
    header = PngHeader(width, height, bits, _COLOURS.get(colour, f"colour type {colour}"))
    for _ in range(_MOST_CHUNKS):
        kind, data = _chunk(stream)
        if kind == b"IEND":
            return header
        if kind == b"iCCP":
            header.profile = _inflated(data.partition(b"\0")[2][1:])
        elif text := _text(kind, data):
            try:
                header.packets.append(base64.b64decode(text, validate=True))
            except binascii.Error:
                header.packets.append(IDENTIFIER)  # there, and cannot be read
    raise ValueError("it has more chunks than any PNG")


def packet_key(packet: bytes) -> str:
    """The keyword of a packet's text, its own: programs that save again keep one text of each keyword."""
    name, _, rest = packet[len(IDENTIFIER) :].partition(b"\0")
    return f"{TEXT_KEY} {name.decode('ascii')} {int.from_bytes(rest[:2], 'big')}"


def _chunk(stream: BinaryIO) -> tuple[bytes, bytes]:
    """Kind and data of the next chunk; no data for those that are not looked at."""
    start = stream.read(8)
    if len(start) < 8:
        raise ValueError("it ends before its end")
    size, kind = struct.unpack(">I4s", start)
    if kind not in (b"IHDR", b"iCCP", b"tEXt", b"zTXt", b"iTXt") or size > 2 * _MOST_TEXT:
        stream.seek(size + 4, os.SEEK_CUR)
        return kind, b""
    data = stream.read(size)
    if len(data) < size or len(stream.read(4)) < 4:
        raise ValueError("it ends within a chunk")
    return kind, data


def _text(kind: bytes, data: bytes) -> bytes:
    """The text of ours that a chunk holds, if it does."""
    key, _, rest = data.partition(b"\0")
    if kind not in (b"tEXt", b"zTXt", b"iTXt") or not key.startswith(TEXT_KEY.encode()):
        return b""
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return _inflated(rest[1:])
    text = rest[2:].split(b"\0", 2)[-1]
    return _inflated(text) if rest[:1] == b"\1" else text


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, 2 * _MOST_TEXT)
    except zlib.error as error:
        raise ValueError(f"a compressed chunk is damaged: {error}") from error
