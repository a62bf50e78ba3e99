"""Bilinear demosaicing, and its exact undoing.

::

    R G R G     at R: green from 4 edge neighbours, blue from 4 diagonal ones
    G B G B     at G: red and blue from 2 neighbours each, left and right or above and below
    R G R G     at B: green from 4 edge neighbours, red from 4 diagonal ones

Measured colours are kept as they are, so sampling the result with the same pattern gives the mosaic back bit for bit.
Beyond the edge the mosaic is mirrored, row -1 is row 1, which keeps the CFA phase: a flat field stays flat to the bit,
and nothing leaves the range of the mosaic.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_Plane = npt.NDArray[np.float32]


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


def demosaic(mosaic: _Plane, cfa: str) -> _Plane:
    """(H, W) float32 mosaic -> (3, H, W) float32 R, G, B, bilinear. H and W are at least 2.

    Values stay within the range of the mosaic's own colour plane.
    """
    padded = np.pad(mosaic, 1, mode="reflect")
    height, width = mosaic.shape
    rgb = np.empty((3, height, width), np.float32)
    for (row, column), colour in zip(((0, 0), (0, 1), (1, 0), (1, 1)), cfa, strict=True):
        shape = (len(range(row, height, 2)), len(range(column, width, 2)))
        out = (slice(row, None, 2), slice(column, None, 2))

        def around(dy: int, dx: int, row: int = row, column: int = column, shape: tuple[int, int] = shape) -> _Plane:
            top, left = 1 + row + dy, 1 + column + dx
            return padded[top : top + 2 * shape[0] - 1 : 2, left : left + 2 * shape[1] - 1 : 2]

        sideways = (around(0, -1) + around(0, 1)) * np.float32(0.5)
        upright = (around(-1, 0) + around(1, 0)) * np.float32(0.5)
        if colour == "G":
            beside = cfa[row * 2 + 1 - column]
            horizontal, vertical = ("R", "B") if beside == "R" else ("B", "R")
            rgb[(1, *out)] = around(0, 0)
            rgb[("RGB".index(horizontal), *out)] = sideways
            rgb[("RGB".index(vertical), *out)] = upright
        else:
            other = "B" if colour == "R" else "R"
            falling = (around(-1, -1) + around(1, 1)) * np.float32(0.5)
            rising = (around(-1, 1) + around(1, -1)) * np.float32(0.5)
            rgb[("RGB".index(colour), *out)] = around(0, 0)
            rgb[(1, *out)] = (sideways + upright) * np.float32(0.5)
            rgb[("RGB".index(other), *out)] = (falling + rising) * np.float32(0.5)
    return rgb


def remosaic(rgb: _Plane, cfa: str) -> _Plane:
    """(3, H, W) -> (H, W): sample each pixel's own colour. Undoes `demosaic` bit for bit."""
    mosaic = np.empty(rgb.shape[1:], rgb.dtype)
    for (row, column), colour in zip(((0, 0), (0, 1), (1, 0), (1, 1)), cfa, strict=True):
        plane = rgb["RGB".index(colour)]
        mosaic[row::2, column::2] = plane[row::2, column::2]
    return mosaic
