"""A camera's colour matrix between two lights that it was measured in, by the gains a frame was shot with.

DNG specification 1.4, chapter 6: the matrix of a light lies between the two by the inverse of its temperature, and the
light itself is what the matrix says of the camera's neutral, so one is found with the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ContractError
from invisp_deploy.isp.colour import SRGB_TO_XYZ, as_color_matrix, srgb_to_camera
from invisp_deploy.isp.frame import ColorMatrix

LIGHTS: Final = {"A": 2856.0, "D50": 5003.0, "D55": 5503.0, "D65": 6504.0, "D75": 7504.0}
"""CIE standard illuminants that matrices are measured in -> correlated colour temperature, K (CIE 15)."""

BRADFORD: Final = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
"""XYZ to the responses that an adaptation scales, as DNG and ICC take it."""

_D65: Final = np.array(SRGB_TO_XYZ).sum(axis=1)
_WARMEST, _COLDEST = 1_500.0, 40_000.0
"""K: a candle, the bluest sky."""
_PASSES: Final = 30
_SAME: Final = 1e-7
"""Step of x and y below which the light is found."""


@dataclass(frozen=True)
class LitMatrix:
    """CIE XYZ to camera RGB, rows R, G, B, measured in a light of that temperature, K: colours as they are in it, its
    white included.
    """

    temperature: float
    matrix: ColorMatrix


def matrix_between(one: LitMatrix, other: LitMatrix, gains: tuple[float, float, float]) -> ColorMatrix:
    """XYZ (D65) to camera RGB of a frame with these white-balance gains of R, G, B (any common factor): D65 comes to
    the camera's neutral, 1/gains, and other colours as adapted from D65 to the light of the frame (Bradford).

    Gains that no light has, of a grey world that is none, leave the matrix of the colder light as it is, as where there
    is one alone. Raises ContractError for matrices that cannot be undone.
    """
    warm, cold = sorted((one, other), key=lambda lit: lit.temperature)
    matrices = np.array(warm.matrix), np.array(cold.matrix)
    if any(np.linalg.matrix_rank(each) < 3 for each in matrices) or not warm.temperature < cold.temperature:
        raise ContractError(
            "The two colour matrices cannot be used, expected two of different lights, each of rows that differ: take "
            "those of the camera."
        )
    neutral = 1 / np.array(gains)
    at = _D65[:2] / _D65.sum()
    for _ in range(_PASSES):
        weight = _weight(temperature_of(*at), warm.temperature, cold.temperature)
        matrix = weight * matrices[0] + (1 - weight) * matrices[1]
        if np.linalg.matrix_rank(matrix) < 3 or not min(white := np.linalg.solve(matrix, neutral)) > 0:
            break
        before, at = at, white[:2] / white.sum()
        if np.abs(at - before).max() < _SAME:
            found = as_color_matrix(matrix @ adaptation(_D65, white / white[1]))
            return found if _is_lit(at, found) else cold.matrix
        at = (at + before) / 2  # a step as long again would swing between two lights that the other asks for
    return cold.matrix


def temperature_of(x: float, y: float) -> float:
    """Correlated colour temperature, K, of CIE 1931 (x, y): McCamy, Color Research and Application 17, 1992."""
    n = (x - 0.3320) / (0.1858 - y)
    return float(449 * n**3 + 3525 * n**2 + 6823.3 * n + 5520.33)


def adaptation(source: npt.NDArray[np.float64], goal: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(3, 3) from colours beside the white `source` to those beside the white `goal`, XYZ both (Bradford)."""
    to_cones = np.array(BRADFORD)
    scale = (to_cones @ goal) / (to_cones @ source)
    adapted: npt.NDArray[np.float64] = np.linalg.solve(to_cones, scale[:, None] * to_cones)
    return adapted


def _is_lit(xy: npt.NDArray[np.float64], matrix: ColorMatrix) -> bool:
    """Whether that is the white of a light that people see by, under a matrix that can be undone."""
    if not _WARMEST <= temperature_of(*xy) <= _COLDEST:
        return False
    try:
        srgb_to_camera(matrix)
    except ContractError:
        return False
    return True


def _weight(temperature: float, warm: float, cold: float) -> float:
    """Of the warmer matrix; at temperatures beyond either light that light's own."""
    if not temperature > 0:
        return 1.0
    return float(np.clip((1 / temperature - 1 / cold) / (1 / warm - 1 / cold), 0, 1))
