"""Pictures as encoders of video take them: rows of R, G, B, or NV12."""

from __future__ import annotations

from typing import Final

import numpy as np

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.pixels import Pixels

RED, BLUE = 0.2126, 0.0722
"""What red and blue weigh in luma; green is the rest (ITU-R BT.709-6, item 3.2)."""

_LUMA, _CHROMA = 219, 224  # codes between black and white, and between the extremes of a colour difference (item 4.6)
_ROWS: Final = 64  # at a time, so that sums of them stay in the cache


def nv12(pixels: Pixels) -> Pixels:
    """(H, W, 3) uint8 R'G'B' -> (3H/2, W) uint8: H rows of luma, then H/2 rows of Cb and Cr in turn.

    BT.709 in video range: luma 16 to 235, chroma 16 to 240 around 128, each the mean of 2x2 pixels, so it stands in the
    middle of them. Codes are those of the formula, rounded. Raises RequestError for sides that are odd.
    """
    height, width = pixels.shape[:2]
    if height % 2 or width % 2:
        raise RequestError(f"NV12 has a colour for 2x2 pixels, the picture has {width}x{height}: pass `form` rgb.")
    out: Pixels = np.empty((height * 3 // 2, width), np.uint8)
    chroma = out[height:].reshape(height // 2, width // 2, 2)
    for top in range(0, height, _ROWS):
        rows = pixels[top : top + _ROWS]
        out[top : min(top + _ROWS, height)] = _luma(rows)
        chroma[top // 2 : (top + _ROWS) // 2] = _colour_differences(rows)
    return out


def _luma(rows: Pixels) -> Pixels:
    """(H, W, 3) -> (H, W): weights in 2^16ths, whose sum a uint32 holds."""
    sums = rows[..., 0] * np.uint32(_LUMA_WEIGHTS[0])
    sums += rows[..., 1] * np.uint32(_LUMA_WEIGHTS[1])
    sums += rows[..., 2] * np.uint32(_LUMA_WEIGHTS[2])
    sums += np.uint32((16 << 16) + (1 << 15))
    sums >>= 16
    luma: Pixels = sums.astype(np.uint8)
    return luma


def _colour_differences(rows: Pixels) -> Pixels:
    """(H, W, 3) -> (H/2, W/2, 2): weights in 2^16ths of sums of four, which an int32 holds."""
    fours = rows[0::2].astype(np.uint16)
    fours += rows[1::2]
    fours = fours[:, 0::2] + fours[:, 1::2]
    planes = [fours[..., colour].astype(np.int32) for colour in range(3)]
    both: Pixels = np.empty((*fours.shape[:2], 2), np.uint8)
    for place, weights in enumerate(_CHROMA_WEIGHTS):
        sums = planes[0] * weights[0]
        sums += planes[1] * weights[1]
        sums += planes[2] * weights[2]
        sums += (128 << 18) + (1 << 17)
        sums >>= 18
        both[..., place] = sums
    return both


def _weights(codes: int, red: float, green: float, blue: float) -> tuple[int, int, int]:
    """Of R, G and B in 2^16ths, for codes from 0 to 255. What rounding leaves is green's, so that grey stays exact."""
    scale = codes / 255 * (1 << 16)
    outer = round(scale * red), round(scale * blue)
    return outer[0], round(scale * (red + green + blue)) - sum(outer), outer[1]


_GREEN = 1 - RED - BLUE
_LUMA_WEIGHTS = _weights(_LUMA, RED, _GREEN, BLUE)
_CHROMA_WEIGHTS = (
    _weights(_CHROMA, -RED / (1 - BLUE) / 2, -_GREEN / (1 - BLUE) / 2, 0.5),
    _weights(_CHROMA, 0.5, -_GREEN / (1 - RED) / 2, -BLUE / (1 - RED) / 2),
)
