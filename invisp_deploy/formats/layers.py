"""What a picture carries beside its pixels: named layers of bytes, cut into packets that segments of files hold.

A packet is `InvISP`, NUL, the layer's name, NUL, which of how many parts it is (uint16 each, big-endian), the CRC-32 of
the whole layer, and the part's bytes. A JPEG holds each in an APP9 segment, a PNG as text (base64), a TIFF one behind
the other in a private tag, each after its length (uint32).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from invisp_deploy.errors import ImageFileError

Layers = Mapping[str, bytes]
"""Bytes by the name of what they are: `record`, `negative`."""

IDENTIFIER: Final = b"InvISP\0"

_HEAD: Final = struct.Struct(">HHI")
_MOST_BYTES: Final = 1 << 28
"""Of all layers: the exact RAW of 200 megapixels, the largest mosaic that is read, with ten bits of noise."""

_MOST_PARTS: Final = 65535


def to_packets(layers: Layers, most: int) -> Iterator[bytes]:
    """The layers in their order, in packets of at most `most` bytes. Raises ImageFileError for more than 256 MB, or
    than 65,535 packets of one.
    """
    if (total := sum(map(len, layers.values()))) > _MOST_BYTES:
        raise ImageFileError(
            f"The layers have {total} bytes, a picture carries {_MOST_BYTES >> 20} MB at most: ask for a wider bound."
        )
    for name, data in layers.items():
        start = IDENTIFIER + name.encode("ascii") + b"\0"
        room = most - len(start) - _HEAD.size
        parts = max(1, -(-len(data) // room))
        if parts > _MOST_PARTS:
            raise ImageFileError(f"The layer {name} has {len(data)} bytes, more than a picture can carry.")
        check = zlib.crc32(data)
        for part in range(parts):
            yield start + _HEAD.pack(part, parts, check) + data[part * room : (part + 1) * room]


def from_packets(packets: Iterable[bytes]) -> tuple[dict[str, bytes], dict[str, str]]:
    """Inverse of `to_packets`, of packets in any order: the layers that are whole, and the others' names and why."""
    found: dict[str, dict[int, bytes]] = {}
    heads: dict[str, set[tuple[int, int]]] = {}
    held = 0
    for packet in packets:
        name, mark, _ = packet[len(IDENTIFIER) : len(IDENTIFIER) + 64].partition(b"\0")
        body = packet[len(IDENTIFIER) + len(name) + 1 :]
        if not packet.startswith(IDENTIFIER) or not mark or not name.isalnum() or len(body) < _HEAD.size:
            return {}, {"": "a packet of it cannot be read"}
        part, parts, check = _HEAD.unpack_from(body)
        text = name.decode("ascii")
        held += len(body) - _HEAD.size
        if held > _MOST_BYTES:
            return {}, {"": f"it has more than {_MOST_BYTES >> 20} MB"}
        found.setdefault(text, {})[part] = body[_HEAD.size :]
        heads.setdefault(text, set()).add((parts, check))
    whole: dict[str, bytes] = {}
    damaged: dict[str, str] = {}
    for name_, pieces in found.items():
        ((parts, check), *others) = heads[name_]
        data = b"".join(pieces[part] for part in sorted(pieces))
        if others or sorted(pieces) != list(range(parts)):
            damaged[name_] = f"{len(pieces)} of its {parts} parts are there"
        elif zlib.crc32(data) != check:
            damaged[name_] = "its checksum is wrong"
        else:
            whole[name_] = data
    return whole, damaged
