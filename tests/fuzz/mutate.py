"""What is done to a file: bits, cuts, splices, words that are edges; entries of directories, values of JSON."""

from __future__ import annotations

import json
import random
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

EDGES: Final = (
    0,
    1,
    2,
    3,
    7,
    8,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
)
"""Numbers that lengths, places and kinds break at."""

_HEAD: Final = 1024
"""Bytes at either end of a file that are changed more often than its middle."""
_POINTERS: Final = (330, 34665, 34853)
"""Tags that lead to other directories: SubIFDs, Exif, GPS."""

VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, 2, 3, 255, 256, 65535, 65536, 1 << 31, 1 << 63, 10**30, 10**400, -(10**400)),
    *(0.0, -0.0, 0.5, 1e-300, 1e300, -1e300, float("nan"), float("inf"), -float("inf")),
    *("", "a", "RGGB", "é", "\0", "\ud800", "../../x", "x" * 5000, "1", "nan"),
    *([], {}, [[]], [None], {"a": 1}, [0, 0, 0], [1, 2, 3], [1, 2, 3, 4], ["a"] * 4, [[1, 2, 3]] * 3),
)  # fmt: skip
"""What stands in JSON where something else is meant."""


def of_bytes(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """One to four changes of bytes; a splice takes the end of another file."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        if not found:
            break
        kind, at = rng.randrange(9), _place(found, rng)
        if kind == 0:
            found[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            found[at] = rng.randrange(256)
        elif kind in (2, 3):
            _put_word(found, at, rng)
        elif kind == 4:
            del found[at:]
        elif kind == 5:
            del found[at : at + rng.choice((1, 2, 4, 100, 5000))]
        elif kind == 6:
            found[at:at] = rng.randbytes(rng.choice((1, 2, 4, 100)))
        elif kind == 7:
            start = rng.randrange(len(found))
            found[at:at] = found[start : start + rng.choice((4, 12, 64, 1000))]
        else:
            other = rng.choice(others)
            found[at:] = other[rng.randrange(len(other) + 1) :]
    return bytes(found)


def of_tiff(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """One to four fields of entries of its directories; sometimes plain changes of bytes."""
    entries = _entries(data)
    if not entries or rng.random() < 0.3:
        return of_bytes(data, others, rng)
    found = bytearray(data)
    order = "<" if data[:2] == b"II" else ">"
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, field = rng.choice(entries), rng.randrange(5)
        if field == 0:
            struct.pack_into(
                order + "H", found, at, rng.choice((*_POINTERS, 254, 256, 258, 259, 277, 50706, rng.randrange(65536)))
            )
        elif field == 1:
            struct.pack_into(order + "H", found, at + 2, rng.randrange(15))
        elif field == 2:
            struct.pack_into(order + "I", found, at + 4, rng.choice(EDGES))
        else:
            near = rng.randrange(len(found)) if field == 3 else rng.choice(EDGES)
            struct.pack_into(order + "I", found, at + 8, near)
    return bytes(found)


def of_png(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """Changes of bytes, most of them with the checksums of the chunks made right again."""
    found = bytearray(of_bytes(data, others, rng))
    if rng.random() < 0.3:
        return bytes(found)
    at = 8
    while at + 12 <= len(found):
        size = int.from_bytes(found[at : at + 4], "big")
        end = at + 8 + size
        if end + 4 > len(found):
            break
        found[end : end + 4] = struct.pack(">I", zlib.crc32(found[at + 4 : end]))
        at = end + 4
    return bytes(found)


def of_json(data: bytes, others: Sequence[bytes], rng: random.Random) -> bytes:
    """One to three values, keys or rows of a text of JSON; sometimes plain changes of bytes, or endless depth."""
    chance = rng.random()
    if chance < 0.02:
        return rng.choice((b"[", b'{"a":')) * 60_000
    if chance < 0.2:
        return of_bytes(data, others, rng)
    found = json.loads(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        found = of_value(found, rng)
    return json.dumps(found).encode()


def of_value(value: Any, rng: random.Random) -> Any:
    """One change somewhere within a value of JSON."""
    inner = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not inner or rng.random() < 0.15:
        if inner and isinstance(value, dict) and rng.random() < 0.5:
            return {**value, "further": rng.choice(VALUES)}
        return rng.choice(VALUES)
    key = rng.choice(inner)
    changed = dict(value) if isinstance(value, dict) else list(value)
    if rng.random() < 0.1:
        del changed[key]
    else:
        changed[key] = of_value(value[key], rng)
    return changed


def _place(data: bytes | bytearray, rng: random.Random) -> int:
    near = min(_HEAD, len(data))
    if rng.random() < 0.6:
        return rng.randrange(near) if rng.random() < 0.7 else len(data) - 1 - rng.randrange(near)
    return rng.randrange(len(data))


def _put_word(data: bytearray, at: int, rng: random.Random) -> None:
    size = rng.choice((1, 2, 4))
    word = (rng.choice(EDGES) & ((1 << 8 * size) - 1)).to_bytes(size, rng.choice(("little", "big")))
    data[at : at + size] = word


@lru_cache(maxsize=64)
def _entries(data: bytes) -> tuple[int, ...]:
    """Places of the entries of all directories of a TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    found: list[int] = []
    left = [struct.unpack_from(order + "I", data, 4)[0]] if order and len(data) > 8 else []
    seen: set[int] = set()
    while left:
        at = left.pop()
        if at in seen or at + 2 > len(data) or not at:
            continue
        seen.add(at)
        (count,) = struct.unpack_from(f"{order}H", data, at)
        for entry in range(at + 2, min(at + 2 + 12 * count, len(data) - 15), 12):
            found.append(entry)
            tag, _, number, value = struct.unpack_from(f"{order}HHII", data, entry)
            if tag in _POINTERS:
                spread = number > 1 and value + 4 * number <= len(data)
                left += struct.unpack_from(f"{order}{number}I", data, value) if spread else (value,)
    return tuple(found)
