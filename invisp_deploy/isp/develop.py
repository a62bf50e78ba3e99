"""The steps without a network: a mosaic to the network's domain, and back. And a quick look at a mosaic."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.demosaic import REACH
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.recipe import Numbers, Recipe
from invisp_deploy.isp.shading import with_shading, without_shading
from invisp_deploy.isp.steps import Bt709, Codes, Colour, Curve, Demosaic, Float, steps

Window = tuple[slice, slice]
"""Rows and columns, each with a start and a stop."""


def develop(mosaic: Mosaic, recipe: Recipe, window: Window | None = None) -> Float:
    """(H, W) uint16 DN -> (3, h, w) float32 of the network's domain, for a window of the frame.

    ((DN - black) / (white - black), clipped to [0, 1]) x gain, demosaiced, by the matrix if there is one,
    behind the curve. Without a matrix the range is [0, 1] with gains of at most 1.
    A window sees its real neighbours, so windows join without seams.
    """
    height, width = mosaic.shape
    rows, columns = window or (slice(0, height), slice(0, width))
    top, left = max(rows.start - REACH, 0), max(columns.start - REACH, 0)
    x: npt.NDArray[Any] = mosaic[top : min(rows.stop + REACH, height), left : min(columns.stop + REACH, width)]
    seen = recipe.shifted(top, left)
    x = without_shading(x, recipe.shading, seen.black, (top, left), (height, width))
    x = forward(x, recipe.color, recipe.curve, seen.numbers(), clips=recipe.clips)
    y, z = rows.start - top, columns.start - left
    domain: Float = x[:, y : y + rows.stop - rows.start, z : z + columns.stop - columns.start]
    return domain


def undevelop(
    planes: Float, recipe: Recipe, origin: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None
) -> Mosaic:
    """(3, h, w) float32 of the network's domain -> (h, w) uint16 DN; undoes `develop`.

    origin: row and column of the window in the recipe's frame, which set the CFA phase; size: of that frame,
    which lens shading goes by, that of the planes unless given. Values outside the domain are
    clipped to [black, white] before rounding.
    """
    seen = recipe.shifted(*origin)
    mosaic = inverse(planes, recipe.color, recipe.curve, seen.numbers())
    return with_shading(mosaic, recipe.shading, seen.black, origin, size)


def forward(mosaic: npt.NDArray[Any], color: str, curve: float | str, numbers: Numbers, *, clips: bool = True) -> Float:
    """All steps in their order; the numbers are those of the mosaic's top left pixel."""
    x = mosaic
    for step in steps(color, curve, clips=clips):
        x = step.forward(x, numbers)
    return x


def inverse(planes: Float, color: str, curve: float | str, numbers: Numbers) -> Mosaic:
    """All steps backwards."""
    x: npt.NDArray[Any] = planes
    for step in reversed(steps(color, curve)):
        x = step.inverse(x, numbers)
    return x


def quick_look(mosaic: Mosaic, recipe: Recipe) -> npt.NDArray[np.uint8]:
    """(H, W) uint16 DN -> (H/2, W/2, 3) uint8: one pixel of each 2x2 square, developed without demosaicing.

    No colour matrix: a RAW mosaic as people picture it. Green stays as it is, red and blue take the other gains.
    """
    height, width = (size // 2 for size in mosaic.shape)
    x: npt.NDArray[Any] = mosaic[: 2 * height, : 2 * width]
    numbers = recipe.numbers()
    numbers["gains"] = numbers["gains"] / numbers["gains"].min()
    for step in steps(recipe.color, recipe.curve, clips=recipe.clips):
        if isinstance(step, Demosaic):
            x = np.stack([_mean_of(x, recipe.cfa, colour) for colour in "RGB"])
        elif isinstance(step, (Curve, Bt709)):
            x = step.forward(np.clip(x, 0, 1), numbers)
        elif not isinstance(step, Colour):
            x = step.forward(x, numbers)
    shown: npt.NDArray[np.uint8] = Codes(8).forward(x, numbers)
    return shown


def _mean_of(mosaic: npt.NDArray[Any], cfa: str, colour: str) -> Float:
    """Each 2x2 square's mean of a colour."""
    sites = [mosaic[index // 2 :: 2, index % 2 :: 2] for index in range(4) if cfa[index] == colour]
    mean: Float = np.mean(sites, axis=0, dtype=np.float32)
    return mean
