"""Bilinear demosaicing with three kinds of border, and its exact undoing.

::

    R G R G     at R: green from 4 edge neighbours, blue from 4 diagonal ones
    G B G B     at G: red and blue from 2 neighbours each, left and right or above and below
    R G R G     at B: green from 4 edge neighbours, red from 4 diagonal ones

Measured colours are kept as they are, so sampling the result with the same pattern gives the mosaic
back bit for bit. Three borders (`contract.BORDERS`), the last two as an image library's convolution of the
sparse colour planes has them:

    mirror     row -1 is row 1   keeps the CFA phase: a flat field stays flat to the bit, nothing leaves the
                                 range of the mosaic
    reflect    row -1 is row 0   repeats the edge pixel, which breaks the phase: neighbours are missing and
                                 measured colours count more than once; a flat field of 1 becomes 0.25 to 2.25
    constant   row -1 is zero    neighbours are missing: a flat field of 1 becomes 0.25 to 1
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

__all__ = ["demosaic", "measured_weight", "remosaic", "sites", "window_cfa"]

Float = npt.NDArray[np.float32]

_BESIDE: Final = {"R": (0.5, 0.25), "G": (0.25, 0.0), "B": (0.5, 0.25)}
"""Weights of the edge neighbour and of the diagonal one in the bilinear kernel of a colour; the centre's is 1."""


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


def demosaic(mosaic: Float, cfa: str, border: str = "mirror") -> Float:
    """(H, W) float32 mosaic -> (3, H, W) float32 R, G, B, bilinear. H and W are at least 2.

    With mirrored borders, values stay within the range of the mosaic's own colour plane.
    """
    if border == "mirror":
        return _bilinear(np.pad(mosaic, 1, mode="reflect"), cfa)
    rgb = _bilinear(np.pad(mosaic, 1), cfa)
    if border == "reflect":
        _add_repeated(rgb, mosaic, cfa)
    return rgb


def _bilinear(padded: Float, cfa: str) -> Float:
    """(H + 2, W + 2) mosaic with the neighbours of its edge -> (3, H, W)."""
    height, width = padded.shape[0] - 2, padded.shape[1] - 2
    rgb = np.empty((3, height, width), np.float32)
    for (row, column), colour in zip(((0, 0), (0, 1), (1, 0), (1, 1)), cfa, strict=True):
        shape = (len(range(row, height, 2)), len(range(column, width, 2)))
        out = (slice(row, None, 2), slice(column, None, 2))

        def around(dy: int, dx: int, row: int = row, column: int = column, shape: tuple[int, int] = shape) -> Float:
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


def _add_repeated(rgb: Float, mosaic: Float, cfa: str) -> None:
    """Add to the edges of `rgb`, made with zeros beyond them, what repeated edge pixels bring."""
    height, width = mosaic.shape
    for row in (0, height - 1):
        for plane, line in zip(rgb, _sparse(mosaic[row], cfa[row % 2 * 2 :][:2], corners=True), strict=True):
            plane[row] += line
    for column in (0, width - 1):
        for plane, line in zip(rgb, _sparse(mosaic[:, column], cfa[column % 2 :: 2], corners=False), strict=True):
            plane[:, column] += line


def _sparse(line: Float, colours: str, *, corners: bool) -> list[Float]:
    """What a line of pixels that repeats along an edge adds to each of R, G, B there.

    colours: of its first two pixels. corners: whether it goes round the frame's corners, once for both of its edges.
    """
    made = []
    for colour, (beside, diagonal) in _BESIDE.items():
        own = np.zeros(len(line) + 2, np.float32)
        for start in (0, 1):
            if colours[start] == colour:
                own[1 + start : -1 : 2] = line[start::2]
        if corners:
            own[0], own[-1] = own[1], own[-2]
        made.append(np.float32(beside) * own[1:-1] + np.float32(diagonal) * (own[:-2] + own[2:]))
    return made


def measured_weight(shape: tuple[int, int], cfa: str, edges: tuple[bool, bool, bool, bool]) -> Float:
    """(h, w) factors that measured colours have in `demosaic`'s result with the border `reflect`.

    1 but at the frame's edges, where a repeated pixel counts again: 1.25 for green and 1.5 for red and blue, in a
    corner 1.5 and 2.25. edges: whether the window's top, left, bottom and right are the frame's.
    """
    weight = np.ones(shape, np.float32)
    rows = {row for row, there in ((0, edges[0]), (shape[0] - 1, edges[2])) if there}
    columns = {column for column, there in ((0, edges[1]), (shape[1] - 1, edges[3])) if there}
    for (row, column), colour in zip(((0, 0), (0, 1), (1, 0), (1, 1)), cfa, strict=True):
        site = weight[row::2, column::2]
        beside, diagonal = _BESIDE[colour]
        outer = [(index - row) // 2 for index in rows if (index - row) % 2 == 0]
        side = [(index - column) // 2 for index in columns if (index - column) % 2 == 0]
        site[outer] += np.float32(beside)
        site[:, side] += np.float32(beside)
        site[np.ix_(outer, side)] += np.float32(diagonal)
    return weight


def remosaic(rgb: Float, cfa: str) -> Float:
    """(3, H, W) -> (H, W): sample each pixel's own colour.

    Undoes `demosaic` bit for bit; with the border `reflect` times `measured_weight`.
    """
    mosaic = np.empty(rgb.shape[1:], rgb.dtype)
    for (row, column), colour in zip(((0, 0), (0, 1), (1, 0), (1, 1)), cfa, strict=True):
        plane = rgb["RGB".index(colour)]
        mosaic[row::2, column::2] = plane[row::2, column::2]
    return mosaic
