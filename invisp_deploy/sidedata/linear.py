"""Light that a picture's codes and its gain map stand for, in whole 65536ths of white.

Every number here is a whole one in a float64 that holds it exactly, so sums of products of them are the same in any
order, on any machine, and matrix products of float64 may be used for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.formats import gain_map
from invisp_deploy.formats.pixels import Pixels, clipped_pixels
from invisp_deploy.isp.steps import bt709_light

Whole = npt.NDArray[np.float64]
"""Whole numbers."""

WHITE: Final = 1 << 16
"""What white is worth."""

OFFSET: Final = WHITE // gain_map.OFFSET
"""What a gain map adds to both pictures before it divides them."""

STEPS: Final = 16
"""Parts of a gain map's code that interpolation between its pixels knows."""


@lru_cache(maxsize=2)
def light_of_codes(peak: int) -> Whole:
    """(peak + 1,): the inverse of the picture's curve. No entry lies within 5e-7 of a half: rounding is the same
    whatever a machine's power function gives in its last digits.
    """
    whole: Whole = np.rint(WHITE * bt709_light(np.arange(peak + 1) / peak))
    return whole


@lru_cache(maxsize=4)
def gains_of_codes(sixteenths: int) -> Whole:
    """(255 * STEPS + 1,): 2 ** (sixteenths / 16 * code / 255) in 65536ths, by 16ths of a code. Rounded as above."""
    codes = np.arange(255 * STEPS + 1) / (255 * STEPS)
    whole: Whole = np.rint(WHITE * np.exp2(codes * (sixteenths / 16)))
    return whole


@dataclass(frozen=True)
class Highlights:
    """What a gain map adds to a picture. codes: (h, w, 3) uint8 of the map. sixteenths: of a stop at code 255.

    scale: pixels of the picture to one of the map, an even number; the map covers it from the top left pixel.
    """

    codes: npt.NDArray[np.uint8]
    sixteenths: int
    scale: int

    def cut(self, top: int, left: int, bottom: int, right: int) -> Highlights:
        """Of a part of the picture that begins at multiples of `scale`; at its edges as if the picture ended there."""
        scale = self.scale
        part = self.codes[top // scale : -(-bottom // scale), left // scale : -(-right // scale)]
        return Highlights(part, self.sixteenths, scale)

    def rows(self, top: int, bottom: int, width: int) -> npt.NDArray[np.intp]:
        """(bottom - top, width, 3): codes between the map's pixels, in 16ths, bilinear, from `top` on."""
        scale, height = self.scale, len(self.codes)
        places = 2 * np.arange(top, bottom) + 1 - scale  # in halves of a pixel, from the first of the map
        first = places // (2 * scale)
        share = (places - first * 2 * scale)[:, None, None]
        above, below = (
            self.codes[np.clip(first + more, 0, height - 1)].astype(np.int32) for more in (0, 1)
        )  # (rows, w, 3)
        mixed = above * (2 * scale - share) + below * share
        padded = np.pad(mixed, ((0, 0), (1, 1), (0, 0)), mode="edge")
        columns = self.codes.shape[1]
        wide = np.empty((bottom - top, columns * scale, 3), np.intp)
        for phase in range(scale):
            place = 2 * phase + 1 - scale
            start = 0 if place < 0 else 1
            part = place % (2 * scale)
            left, right = padded[:, start : start + columns], padded[:, start + 1 : start + 1 + columns]
            wide[:, phase::scale] = left * (2 * scale - part) + right * part
        whole = (2 * scale) ** 2
        codes: npt.NDArray[np.intp] = (wide[:, :width] * STEPS + whole // 2) // whole
        return codes


def light(pixels: Pixels, top: int, highlights: Highlights | None) -> Whole:
    """Rows of a picture, (2n, 2w, 3) from row `top` on, as (12, n, w): colour by colour, within a colour the sites of
    the 2x2 square row by row. With highlights, pixels that clip take theirs.
    """
    rows, columns = pixels.shape[:2]
    table = light_of_codes(255 if pixels.dtype == np.uint8 else 65535)
    squares = _in_squares(pixels)
    planes = np.empty((12, rows // 2, columns // 2))
    for plane in range(12):
        np.take(table, squares[_place(plane)], out=planes[plane], mode="clip")
    if highlights is not None and (clipped := clipped_pixels(pixels)).any():
        sites = by_site(clipped)
        codes = _in_squares(highlights.rows(top, top + rows, columns))
        gains = gains_of_codes(highlights.sixteenths)
        for plane in range(12):
            there = sites[plane % 4]
            gain = gains[codes[_place(plane)][there]]
            planes[plane][there] = np.floor((planes[plane][there] + OFFSET) * gain / WHITE) - OFFSET
    return planes


def by_site(mosaic: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(2n, 2w) -> (4, n, w): the sites of its 2x2 squares, row by row."""
    rows, columns = mosaic.shape
    return mosaic.reshape(rows // 2, 2, columns // 2, 2).transpose(1, 3, 0, 2).reshape(4, rows // 2, columns // 2)


def _in_squares(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(2n, 2w, 3) -> (n, 2, w, 2, 3)."""
    rows, columns = pixels.shape[:2]
    return pixels.reshape(rows // 2, 2, columns // 2, 2, 3)


def _place(plane: int) -> tuple[slice, int, slice, int, int]:
    """Where the samples of one of the 12 planes stand in squares."""
    return slice(None), plane // 2 % 2, slice(None), plane % 2, plane // 4
