"""Arrays of a picture's pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Rgb8 = npt.NDArray[np.uint8]
"""(H, W, 3)."""

Pixels = Rgb8 | npt.NDArray[np.uint16]
"""(H, W, 3)."""

Rows = Callable[[int, int], Pixels]
"""Rows of a picture from the first up to the second number: of one that is too large to be copied for a few."""

CLIPPED: Final = 250
"""Code of 8 bits from which a pixel counts as clipped: not 255, for interpolation lowers the edge of what is blown."""

_STRIP: Final = 256
"""Rows that are copied from and to Pillow at once: it gives and takes arrays by way of bytes, a copy of all."""


def rows_of_image(image: Any) -> Rows:
    """Rows of an RGB picture of Pillow's, which takes much more memory as a whole array beside it."""
    image.load()
    return lambda top, bottom: np.asarray(image.crop((0, top, image.width, bottom)))


def pixels_of(image: Any) -> Rgb8:
    """Pixels of an RGB picture of Pillow's."""
    rows = rows_of_image(image)
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    for top in range(0, image.height, _STRIP):
        bottom = min(top + _STRIP, image.height)
        pixels[top:bottom] = rows(top, bottom)
    return pixels


def clipped_pixels(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """(H, W, 3) -> (H, W): where a channel is `CLIPPED` or above."""
    least = CLIPPED if pixels.dtype == np.uint8 else CLIPPED * 257
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    clipped: npt.NDArray[np.bool_] = np.maximum(np.maximum(red, green), blue) >= least  # max(axis=2) takes thrice that
    return clipped


def reduced(pixels: Rgb8, edge: int) -> Rgb8:
    """A picture of at most `edge` pixels a side: each of its pixels is the mean of a square; itself where it is small.

    (H, W, 3) uint8 -> (ceil(H / n), ceil(W / n), 3), with the smallest n that does.
    """
    from PIL import Image

    step = -(-max(pixels.shape[:2]) // edge)
    if step == 1:
        return pixels
    strips = (pixels[top : top + step * _STRIP] for top in range(0, len(pixels), step * _STRIP))
    return np.concatenate([np.asarray(Image.fromarray(strip).reduce(step)) for strip in strips])
