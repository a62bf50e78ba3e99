"""Linear demosaicing, bilinear or gradient-corrected, and its exact undoing.

::

    R G R G     at R: green from 4 edge neighbours, blue from 4 diagonal ones
    G B G B     at G: red and blue from 2 neighbours each, left and right or above and below
    R G R G     at B: green from 4 edge neighbours, red from 4 diagonal ones

Corrected, each interpolated value also takes a share of how the measured colour bends at its pixel: 1/2 for green,
5/8 for red and blue at green, 3/4 for red at blue and blue at red (Malvar, He, Cutler, "High-quality linear
interpolation for demosaicing of Bayer-patterned color images", ICASSP 2004).

Measured colours are kept as they are, so sampling the result with the same pattern gives the mosaic back bit for bit.
Beyond the edge the last squares of the pattern repeat, row -1 is row 1 and row -2 is row 0, which keeps the CFA
phase: a flat field stays flat to the bit.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

_Plane = npt.NDArray[np.float32]

REACH: Final = 2
"""Pixels to each side that a pixel's colours are made of."""


def sites(cfa: str) -> dict[str, list[tuple[int, int]]]:
    """Positions (row, column) of each colour in the 2x2 pattern.

    >>> sites("RGGB")
    {'R': [(0, 0)], 'G': [(0, 1), (1, 0)], 'B': [(1, 1)]}
    """
    found: dict[str, list[tuple[int, int]]] = {"R": [], "G": [], "B": []}
    for index, colour in enumerate(cfa):
        found[colour].append(divmod(index, 2))
    return found


def window_cfa(cfa: str, row: int, column: int) -> str:
    """The pattern as seen from pixel (row, column).

    >>> window_cfa("RGGB", 0, 1)
    'GRBG'
    """
    return "".join(cfa[((row + r) % 2) * 2 + (column + c) % 2] for r in (0, 1) for c in (0, 1))


def demosaic(mosaic: _Plane, cfa: str, corrected: bool = False) -> _Plane:
    """(H, W) float32 mosaic -> (3, H, W) float32 R, G, B, bilinear or corrected. H and W are at least 2.

    Bilinear values stay within the range of the mosaic's own colour plane; corrected ones may leave it.
    """
    padded = _mirrored(mosaic)
    height, width = mosaic.shape
    rgb = np.empty((3, height, width), np.float32)
    for (row, column), colour in zip(((0, 0), (0, 1), (1, 0), (1, 1)), cfa, strict=True):
        shape = (len(range(row, height, 2)), len(range(column, width, 2)))
        out = (slice(row, None, 2), slice(column, None, 2))

        def mean(
            *places: tuple[int, int], row: int = row, column: int = column, shape: tuple[int, int] = shape
        ) -> _Plane:
            parts = []
            for down, right in places:
                top, left = REACH + row + down, REACH + column + right
                parts.append(padded[top : top + 2 * shape[0] - 1 : 2, left : left + 2 * shape[1] - 1 : 2])
            while len(parts) > 1:  # in pairs, so that equal values stay what they are to the bit
                parts = [(one + other) * np.float32(0.5) for one, other in zip(parts[::2], parts[1::2], strict=True)]
            return parts[0]

        own = mean((0, 0))
        sideways, upright = mean((0, -1), (0, 1)), mean((-1, 0), (1, 0))
        if colour == "G":
            beside = cfa[row * 2 + 1 - column]
            horizontal, vertical = ("R", "B") if beside == "R" else ("B", "R")
            if corrected:
                left, above = mean((0, -2), (0, 2)), mean((-2, 0), (2, 0))
                near = np.float32(0.5) * (own - mean((-1, -1), (1, 1), (-1, 1), (1, -1)))
                spread = np.float32(0.125) * (left - above)
                sideways = sideways + (near + np.float32(0.125) * (own - left) - spread)
                upright = upright + (near + np.float32(0.125) * (own - above) + spread)
            rgb[(1, *out)] = own
            rgb[("RGB".index(horizontal), *out)] = sideways
            rgb[("RGB".index(vertical), *out)] = upright
        else:
            other = "B" if colour == "R" else "R"
            green = (sideways + upright) * np.float32(0.5)
            crossed = mean((-1, -1), (1, 1), (-1, 1), (1, -1))
            if corrected:
                bent = own - mean((0, -2), (0, 2), (-2, 0), (2, 0))
                green, crossed = green + np.float32(0.5) * bent, crossed + np.float32(0.75) * bent
            rgb[("RGB".index(colour), *out)] = own
            rgb[(1, *out)] = green
            rgb[("RGB".index(other), *out)] = crossed
    return rgb


def _mirrored(mosaic: _Plane) -> _Plane:
    """`REACH` rows and columns more at every side: -1 is 1 and -2 is 0, so the squares at the edge repeat."""
    places = []
    for size in mosaic.shape:
        inner = np.arange(size)
        places.append(np.concatenate((inner[:2], inner, inner[-2:])))
    return mosaic[np.ix_(*places)]


def remosaic(rgb: _Plane, cfa: str) -> _Plane:
    """(3, H, W) -> (H, W): sample each pixel's own colour. Undoes `demosaic` bit for bit."""
    mosaic = np.empty(rgb.shape[1:], rgb.dtype)
    for (row, column), colour in zip(((0, 0), (0, 1), (1, 0), (1, 1)), cfa, strict=True):
        plane = rgb["RGB".index(colour)]
        mosaic[row::2, column::2] = plane[row::2, column::2]
    return mosaic
