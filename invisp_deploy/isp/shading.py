"""What a lens takes from the corners, as a camera's own rendering gives it back: on the mosaic, before the graph.

A picture's light depends on where it is, which no network of a small receptive field can see. The gain at a pixel is
that of DNG's FixVignetteRadial (DNG specification 1.7, opcode 3): 1 + a r^2 + b r^4 + ..., r the distance from the
centre, 1 in the corners.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ContractError
from invisp_deploy.isp.frame import Mosaic

Shading = tuple[float, ...]
"""a, b, ...; empty where nothing is given back."""

MOST_TERMS: Final = 5
_MOST_GAIN: Final = 16.0
_STRIP: Final = 64


def check_shading(shading: Sequence[float]) -> None:
    """Raise ContractError for gains below 1, with which DN would be lost, or above 16."""
    if len(shading) > MOST_TERMS or not all(type(each) in (int, float) and np.isfinite(each) for each in shading):
        raise ContractError(f"Lens shading has at most {MOST_TERMS} numbers, got {shading!r}.")
    gains = gain_at(np.linspace(0, 1, 65), shading)
    if not 1 <= gains.min() <= gains.max() <= _MOST_GAIN:
        raise ContractError(
            f"Lens shading has gains from 1 to {_MOST_GAIN:g} between centre and corner, got {gains.min():.3f} to "
            f"{gains.max():.3f} of {tuple(shading)}."
        )


def gain_at(squared: npt.NDArray[np.float64], shading: Sequence[float]) -> npt.NDArray[np.float64]:
    """Gains at squared distances from the centre, 1 in the corners."""
    gain = np.zeros_like(squared)
    for each in reversed(shading):
        gain = (gain + each) * squared
    return gain + 1


def without_shading(
    mosaic: Mosaic,
    shading: Shading,
    black: Sequence[float],
    origin: tuple[int, int] = (0, 0),
    size: tuple[int, int] | None = None,
) -> Mosaic:
    """(h, w) DN of a window of a frame -> the same, what lies above black times its gain, at most 65535.

    black: of the 2x2 pattern at the window's top left pixel. origin, size: where the window begins in its frame, and
    the frame's height and width; left out, the window is the frame.
    """
    return _scaled(mosaic, shading, black, origin, size, back=False)


def with_shading(
    mosaic: Mosaic,
    shading: Shading,
    black: Sequence[float],
    origin: tuple[int, int] = (0, 0),
    size: tuple[int, int] | None = None,
) -> Mosaic:
    """Inverse of `without_shading`: to the DN, where nothing exceeded 65535."""
    return _scaled(mosaic, shading, black, origin, size, back=True)


def _scaled(
    mosaic: Mosaic,
    shading: Shading,
    black: Sequence[float],
    origin: tuple[int, int],
    size: tuple[int, int] | None,
    *,
    back: bool,
) -> Mosaic:
    if not shading:
        return mosaic
    rows, columns = mosaic.shape
    height, width = size or mosaic.shape
    corner = (height / 2) ** 2 + (width / 2) ** 2
    across = (np.arange(columns) + (origin[1] + 0.5 - width / 2)) ** 2 / corner
    down = (np.arange(rows) + (origin[0] + 0.5 - height / 2)) ** 2 / corner
    levels = np.reshape(black, (2, 2))
    made = np.empty_like(mosaic)
    for top in range(0, rows, _STRIP):
        strip = slice(top, min(top + _STRIP, rows))
        level = np.tile(levels, (_STRIP // 2, -(-columns // 2)))[: strip.stop - top, :columns]
        gain = gain_at(down[strip, None] + across, shading)
        above = mosaic[strip] - level
        scaled = above / gain if back else above * gain
        made[strip] = np.clip(np.rint(scaled + level), 0, 65535)
    return made
