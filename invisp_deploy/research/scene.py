"""The light of a scene as a RAW file has it, which applications are measured on: linear sRGB, no end at white."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ContractError
from invisp_deploy.formats.picture import Picture
from invisp_deploy.isp.demosaic import REACH, demosaic
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.isp.shading import without_shading
from invisp_deploy.isp.steps import Bt709, Float
from invisp_deploy.sidedata.saturation import Shares, saturated_from

_ROWS: Final = 256


def scene_light(mosaic: Mosaic, recipe: Recipe) -> Float:
    """(H, W) uint16 DN -> (3, H, W) float32: linear sRGB, 1.0 at the white of the recipe's picture, and beyond.

    Lens shading, levels, white balance, demosaicing corrected by gradients, matrix, as `isp.develop`, but nothing is
    clipped. Where a colour of the sensor is saturated it says nothing, and is taken for the mean of the two others at
    least; where all are, for no colour. So are the highlights of our pictures (`sidedata.highlights`), and so is a RAW
    file shown by any converter that neither clips nor tints them.
    """
    height, width = mosaic.shape
    mosaic = without_shading(mosaic, recipe.shading, recipe.black)
    ends = saturated_from(mosaic, recipe)
    found: Float = np.empty((3, height, width), np.float32)
    for top in range(0, height, _ROWS):
        bottom = min(top + _ROWS, height)
        above = min(top, REACH)
        here = recipe.shifted(top - above, 0)
        balanced = demosaic(_balanced(mosaic[top - above : bottom + REACH], here), here.cfa, corrected=True)
        found[:, top:bottom] = _coloured(balanced[:, above : above + bottom - top], recipe, ends)
    return found


def light_of_pixels(pixels: npt.NDArray[Any]) -> Float:
    """(H, W, 3) uint8 or uint16 codes of ours -> (3, H, W) float32: behind the inverse of BT.709's curve.

    What an editor of JPEGs has, who knows the curve.
    """
    peak = np.iinfo(pixels.dtype).max
    of_codes: Float = Bt709().inverse(np.arange(peak + 1, dtype=np.float32) / np.float32(peak), {})
    light: Float = of_codes[pixels].transpose(2, 0, 1)
    return light


def own_window(picture: Picture, name: str) -> npt.NDArray[Any]:
    """The pixels of the frame that a picture was rendered from. Raises ContractError for one without a record."""
    if picture.record is None:
        raise ContractError(f"{name} lost its way back.")
    return picture.record.alignment.inverse(picture.pixels)


def linear_to_srgb(light: npt.NDArray[Any]) -> Float:
    """Linear sRGB to the values that a screen takes (IEC 61966-2-1), clipped to [0, 1]."""
    clipped = np.clip(light, 0, 1, dtype=np.float32)
    bright = np.float32(1.055) * np.maximum(clipped, 1e-4) ** np.float32(1 / 2.4) - np.float32(0.055)
    encoded: Float = np.where(clipped <= 0.0031308, np.float32(12.92) * clipped, bright)
    return encoded


def step_for(shape: tuple[int, ...], count: int) -> int:
    """Each how manieth row and column leaves about `count` pixels of (..., H, W); odd, so that all sites of a Bayer
    pattern are among them.
    """
    step = int((shape[-2] * shape[-1] / count) ** 0.5)
    return max(step + 1 - step % 2, 1)


def averaged(light: Float, edge: int) -> Float:
    """(3, H, W) -> (3, H // n, W // n): means of n x n squares, n the smallest for which no side exceeds `edge`."""
    step = -(-max(light.shape[1:]) // edge)
    height, width = (size // step for size in light.shape[1:])
    squares = light[:, : height * step, : width * step].reshape(3, height, step, width, step)
    means: Float = squares.mean(axis=(2, 4), dtype=np.float32)
    return means


def _balanced(rows: Mosaic, recipe: Recipe) -> Float:
    """(DN - black) / (white - black) x gain, not clipped."""
    balanced = np.empty(rows.shape, np.float32)
    for site in range(4):
        here = (slice(site // 2, None, 2), slice(site % 2, None, 2))
        black = recipe.black[site]
        gain = recipe.gains["RGB".index(recipe.cfa[site])]
        balanced[here] = (rows[here].astype(np.float32) - black) * (gain / (recipe.white - black))
    return balanced


def _coloured(camera: Float, recipe: Recipe, ends: Shares) -> Float:
    """Balanced camera RGB (3, h, w) -> linear sRGB. ends: from which share of white a colour is saturated."""
    saturated = camera >= np.reshape(ends * recipe.gains, (3, 1, 1)).astype(np.float32)
    if saturated.any():
        others = (camera.sum(axis=0) - camera) / 2
        camera = np.where(saturated, np.maximum(camera, others), camera)
        camera = np.where(saturated.all(axis=0), camera.max(axis=0), camera)
    if recipe.matrix is None:
        return camera
    light: Float = np.tensordot(np.array(recipe.matrix, np.float32), camera, 1)
    return light
