"""Lossless JPEG of a mosaic's tiles, as DNGs hold them: ITU-T T.81, process 14 with predictor 1, marker SOF3.

Two neighbours of a row are two components, so that a pixel is predicted from the last one of its colour in its row;
Adobe's converter does the same. One Huffman code serves all tiles of a file.
"""

from __future__ import annotations

import heapq
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.frame import Mosaic

_CATEGORIES: Final = 17
"""How many binary digits a difference has: 0 to 16."""

_LONGEST: Final = 16
"""Bits of a Huffman code, at most (T.81, F.1.2.1)."""

_SAMPLED: Final = 8
"""The code is made from the differences of one row in so many."""

_WORD: Final = 64


@dataclass(frozen=True)
class DifferenceCode:
    """A Huffman code of differences between neighbours.

    bits: precision of the samples, 2 to 16. header: the table, as the segment DHT. words, lengths: (65536,) uint32 and
    uint8, what each difference modulo 65536 is written as, and in how many bits (1 to 31).
    """

    bits: int
    header: bytes
    words: npt.NDArray[np.uint32]
    lengths: npt.NDArray[np.uint8]


def code_for(mosaic: Mosaic, bits: int) -> DifferenceCode:
    """The code that a mosaic of values below 2**bits, of at least two columns, is written in shortest, or nearly so."""
    categories, extra = _differences_as_written()
    met = np.bincount(categories[_differences(mosaic[::_SAMPLED])].ravel(), minlength=_CATEGORIES)
    lengths = _code_lengths([int(count) + 1 for count in met])  # none is left out, for not all rows were looked at
    symbols = sorted(range(_CATEGORIES), key=lengths.__getitem__)
    codes, code, last = np.zeros(_CATEGORIES, np.uint32), 0, 0
    for symbol in symbols:
        code <<= lengths[symbol] - last
        codes[symbol], last = code, lengths[symbol]
        code += 1
    behind = np.where(categories == 16, 0, categories)  # of the one difference of 16 digits nothing else is to say
    header = struct.pack(">HHB", 0xFFC4, 3 + _LONGEST + _CATEGORIES, 0)
    header += bytes(lengths.count(length) for length in range(1, _LONGEST + 1)) + bytes(symbols)
    words = codes[categories] << behind | extra
    return DifferenceCode(bits, header, words, np.array(lengths, np.uint8)[categories] + behind)


def encode_tile(tile: Mosaic, code: DifferenceCode) -> bytes:
    """A tile of an even width as a file of its own."""
    height, width = tile.shape
    differences = _differences(tile)
    differences[0, :2] = tile[0, :2] - np.uint16(1 << (code.bits - 1))  # T.81, H.1.2.1
    flat = differences.ravel()
    frame = struct.pack(">HHBHHB", 0xFFC3, 14, code.bits, height, width // 2, 2) + bytes((0, 0x11, 0, 1, 0x11, 0))
    scan = struct.pack(">HHB", 0xFFDA, 10, 2) + bytes((0, 0, 1, 0, 1, 0, 0))
    data = _packed(code.words[flat], code.lengths[flat])
    return b"".join((b"\xff\xd8", frame, code.header, scan, data.replace(b"\xff", b"\xff\0"), b"\xff\xd9"))


def _differences(tile: Mosaic) -> npt.NDArray[np.uint16]:
    """To the pixel two to the left, in the first two columns to that above, modulo 65536; the first two are unset."""
    differences = np.zeros(tile.shape, np.uint16)
    np.subtract(tile[:, 2:], tile[:, :-2], out=differences[:, 2:])
    np.subtract(tile[1:, :2], tile[:-1, :2], out=differences[1:, :2])
    return differences


@lru_cache(maxsize=1)
def _differences_as_written() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32]]:
    """(65536,) each: how many digits a difference has, and these digits (T.81, F.1.2.1.1 and H.1.2.2)."""
    signed = np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(np.int32)
    digits = np.frexp(np.abs(signed))[1].astype(np.uint8)  # the exponent of a whole number counts its digits
    ones = (1 << np.where(digits == 16, 0, digits).astype(np.int32)) - 1
    return digits, ((signed - (signed < 0)) & ones).astype(np.uint32)


def _code_lengths(counts: list[int]) -> list[int]:
    """Bits of the Huffman code of each symbol, at most 16, of a code that leaves the word of ones alone free."""
    while True:
        lengths = [0] * (len(counts) + 1)  # a last symbol that is never met takes the word of ones
        heap = [(count, [symbol]) for symbol, count in enumerate([*counts, 0])]
        heapq.heapify(heap)
        while len(heap) > 1:
            (few, rare), (more, often) = heapq.heappop(heap), heapq.heappop(heap)
            for symbol in rare + often:
                lengths[symbol] += 1
            heapq.heappush(heap, (few + more, rare + often))
        if max(lengths) <= _LONGEST:
            return lengths[:-1]
        counts = [count // 2 + 1 for count in counts]


def _packed(words: npt.NDArray[np.uint32], lengths: npt.NDArray[np.uint8]) -> bytes:
    """Words of so many bits one behind the other, the first in the highest bits, ones behind the last."""
    values, sizes = words.astype(np.uint64), lengths.astype(np.uint64)
    while len(values) > 1:  # neighbours become one word as long as they fit
        if len(values) % 2:
            values, sizes = np.append(values, np.uint64(0)), np.append(sizes, np.uint64(0))
        both = sizes[::2] + sizes[1::2]
        if both.max() >= _WORD:
            break
        values, sizes = values[::2] << sizes[1::2] | values[1::2], both
    bits = sizes.astype(np.int64)
    ends = np.cumsum(bits)
    starts = ends - bits
    place, total = starts // _WORD, int(ends[-1])
    room = _WORD - starts % _WORD - bits  # below zero where a word goes on in the next one
    over = np.flatnonzero(room < 0)
    here = np.where(room >= 0, values << np.maximum(room, 0).astype(np.uint64), values)
    here[over] >>= (-room[over]).astype(np.uint64)
    packed = np.zeros(total // _WORD + 2, np.uint64)
    first = np.flatnonzero(np.diff(place, prepend=-1))
    packed[place[first]] = np.bitwise_or.reduceat(here, first)
    packed[place[over] + 1] |= values[over] << (room[over] + _WORD).astype(np.uint64)
    data = packed.astype(">u8").view(np.uint8)[: -(-total // 8)]
    data[-1] |= (1 << (-total % 8)) - 1
    return data.tobytes()
