"""Colours and tones of a picture that is too small for more, with the detail of a rendering in full resolution.

::

    made = curve(rendering) + grown(small picture - means of curve(rendering))

The curve takes the rendering's codes to what the small picture has in their place, channel by channel. What the two
still differ by is added at the small picture's resolution. So its colours and tones are those of the result, and the
sharpness is the rendering's, never that of the small picture.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.formats.pixels import Rgb8

_LEVELS: Final = 32
"""Parts of the rendering's codes, for each of which the curve has what the small picture shows on the mean."""

_ROWS: Final = 256


def times_coarser(shape: tuple[int, int], picture: tuple[int, int], smallest: float) -> int:
    """By how many whole times a rendering of `shape` must shrink for a picture not to be coarser; 1 where it has at
    least `smallest` of its resolution along the longer side.
    """
    ratio = max(picture) / max(shape)
    return 1 if ratio >= smallest else math.ceil(1 / ratio)


def shrunk_by(rendering: Rgb8, times: int) -> Rgb8:
    """(H, W, 3) -> (H / times, W / times, 3), rounded down to even sizes: means of squares, rounded."""
    height, width = (side // (2 * times) * 2 for side in rendering.shape[:2])
    result = np.empty((height, width, 3), np.uint8)
    for row in range(height):
        band = rendering[row * times : (row + 1) * times, : width * times].astype(np.float32)
        result[row] = band.sum(0).reshape(width, times, 3).sum(1) / np.float32(times**2) + np.float32(0.5)
    return result


def with_detail(small: Rgb8, rendering: Rgb8) -> Rgb8:
    """(h, w, 3) uint8 and (n h, n w, 3) uint8 of the same -> (n h, n w, 3) uint8."""
    times = rendering.shape[0] // small.shape[0]
    below = shrunk_by(rendering, times)
    result = np.empty_like(rendering)
    for channel in range(3):
        curve = _curve(below[..., channel], small[..., channel])
        toned = curve[rendering[..., channel]]
        means = toned.reshape(small.shape[0], times, small.shape[1], times).mean((1, 3))
        lacks = small[..., channel] - means
        for top in range(0, rendering.shape[0], _ROWS):
            rows = slice(top, min(top + _ROWS, rendering.shape[0]))
            result[rows, :, channel] = np.clip(toned[rows] + _grown(lacks, times, rows), 0, 255).round()
    return result


def _curve(codes: npt.NDArray[np.uint8], wanted: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What each of the 256 codes becomes: through the means of both in each part, straight beyond the outermost."""
    part = codes.ravel() // (256 // _LEVELS)
    counts = np.bincount(part, minlength=_LEVELS)
    means = [np.bincount(part, plane.ravel(), _LEVELS)[counts > 0] / counts[counts > 0] for plane in (codes, wanted)]
    return np.interp(np.arange(256), means[0], np.maximum.accumulate(means[1])).astype(np.float32)


def _grown(plane: npt.NDArray[Any], times: int, rows: slice) -> npt.NDArray[Any]:
    from PIL import Image

    image = Image.fromarray(plane)
    box = (0.0, rows.start / times, float(image.width), rows.stop / times)
    return np.asarray(image.resize((image.width * times, rows.stop - rows.start), Image.Resampling.BILINEAR, box=box))
