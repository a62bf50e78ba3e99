"""What a network's inverse gives, filtered: fitted to the true mosaic while a look is rendered, under half a kilobyte.

For each site of the 2x2 pattern, DN = a constant and the mosaic at the 5x5 pixels around, each times a coefficient:
JPEG's noise is smoothed as far as the sensor's own detail asks for. Whole numbers in float64, as the predictor's; but
what they are applied to a runtime computed, so they are for pictures that promise no bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.formats.pixels import Pixels, Rows, clipped_pixels
from invisp_deploy.isp.frame import Mosaic

NEIGHBOURS: Final = 5 * 5 + 1
"""Filters of one site; the last is of the constant, which is worth `_CONSTANT`."""

TakenBack = Callable[[Pixels], Mosaic]
"""(h, w, 3) codes of a part of a picture -> what the network's inverse gives for it, (h, w) DN."""


@dataclass(frozen=True)
class NetworkInverse:
    """The way back of a look. taken_back: None where no inverse is at hand; halo: pixels that it reaches."""

    taken_back: TakenBack | None = None
    halo: int = 0


Corrections = npt.NDArray[np.int32]
"""(4, NEIGHBOURS): by the sites of the 2x2 pattern, row by row."""

_POINT: Final = 24
_CONSTANT: Final = 256.0
_REACH: Final = 2
WINDOW_EDGE: Final = 128
"""Pixels a side of what filters are fitted to at once."""

_GRID: Final = 4
_STEP: Final = 4
"""Pixels that windows begin at multiples of: of the pattern, and of squares that a network folds."""

_STRIP: Final = 128
_LEAST_CLIPPED: Final = 0.02
_MOST_CLIPPED: Final = 6
_NEAR: Final = 1e-6
"""How fast filters are held at what changes nothing, as a share of what their pixels say."""


@dataclass(frozen=True)
class SampledWindow:
    """A part of a frame that filters are fitted to. mosaic: its DN, aligned; top, left: where it begins."""

    top: int
    left: int
    mosaic: Mosaic

    def around(self, margin: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """First row and column, and those behind the last, of the window and so much around it, within a frame."""
        height, width = self.mosaic.shape
        top, left = max(self.top - margin, 0), max(self.left - margin, 0)
        return top, left, min(self.top + height + margin, size[0]), min(self.left + width + margin, size[1])


def sampled_windows(mosaic: Mosaic) -> list[SampledWindow]:
    """Copies of sixteen windows, evenly over a frame; the whole of a small one."""
    spans = []
    for size in mosaic.shape:
        edge = min(WINDOW_EDGE, size)
        starts = np.linspace(0, size - edge, _GRID) // _STEP * _STEP
        spans.append(sorted({(int(start), int(start) + edge) for start in starts}))
    return [
        SampledWindow(top, left, mosaic[top:bottom, left:right].copy())
        for top, bottom in spans[0]
        for left, right in spans[1]
    ]


def clipped_windows(mosaic: Mosaic, count: npt.NDArray[np.uint8]) -> list[SampledWindow]:
    """Copies of at most six windows of those that clip, from the least to the most; the whole of a small frame.

    count: (H / 2, W / 2), pixels of each square that clip.
    """
    if min(mosaic.shape) < WINDOW_EDGE:
        return sampled_windows(mosaic)
    half = WINDOW_EDGE // 2
    rows, columns = (side // half for side in count.shape)
    blocks = count[: rows * half, : columns * half].reshape(rows, half, columns, half).sum(axis=(1, 3), dtype=np.int64)
    among = np.flatnonzero(blocks >= _LEAST_CLIPPED * WINDOW_EDGE**2)
    among = among[np.argsort(blocks.ravel()[among], kind="stable")]
    chosen = among[np.unique(np.linspace(0, len(among) - 1, min(_MOST_CLIPPED, len(among))).astype(int))]
    places = [divmod(int(each), columns) for each in chosen]
    edge = WINDOW_EDGE
    return [
        SampledWindow(row * edge, column * edge, mosaic[row * edge :, column * edge :][:edge, :edge].copy())
        for row, column in places
    ]


def fitted_corrections(
    rows: Rows, windows: list[SampledWindow], size: tuple[int, int], white: float, taken_back: TakenBack, halo: int
) -> Corrections:
    """Least squares between what the network gives for a stored picture and its true mosaic, where neither clips.

    size: height and width of the picture. halo: pixels that the network reaches.
    """
    sums, with_target = np.zeros((4, NEIGHBOURS, NEIGHBOURS)), np.zeros((4, NEIGHBOURS))
    margin = -(-(halo + _REACH) // _STEP) * _STEP
    for window in windows:
        height, width = window.mosaic.shape
        top, left, bottom, right = window.around(margin, size)
        pixels = rows(top, bottom)[:, left:right].copy()
        padded = np.pad(taken_back(pixels).astype(np.float64), _REACH, mode="reflect")
        clipped = clipped_pixels(pixels) | black_pixels(pixels)
        y, x = window.top - top, window.left - left
        for site, (row, column) in enumerate(_SITES):
            target = window.mosaic[row::2, column::2]
            open_ = ~clipped[y + row : y + height : 2, x + column : x + width : 2] & (target < white)
            seen = [part[y + row : y + height : 2, x + column : x + width : 2][open_] for part in _shifted(padded)]
            around = np.stack([*seen, np.full(int(open_.sum()), _CONSTANT)])
            sums[site] += around @ around.T
            with_target[site] += around @ target[open_]
    start = np.zeros(NEIGHBOURS)
    start[NEIGHBOURS // 2 - 1] = 1
    found = []
    for total, both in zip(sums, with_target, strict=True):
        ridge = np.eye(NEIGHBOURS) * max(np.trace(total), 1) * _NEAR
        found.append(np.linalg.solve(total + ridge, both + ridge @ start))
    return np.rint(np.clip(np.array(found) * 2.0**_POINT, -(2**31), 2**31 - 1)).astype(np.int32)


def black_pixels(pixels: Pixels) -> npt.NDArray[np.bool_]:
    """(H, W, 3) -> (H, W): where a channel is 0, as colours beyond sRGB are: what comes back there is a guess, whose
    errors are other ones.
    """
    black: npt.NDArray[np.bool_] = np.minimum(np.minimum(pixels[..., 0], pixels[..., 1]), pixels[..., 2]) == 0
    return black


def corrected(mosaic: Mosaic, pixels: Pixels, corrections: Corrections, white: int) -> Mosaic:
    """(H, W) DN that a network gave for a picture, both even -> the same through the filters, at most `white`.

    Where the picture is black they stay as they were.
    """
    height, width = mosaic.shape
    made = np.empty_like(mosaic)
    padded = np.pad(mosaic, _REACH, mode="reflect")
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        strip = padded[top : bottom + 2 * _REACH].astype(np.float64)
        for site, (row, column) in enumerate(_SITES):
            *around, constant = corrections[site].astype(np.float64)
            total = np.full((len(range(row, bottom - top, 2)), len(range(column, width, 2))), constant * _CONSTANT)
            for coefficient, part in zip(around, _shifted(strip), strict=True):
                total += coefficient * part[row::2, column::2]
            np.floor(total * 2.0**-_POINT + 0.5, out=total)
            made[top + row : bottom : 2, column::2] = np.clip(total, 0, white, out=total)
        np.copyto(made[top:bottom], mosaic[top:bottom], where=black_pixels(pixels[top:bottom]))
    return made


_SITES: Final = tuple((row, column) for row in (0, 1) for column in (0, 1))


def _shifted(padded: npt.NDArray[np.float64]) -> Iterator[npt.NDArray[np.float64]]:
    """(h + 4, w + 4) -> 25 views of (h, w), by rows of the neighbourhood."""
    height, width = (side - 2 * _REACH for side in padded.shape)
    for down in range(2 * _REACH + 1):
        for right in range(2 * _REACH + 1):
            yield padded[down : down + height, right : right + width]
