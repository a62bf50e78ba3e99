"""The quantised coefficients of a JPEG, read without loss, in Python.

ITU-T T.81: Huffman coding, sequential (annex F) and progressive (annex G). It takes seconds for megapixels, and is for
the pictures alone that another program has coded again.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.formats.jpeg import END, JpegHeader, Scan, header_of_jpeg, huffman_tables, scan_of
from invisp_deploy.formats.orientation import TURNS

Plane = npt.NDArray[np.int16]
"""(rows of blocks, columns of blocks, 8, 8): down and across in the block, so that [0, 0] is its mean."""

ZIGZAG: Final = tuple(
    row * 8 + column
    for total in range(15)
    for row, column in ((each, total - each) if total % 2 else (total - each, each) for each in range(total + 1))
    if row < 8 and column < 8
)
"""Zigzag index -> row * 8 + column."""

_SEQUENTIAL: Final = (0xC0, 0xC1)
_PROGRESSIVE: Final = 0xC2
_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")
_SEGMENT: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclass(frozen=True)
class Coefficients:
    """Planes of Y, Cb, Cr with their sampling factors (h, v) and quantisation (zigzag order), of a height and width.

    Planes are padded to whole units of the largest factors; what lies there is coded in place of pixels.
    """

    height: int
    width: int
    sampling: tuple[tuple[int, int], ...]
    tables: tuple[tuple[int, ...], ...]
    planes: tuple[Plane, ...]

    @property
    def largest(self) -> tuple[int, int]:
        """(h, v): blocks of the finest plane in a unit, across and down."""
        return max(h for h, _ in self.sampling), max(v for _, v in self.sampling)

    def sensor_order(self, number: int) -> Coefficients:
        """Undo that a viewer turned the picture upright from that orientation without loss, as jpegtran does.

        Blocks at the right and lower rim that are no whole unit are not mirrored by it, and stay here, too.
        """
        transposed, across, down = TURNS[number]
        made = self
        if across:
            made = made._mirrored(1)
        if down:
            made = made._mirrored(0)
        return made._transposed() if transposed else made

    def _mirrored(self, axis: int) -> Coefficients:
        size, most = ((self.height, self.largest[1]), (self.width, self.largest[0]))[axis]
        sign = np.where(np.arange(8) % 2, -1, 1).astype(np.int16)
        planes = []
        for plane, factors in zip(self.planes, self.sampling, strict=True):
            whole = size // (8 * most) * factors[1 - axis]
            moved = plane.copy()
            here = (slice(None),) * axis + (slice(whole),)
            turned = np.flip(plane[here], axis)
            moved[here] = turned * (sign[:, None] if axis == 0 else sign)
            planes.append(moved)
        return Coefficients(self.height, self.width, self.sampling, self.tables, tuple(planes))

    def _transposed(self) -> Coefficients:
        return Coefficients(
            self.width,
            self.height,
            tuple((v, h) for h, v in self.sampling),
            tuple(transposed_table(table) for table in self.tables),
            tuple(np.ascontiguousarray(plane.transpose(1, 0, 3, 2)) for plane in self.planes),
        )


def transposed_table(table: Sequence[int]) -> tuple[int, ...]:
    """Quantisation of the transposed blocks, both in zigzag order."""
    if len(table) != 64:
        return tuple(table)
    natural = np.empty(64, int)
    natural[list(ZIGZAG)] = table
    return tuple(natural.reshape(8, 8).T.ravel()[list(ZIGZAG)].tolist())


def read_coefficients(data: bytes) -> Coefficients:
    """Of a JPEG of 8 bits. Raises ValueError for one that is damaged, or is coded arithmetically or without loss."""
    header = header_of_jpeg(data)
    if header.frame not in (*_SEQUENTIAL, _PROGRESSIVE) or header.precision != 8 or header.scan is None:
        raise ValueError(f"the coding of its frame, {header.frame:#x}, is none of libjpeg's Huffman codings of 8 bits")
    layout = _Layout(header)
    scan: Scan | None = header.scan
    while scan is not None:
        found = _SEGMENT.search(data, scan.start)
        end = found.start() if found else len(data)
        try:
            layout.read(scan, data[scan.start : end])
        except (IndexError, OverflowError) as error:
            raise ValueError("a scan runs beyond its blocks or its bytes") from error
        scan = _next_scan(data, end, header)
    return layout.coefficients()


def blocks_along(side: int, factor: int, most: int) -> int:
    """Blocks that hold pixels of a component along a side of the picture (A.1.1)."""
    samples = -(-side * factor // most)
    return -(-samples // 8)


def _next_scan(data: bytes, place: int, header: JpegHeader) -> Scan | None:
    """The scan after entropy-coded bytes that end at `place`; tables before it go into the header."""
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            raise ValueError("a segment does not begin with a marker")
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker == END[1]:
            return None
        size = int.from_bytes(data[place + 2 : place + 4], "big")
        body = data[place + 4 : place + 2 + size]
        place += 2 + size
        if marker == 0xC4:
            header.huffman.update(huffman_tables(body))
        elif marker == 0xDD:
            header.restart = int.from_bytes(body[:2], "big")
        elif marker == 0xDA:
            return scan_of(body, header, place)
        elif marker == 0xDB:
            raise ValueError("a quantisation table changes within it")
    return None


class _Layout:
    """Where blocks lie, and the coefficients that were read so far."""

    def __init__(self, header: JpegHeader) -> None:
        self.header = header
        self.progressive = header.frame == _PROGRESSIVE
        self.sampling = tuple((one.h, one.v) for one in header.components)
        self.most = (max(h for h, _ in self.sampling), max(v for _, v in self.sampling))
        self.units = (-(-header.width // (8 * self.most[0])), -(-header.height // (8 * self.most[1])))
        self.columns = [self.units[0] * h for h, _ in self.sampling]
        self.rows = [self.units[1] * v for _, v in self.sampling]
        self.held = [array("h", bytes(128 * r * c)) for r, c in zip(self.rows, self.columns, strict=True)]

    def coefficients(self) -> Coefficients:
        planes = tuple(
            np.frombuffer(held, np.int16).reshape(rows, columns, 8, 8)
            for held, rows, columns in zip(self.held, self.rows, self.columns, strict=True)
        )
        return Coefficients(self.header.height, self.header.width, self.sampling, self.header.tables, planes)

    def read(self, scan: Scan, data: bytes) -> None:
        """One scan into what is held."""
        places = self._places(scan)
        interval = scan.restart * (len(places) // self._count(scan)) if scan.restart else len(places)
        parts = _RESTART.split(data) if scan.restart else [data]
        decode = self._decoder(scan)
        for part, start in zip(parts, range(0, len(places), max(interval, 1)), strict=False):
            decode(_Bits(part.replace(b"\xff\x00", b"\xff")), places[start : start + interval])
        if len(parts) * interval < len(places):
            raise ValueError("a scan is cut short")

    def _count(self, scan: Scan) -> int:
        """Units that the scan's restart interval counts."""
        if len(scan.components) > 1:
            return self.units[0] * self.units[1]
        height, width = self._own(scan.components[0][0])
        return height * width

    def _own(self, index: int) -> tuple[int, int]:
        """Rows and columns of blocks that hold pixels of a component: a scan of it alone has no others."""
        (h, v), (most_h, most_v) = self.sampling[index], self.most
        return blocks_along(self.header.height, v, most_v), blocks_along(self.header.width, h, most_h)

    def _places(self, scan: Scan) -> list[tuple[int, int]]:
        """(component in the scan, first coefficient) of every block, in the order of the scan."""
        if len(scan.components) == 1:
            index = scan.components[0][0]
            rows, columns = self._own(index)
            width = self.columns[index]
            return [(0, 64 * (row * width + column)) for row in range(rows) for column in range(columns)]
        inner = []
        for number, (index, _, _) in enumerate(scan.components):
            h, v = self.sampling[index]
            inner += [(number, h, v, self.columns[index], y, x) for y in range(v) for x in range(h)]
        return [
            (number, 64 * ((down * v + y) * width + across * h + x))
            for down in range(self.units[1])
            for across in range(self.units[0])
            for number, h, v, width, y, x in inner
        ]

    def _decoder(self, scan: Scan) -> Callable[[_Bits, list[tuple[int, int]]], None]:
        held = [self.held[index] for index, _, _ in scan.components]
        first, last = scan.spectral
        high, low = scan.bits
        if not self.progressive:
            first, last, high, low = 0, 63, 0, 0
        if not 0 <= first <= last <= 63 or low > 13:
            raise ValueError("a scan has no such band")
        dc = [_lookup(scan.tables.get((0, d))) if first == 0 and not high else [] for _, d, _ in scan.components]
        ac = [_lookup(scan.tables.get((1, a))) if last else [] for _, _, a in scan.components]
        if not self.progressive:
            return lambda bits, places: _sequential(bits, places, held, dc, ac)
        if first == 0:
            if high:
                return lambda bits, places: _refined_means(bits, places, held, low)
            return lambda bits, places: _first_means(bits, places, held, dc, low)
        if len(held) != 1:
            raise ValueError("a scan of a band has several components")
        if high:
            return lambda bits, places: _refined_band(bits, places, held[0], ac[0], first, last, low)
        return lambda bits, places: _first_band(bits, places, held[0], ac[0], first, last, low)


class _Bits:
    """Bits of an entropy-coded part as words of 32, with zeros behind its end."""

    def __init__(self, data: bytes) -> None:
        padded = data + bytes(-len(data) % 4 + 64)
        self.words = np.frombuffer(padded, ">u4").tolist()


def _lookup(table: bytes | None) -> list[int]:
    """The next 16 bits -> length of the code << 8 | symbol; 0 for what is no code."""
    if table is None:
        raise ValueError("a scan names a Huffman table that is not there")
    found = [0] * 65536
    code, place = 0, 16
    for length in range(1, 17):
        for _ in range(table[length - 1]):
            start = code << (16 - length)
            if start + (1 << (16 - length)) > 65536:
                raise ValueError("a Huffman table has too many codes")
            found[start : start + (1 << (16 - length))] = [length << 8 | table[place]] * (1 << (16 - length))
            code, place = code + 1, place + 1
        code <<= 1
    return found


def _sequential(
    bits: _Bits, places: list[tuple[int, int]], held: list[Any], dc: list[list[int]], ac: list[list[int]]
) -> None:
    words, word = bits.words, 0
    buffer, count = 0, 0
    previous = [0] * len(held)
    natural = ZIGZAG
    for number, place in places:
        if count < 32:
            buffer = (buffer & ((1 << count) - 1)) << 32 | words[word]
            word, count = word + 1, count + 32
        entry = dc[number][(buffer >> (count - 16)) & 65535]
        size = entry & 255
        count -= (entry >> 8) + size
        if not entry or size > 15:
            raise ValueError("a scan has a code that its table does not have")
        if size:
            value = (buffer >> count) & ((1 << size) - 1)
            if not value >> (size - 1):
                value -= (1 << size) - 1
            previous[number] += value
        plane, table = held[number], ac[number]
        plane[place] = previous[number]
        k = 1
        while k < 64:
            if count < 32:
                buffer = (buffer & ((1 << count) - 1)) << 32 | words[word]
                word, count = word + 1, count + 32
            entry = table[(buffer >> (count - 16)) & 65535]
            size = entry & 15
            count -= (entry >> 8) + size
            if size:
                k += (entry >> 4) & 15
                value = (buffer >> count) & ((1 << size) - 1)
                plane[place + natural[k]] = value if value >> (size - 1) else value - (1 << size) + 1
                k += 1
            elif entry & 255 == 0xF0:
                k += 16
            elif entry and not entry & 255:
                break
            else:
                raise ValueError("a scan has a code that its table does not have")


def _reader(bits: _Bits) -> tuple[Callable[[int], int], Callable[[list[int]], int]]:
    """Functions that take so many bits, and the next symbol of a table."""
    words, word = bits.words, 0
    buffer, count = 0, 0

    def take(size: int) -> int:
        nonlocal buffer, count, word
        if count < size:
            buffer = (buffer & ((1 << count) - 1)) << 32 | words[word]
            word, count = word + 1, count + 32
        count -= size
        return (buffer >> count) & ((1 << size) - 1)

    def symbol(table: list[int]) -> int:
        nonlocal buffer, count, word
        if count < 16:
            buffer = (buffer & ((1 << count) - 1)) << 32 | words[word]
            word, count = word + 1, count + 32
        entry = table[(buffer >> (count - 16)) & 65535]
        if not entry:
            raise ValueError("a scan has a code that its table does not have")
        count -= entry >> 8
        return entry & 255

    return take, symbol


def _signed(value: int, size: int) -> int:
    return value if value >> (size - 1) else value - (1 << size) + 1


def _first_means(bits: _Bits, places: list[tuple[int, int]], held: list[Any], dc: list[list[int]], low: int) -> None:
    take, symbol = _reader(bits)
    previous = [0] * len(held)
    for number, place in places:
        if size := symbol(dc[number]):
            previous[number] += _signed(take(size), size)
        held[number][place] = previous[number] << low


def _refined_means(bits: _Bits, places: list[tuple[int, int]], held: list[Any], low: int) -> None:
    take, _ = _reader(bits)
    for number, place in places:
        if take(1):
            held[number][place] |= 1 << low


def _first_band(
    bits: _Bits, places: list[tuple[int, int]], held: Any, table: list[int], first: int, last: int, low: int
) -> None:
    take, symbol = _reader(bits)
    natural = ZIGZAG
    ended = 0
    for _, place in places:
        if ended:
            ended -= 1
            continue
        k = first
        while k <= last:
            code = symbol(table)
            run, size = code >> 4, code & 15
            if size:
                k += run
                held[place + natural[k]] = _signed(take(size), size) << low
                k += 1
            elif run == 15:
                k += 16
            else:
                ended = (1 << run) - 1 + (take(run) if run else 0)
                break


def _refined_band(
    bits: _Bits, places: list[tuple[int, int]], held: Any, table: list[int], first: int, last: int, low: int
) -> None:
    take, symbol = _reader(bits)
    band = ZIGZAG[first : last + 1]
    plus, minus = 1 << low, -1 << low
    ended = 0
    for _, place in places:
        k = 0
        if not ended:
            while k < len(band):
                code = symbol(table)
                run, size = code >> 4, code & 15
                fresh = 0
                if size:
                    fresh = plus if take(1) else minus
                elif run < 15:
                    ended = (1 << run) + (take(run) if run else 0)
                    break
                while k < len(band):
                    at = place + band[k]
                    value = held[at]
                    if value:
                        if take(1) and not abs(value) & plus:
                            held[at] = value + (plus if value > 0 else minus)
                    elif run:
                        run -= 1
                    else:
                        if fresh:
                            held[at] = fresh
                        k += 1
                        break
                    k += 1
        if ended:
            for natural in band[k:]:
                at = place + natural
                value = held[at]
                if value and take(1) and not abs(value) & plus:
                    held[at] = value + (plus if value > 0 else minus)
            ended -= 1
