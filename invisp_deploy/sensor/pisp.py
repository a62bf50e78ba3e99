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

_ROWS: Final = 16
_Levels = npt.NDArray[np.signedinteger[Any]]


def decode_pisp(rows: npt.NDArray[Any]) -> Mosaic:
    """(H, W) uint8, W a multiple of 8 -> (H, W) uint16, DN of 16 bits."""
    height, width = rows.shape
    out = np.empty((height, width), np.uint16)
    for first in range(0, height, _ROWS):
        block = np.ascontiguousarray(rows[first : first + _ROWS]).view("<u4")
        fine = _differences(block)
        samples = _to_dn(fine, block & 3)
        coarse = (block & 3) == 3
        if coarse.any():
            samples[:, coarse] = _pairs(block[coarse])
        lanes = samples.reshape(4, len(block), width // 8, 2)
        out[first : first + _ROWS] = lanes.transpose(1, 2, 0, 3).reshape(len(block), width)
    return out


def _differences(words: npt.NDArray[Any]) -> _Levels:
    """(4, ...) levels of words of the first three grids; of the others nothing of use."""
    inner = (words >> 2 & 511).astype(np.int32)
    between, first, last = ((words >> shift & 127).astype(np.int32) for shift in (11, 18, 25))
    high = (words & 3 == 2) & (inner >= 384)
    q1 = np.where(high, inner, inner + np.maximum(64 - between, 0))
    q2 = np.where(high, between + 384, inner + np.maximum(between - 64, 0))
    most = np.where(words & 3 == 2, 384, 511)
    return np.stack(
        [np.clip(q1 - 64, 0, most) + first, q1, q2, np.clip(q2 - 64, 0, most) + last],
    )


def _to_dn(levels: _Levels, grid: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    fine = levels + np.maximum(levels - 320, 0) << 4
    dn = np.where(grid == 0, fine, levels << np.where(grid == 1, 6, 7))
    return _uncompressed(dn)


def _pairs(words: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """(4, n) of words of the coarsest grid: two numbers of 15 bits, two of 176 levels in each."""
    levels = []
    for pair in (words >> 2 & 32767, words >> 17):
        levels += [(pair & 15) + 16 * (pair // 2816), pair // 16 % 176]
    all_levels = np.stack(levels).astype(np.int32)
    dn = all_levels + np.maximum(all_levels - 94, 0) << 8
    return _uncompressed(dn)


def _uncompressed(dn: _Levels) -> Mosaic:
    found: Mosaic = np.minimum(dn + OFFSET, 65535).astype(np.uint16)
    return found
