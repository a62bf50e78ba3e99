"""Bytes of a sensor's frame to its mosaic: wide words of four pixels, in blocks of rows that stay in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import RawFileError
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.sensor.layouts import Layout, Packing
from invisp_deploy.sensor.pisp import decode_pisp

FrameBytes = bytes | bytearray | memoryview

_BLOCK: Final = 1 << 16
"""Pixels worked on at a time: their words and what comes of them fit a core's second cache."""

_LANES: Final = 4  # pixels of 16 bits in a word of 64
_WIDE: Final = np.dtype("<u8")
_NARROW: Final = np.dtype("<u2")


def unpack(
    data: FrameBytes,
    layout: Layout,
    width: int,
    height: int,
    stride: int | None = None,
    *,
    name: str = "the frame",
) -> Mosaic:
    """(H, W) uint16 in sensor order, DN from 0 to `layout.white`; of codes of a companding the codes.

    data: `stride` bytes a row, those of a row where it is None; what pads the last row may be absent. Samples that
    stand in 16-bit words already are no copy but a view of it. Raises RequestError as `Layout.stride_of`; RawFileError
    for another number of bytes, and for a word with bits above those of a sample: it is of another byte order, depth
    or alignment.
    """
    stride = layout.stride_of(width, stride)
    _check_bytes(len(data), layout, width, height, stride, name)
    packing = layout.packing
    if packing.compressed:
        return np.ascontiguousarray(decode_pisp(_rows(data, 1, width + -width % 8, height, stride))[:, :width])
    if packing.bytes == 1:
        return _rows(data, 1, width, height, stride).astype(np.uint16)
    if packing.pixels == 1:
        return _of_words(_rows(data, 2, width, height, stride), layout, name)
    out = np.empty((height, width), _NARROW)
    _of_groups(data, packing, out, stride)
    return out.astype(np.uint16, copy=False)


def _check_bytes(have: int, layout: Layout, width: int, height: int, stride: int, name: str) -> None:
    most = stride * height
    least = most - stride + layout.row_bytes(width)
    if not least <= have <= most:
        raise RawFileError(
            f"{name} has {have} bytes; {width}x{height} pixels in {layout.name} with a `stride` of {stride} have "
            f"{most}: the size, the `format` or the `stride` is another."
        )


def _rows(data: FrameBytes, size: int, width: int, height: int, stride: int) -> npt.NDArray[np.unsignedinteger]:
    """A view of little-endian words of `size` bytes, `width` of each row."""
    return np.ndarray((height, width), f"<u{size}", data, strides=(stride, size))


def _of_words(words: npt.NDArray[np.unsignedinteger], layout: Layout, name: str) -> Mosaic:
    (places,) = layout.packing.places
    lowest = min(places)
    if places[0] > places[-1]:  # the high byte first
        words, lowest = words.view(">u2"), 0
    shifted = np.right_shift(words, np.uint16(lowest), dtype=np.uint16) if lowest else words
    samples: Mosaic = np.ascontiguousarray(shifted, np.uint16)
    if (lowest or layout.bits < 16) and (highest := int(samples.max())) > layout.white:
        raise RawFileError(
            f"{name} holds the value {highest}, where {layout.bits} bits end at {layout.white}: words in {layout.name} "
            f"are {layout.packing.name}; these are of another byte order, depth or alignment."
        )
    return samples


@cache
def _terms(packing: Packing) -> tuple[tuple[np.uint64, int], ...]:
    """What brings the bits of a word of four packed pixels into four 16-bit lanes: mask, then shift (left above 0).

    Bits that move as far stand in one term. The lane of pixel i begins at bit 16 i.
    """
    found: dict[int, int] = {}
    for pixel in range(_LANES):
        group, inside = divmod(pixel, packing.pixels)
        for bit, place in enumerate(packing.places[inside]):
            source = 8 * packing.bytes * group + place
            shift = 16 * pixel + bit - source
            found[shift] = found.get(shift, 0) | 1 << source
    return tuple((np.uint64(mask), shift) for shift, mask in found.items())


def _of_groups(data: FrameBytes, packing: Packing, out: npt.NDArray[np.uint16], stride: int) -> None:
    """Groups of 4 pixels, or that divide 4, are words of their own; IPU3's are six words and a pixel."""
    height, width = out.shape
    pixels = max(packing.pixels, _LANES)
    bytes_ = packing.bytes * pixels // packing.pixels
    step = _LANES * packing.bits // 8 if packing.pixels > _LANES else bytes_
    groups, words = -(-width // pixels), pixels // _LANES
    last = (groups - 1) * bytes_ + (words - 1) * step + _WIDE.itemsize  # the end of the last word of a row
    shape = (max(1, _BLOCK // width), groups, words)
    packed, lanes, part = (np.empty(shape, _WIDE) for _ in range(3))
    for first, rows, source, offset in _blocks(data, height, stride, last, shape[0]):
        view = np.ndarray((rows, groups, words), _WIDE, source, offset, (stride, bytes_, step))
        packed[:rows] = view
        _spread(packed[:rows], _terms(packing), lanes[:rows], part[:rows])
        samples = lanes[:rows].view(_NARROW)
        if pixels % _LANES:
            place = packing.places[-1][0] // 8  # the last pixel, in two bytes of its own
            rest = np.ndarray((rows, groups, 1), _NARROW, source, offset + place, (stride, bytes_, 2))
            samples = np.concatenate([samples, rest & _NARROW.type((1 << packing.bits) - 1)], axis=-1)
        out[first : first + rows] = samples.reshape(rows, -1)[:, :width]


def _blocks(
    data: FrameBytes, height: int, stride: int, last: int, most: int
) -> Iterator[tuple[int, int, FrameBytes, int]]:
    """First row, rows, where their bytes are, offset: `most` rows each, none of whose words leaves its buffer.

    What would be read beyond the end of the data is read from a copy of the last rows with zeros behind it.
    """
    safe = min(max((len(data) - last) // stride + 1, 0), height) if len(data) >= last else 0
    tail = bytes(memoryview(data)[safe * stride :]) + bytes(stride + _WIDE.itemsize)
    for first in range(0, safe, most):
        yield first, min(most, safe - first), data, first * stride
    for first in range(safe, height, most):
        yield first, min(most, height - first), tail, (first - safe) * stride


def _spread(
    packed: npt.NDArray[np.uint64],
    terms: tuple[tuple[np.uint64, int], ...],
    lanes: npt.NDArray[np.uint64],
    part: npt.NDArray[np.uint64],
) -> None:
    """lanes: is filled. part: is overwritten."""
    into = lanes
    for mask, shift in terms:
        np.bitwise_and(packed, mask, out=into)
        if shift > 0:
            np.left_shift(into, np.uint64(shift), out=into)
        elif shift < 0:
            np.right_shift(into, np.uint64(-shift), out=into)
        if into is part:
            np.bitwise_or(lanes, part, out=lanes)
        into = part
