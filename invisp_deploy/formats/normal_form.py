"""The JPEG that libjpeg writes of coefficients: what a picture coded again without loss is brought back to.

Sequential, one scan, no restart intervals, the tables of ITU-T T.81's annex K.3: what libjpeg writes unless it is asked
for something else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from invisp_deploy.formats.coefficients import ZIGZAG, Coefficients, blocks_along
from invisp_deploy.formats.jpeg import END, Scan, header_of_jpeg, written_by_pillow


def write_normal_form(held: Coefficients, quality: int, subsampling: str) -> bytes:
    """The JPEG that libjpeg writes of such coefficients at that quality, byte for byte but its application segments."""
    model = written_by_pillow(quality, subsampling)
    header = header_of_jpeg(model)
    scan = header.scan
    if scan is None:
        raise ValueError("libjpeg wrote no scan")
    head = bytearray(model[: scan.start])
    place = head.index(bytes((0xFF, header.frame))) + 5
    head[place : place + 4] = held.height.to_bytes(2, "big") + held.width.to_bytes(2, "big")
    return bytes(head) + _coded(held, scan) + END


def _coded(held: Coefficients, scan: Scan) -> bytes:
    """The entropy-coded bytes of all planes in one scan, by that scan's tables."""
    blocks, numbers = _in_scan_order(held)
    codes = {key: _codes(table) for key, table in scan.tables.items()}
    pieces = _pieces(blocks, numbers, scan, codes)
    return _packed(*pieces)


def _in_scan_order(held: Coefficients) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """(blocks, 64) in zigzag order, means as differences; and the component of each block."""
    most_h, most_v = held.largest
    across, down = -(-held.width // (8 * most_h)), -(-held.height // (8 * most_v))
    total = sum(h * v for h, v in held.sampling)
    blocks = np.empty((across * down, total, 64), np.int16)
    numbers = np.empty((across * down, total), np.int64)
    at = 0
    for number, (plane, (h, v)) in enumerate(zip(held.planes, held.sampling, strict=True)):
        flat = plane.reshape(down, v, across, h, 64).transpose(0, 2, 1, 3, 4).reshape(-1, h * v, 64)
        blocks[:, at : at + h * v] = flat
        numbers[:, at : at + h * v] = number
        _fill_rim(blocks[:, at : at + h * v], held, number, (down, across))
        at += h * v
    ordered = blocks.reshape(-1, 64)[:, list(ZIGZAG)].astype(np.int32)
    flat_numbers = numbers.ravel()
    for number in range(len(held.planes)):
        own = np.flatnonzero(flat_numbers == number)
        ordered[own, 0] = np.diff(ordered[own, 0], prepend=0)
    return ordered, flat_numbers


def _fill_rim(blocks: npt.NDArray[np.int16], held: Coefficients, number: int, units: tuple[int, int]) -> None:
    """Blocks beyond a component's own have the mean of the block before them in the scan, and nothing else.

    So libjpeg fills its units (jccoefct.c). blocks: (units, h * v, 64).
    """
    h, v = held.sampling[number]
    down, across = units
    rows, columns = blocks_along(held.height, v, held.largest[1]), blocks_along(held.width, h, held.largest[0])
    shaped = blocks.reshape(down, across, v, h, 64)
    for y in range(v):
        for x in range(h):
            beyond = np.zeros((down, across), bool)
            beyond[:, -1] |= (across - 1) * h + x >= columns
            beyond[-1, :] |= (down - 1) * v + y >= rows
            if not beyond.any():
                continue
            here, inner = y * h + x, shaped[:, :, y, x]
            before = shaped[:, :, (here - 1) // h, (here - 1) % h] if here else inner
            inner[beyond] = 0
            inner[beyond, 0] = before[beyond, 0]


def _codes(table: bytes) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Symbol -> code, and its length in bits (0 where it has none)."""
    code, length = np.zeros(256, np.int64), np.zeros(256, np.int64)
    value, place = 0, 16
    for bits in range(1, 17):
        for _ in range(table[bits - 1]):
            code[table[place]], length[table[place]] = value, bits
            value, place = value + 1, place + 1
        value <<= 1
    return code, length


def _pieces(
    blocks: npt.NDArray[np.int32], numbers: npt.NDArray[np.int64], scan: Scan, codes: dict[Any, Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Values and their lengths in bits, in the order of the scan: codes, each with the bits behind it."""
    dc = np.array([codes[0, table] for _, table, _ in scan.components])
    ac = np.array([codes[1, table] for _, _, table in scan.components])
    block, k = np.nonzero(blocks[:, 1:])
    k += 1
    value = blocks[block, k].astype(np.int64)
    started = np.flatnonzero(np.diff(block, prepend=-1))
    before = np.empty_like(k)
    before[1:] = k[:-1]
    before[started] = 0
    run = k - before - 1
    last = np.zeros(len(blocks), np.int64)
    last[block] = k  # the last one written stays
    long = run >> 4
    runs = np.repeat(np.arange(len(k)), long)
    ended = np.flatnonzero(last < 63)
    everything = np.arange(len(blocks))
    zero = np.zeros(1, np.int64)
    keys = np.concatenate(
        (everything * 256, block[runs] * 256 + 2 * k[runs], block * 256 + 2 * k + 1, ended * 256 + 255)
    )
    means = blocks[:, 0].astype(np.int64)
    groups = [
        _with_bits(dc, numbers, zero, means),
        _plain(ac, numbers[block[runs]], 0xF0),
        _with_bits(ac, numbers[block], run & 15, value),
        _plain(ac, numbers[ended], 0x00),
    ]
    order = np.argsort(keys, kind="stable")
    return tuple(np.concatenate([group[part] for group in groups])[order] for part in (0, 1))  # type: ignore[return-value]


def _plain(table: Any, numbers: npt.NDArray[np.int64], symbol: int) -> tuple[Any, Any]:
    return table[numbers, 0, symbol], table[numbers, 1, symbol]


def _with_bits(table: Any, numbers: Any, run: Any, value: npt.NDArray[np.int64]) -> tuple[Any, Any]:
    """Codes of (run, size) with the value's `size` bits behind them."""
    size = np.frexp(np.abs(value).astype(np.float64))[1].astype(np.int64)
    symbol = run << 4 | size
    length = table[numbers, 1, symbol]
    if not length.all():
        raise ValueError("it has a coefficient that libjpeg's tables have no code for")
    bits = np.where(value < 0, value - 1, value) & ((1 << size) - 1)
    return table[numbers, 0, symbol] << size | bits, length + size


def _packed(values: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> bytes:
    """Bits one behind the other, ones up to the next byte, a zero byte behind each of 255."""
    ends = np.cumsum(lengths)
    total = int(ends[-1])
    starts = ends - lengths
    word = starts >> 5
    shifted = values << (64 - (starts & 31) - lengths)  # at most 32 + 27 bits
    high, low = (shifted >> 32) & 0xFFFFFFFF, shifted & 0xFFFFFFFF
    size = (total >> 5) + 2
    sums = np.bincount(word, high, size)  # exact: disjoint bits, far below 2 ** 53
    sums[1:] += np.bincount(word, low, size)[:-1]
    data = bytearray(sums.astype(np.uint64).astype(">u4").tobytes()[: -(-total // 8)])
    if total % 8:
        data[-1] |= (1 << (8 - total % 8)) - 1
    return bytes(data).replace(b"\xff", b"\xff\x00")
