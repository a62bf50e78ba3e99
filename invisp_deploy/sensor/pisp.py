"""Raspberry Pi's compressed mosaics (PiSP, mode 1): lossy blocks of eight pixels in eight bytes.

After https://docs.kernel.org/userspace-api/media/v4l/pixfmt-srggb8-pisp-comp.html. A block is two 32-bit words, its
even and its odd pixels q0 to q3. A word's lowest two bits say how coarse they are: in steps of 16 up to 320 of them and
32 from there, of 64, of 128; or, where neighbours differ by more than seven bits, of 256 up to 94 of them and 512 from
there. The inner two are a level and what they differ by, the outer two what they differ by from their inner neighbour.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.frame import Mosaic

OFFSET: Final = 2048
"""DN of 16 bits that the Pi's driver takes off before it compresses, as libcamera has it; the format does not say."""

_BLOCK: Final = 1 << 16  # pixels at a time, which stay in the cache

_Levels = npt.NDArray[np.int16]


def decode_pisp(rows: npt.NDArray[Any]) -> Mosaic:
    """(H, W) uint8, W a multiple of 8 -> (H, W) uint16, DN of 16 bits."""
    height, width = rows.shape
    out = np.empty((height, width), np.uint16)
    pairs = out.view(np.uint32).reshape(height, width // 8, 4)  # pixels 2k and 2k + 1 of a block
    step = max(1, _BLOCK // width)
    for first in range(0, height, step):
        words = np.ascontiguousarray(rows[first : first + step]).view("<u4")
        grid = words.astype(np.uint8) & np.uint8(3)
        samples = _to_dn(_levels(words, grid), grid)
        if (coarse := np.flatnonzero(grid == 3)).size:
            samples.reshape(4, -1)[:, coarse] = _coarse(words.ravel()[coarse])
        np.minimum(samples, 65535 - OFFSET, out=samples)
        samples += OFFSET
        for k in range(4):
            pairs[first : first + step, :, k] = samples[k].view(np.uint32)
    return out


def _levels(words: npt.NDArray[Any], grid: npt.NDArray[np.uint8]) -> _Levels:
    """(4, ...) levels of words of the first three grids; of the others nothing of use."""
    inner, between, first, last = (
        (words >> shift).astype(np.int16) & mask for shift, mask in ((2, 511), (11, 127), (18, 127), (25, 127))
    )
    q = np.empty((4, *words.shape), np.int16)
    steps = between - 64
    np.subtract(inner, steps & steps >> 15, out=q[1])  # a shift by 15 is -1 below zero, 0 from there on
    np.add(q[1], steps, out=q[2])
    steepest = grid == 2
    if (high := steepest & (inner >= 384)).any():
        np.copyto(q[1], inner, where=high)
        np.copyto(q[2], between + 384, where=high)
    most = 511 - 127 * steepest.astype(np.int16)
    for outer, neighbour, field in ((0, 1, first), (3, 2, last)):
        np.minimum(_above(q[neighbour] - 64), most, out=q[outer])
        q[outer] += field
    return q


def _above(values: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Those below zero become zero, in half the time of `np.maximum`; values is overwritten."""
    values &= ~(values >> 15)
    return values


def _to_dn(levels: _Levels, grid: npt.NDArray[np.uint8]) -> Mosaic:
    """Multiples of 16 up to level 320 and of 32 from there, of 64, of 128."""
    fine, middle, steep = ((grid == each).astype(np.int16) for each in (0, 1, 2))
    dn = _above(levels - 320)
    dn *= fine
    dn += levels
    dn *= fine << 4 | middle << 6 | steep << 7
    return dn.view(np.uint16)


def _coarse(words: npt.NDArray[Any]) -> Mosaic:
    """(4, n) of words of the coarsest grid: two numbers of 15 bits, two of 176 levels in each."""
    levels = []
    for pair in (words >> 2 & 32767, words >> 17):
        levels += [(pair & 15) + 16 * (pair // 2816), pair // 16 % 176]
    found = np.stack(levels).astype(np.int32)
    dn: Mosaic = np.minimum((found + np.maximum(found - 94, 0)) << 8, 65535).astype(np.uint16)
    return dn
