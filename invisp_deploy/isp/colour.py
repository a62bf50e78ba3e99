"""Colour between camera RGB and sRGB, as LibRaw's rendering defines it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ContractError
from invisp_deploy.isp.frame import ColorMatrix

SRGB_TO_XYZ: Final = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
"""Linear sRGB to XYZ (D65), IEC 61966-2-1."""

WORST_CONDITION: Final = 100
"""Condition number up to which a matrix is taken; the 1,009 matrices of rawspeed's table have 1.4 to 4.9.

Beyond, the way back multiplies the rounding to a picture's codes until little is left.
"""


def srgb_to_camera(matrix: ColorMatrix) -> npt.NDArray[np.float64]:
    """(3, 3) from linear sRGB to white-balanced camera RGB; white stays white (rows sum to 1).

    matrix: XYZ to camera. Same construction as LibRaw's and dcraw's `cam_rgb`.
    Raises ContractError for a matrix that no way leads back from.
    """
    product = np.array(matrix) @ np.array(SRGB_TO_XYZ)
    white = product.sum(axis=1, keepdims=True)
    if white.min() > 0:
        normalised: npt.NDArray[np.float64] = product / white
        if np.linalg.cond(normalised) <= WORST_CONDITION:
            return normalised
    raise ContractError(
        f"The colour matrix {as_color_matrix(matrix)} cannot be undone, expected XYZ (D65) to camera RGB, three rows "
        "that differ and each see white: pass another one as `color_matrix`."
    )


def camera_to_srgb(matrix: ColorMatrix) -> npt.NDArray[np.float64]:
    """(3, 3) from white-balanced camera RGB to linear sRGB, as LibRaw's rendering applies it (its `rgb_cam`).

    matrix: XYZ to camera. Raises ContractError as `srgb_to_camera`.
    """
    return np.linalg.inv(srgb_to_camera(matrix)).astype(np.float64)


def daylight_gains(matrix: ColorMatrix) -> tuple[float, float, float]:
    """White-balance gains of R, G, B under which D65 is white, LibRaw's `daylight_whitebalance`.

    matrix: XYZ to camera. Raises ContractError as `srgb_to_camera`.
    """
    srgb_to_camera(matrix)
    red, green, blue = (1 / (np.array(matrix) @ np.array(SRGB_TO_XYZ)).sum(axis=1)).tolist()
    return red, green, blue


def color_matrix_of(to_srgb: npt.NDArray[np.float64], daylight: Sequence[float]) -> ColorMatrix | None:
    """XYZ to camera, of which `camera_to_srgb` and `daylight_gains` make these; None if there is none.

    to_srgb: (3, 3), white-balanced camera RGB to linear sRGB. daylight: gains of R, G, B.
    """
    if not np.isfinite(to_srgb).all() or np.linalg.matrix_rank(to_srgb) < 3 or not min(daylight) > 0:
        return None
    return as_color_matrix(np.linalg.inv(SRGB_TO_XYZ @ to_srgb) / np.reshape(daylight, (3, 1)))


def as_color_matrix(values: npt.ArrayLike) -> ColorMatrix:
    """(3, 3) as the rows of plain floats that facts and records hold."""
    first, second, third = ((row[0], row[1], row[2]) for row in np.asarray(values, np.float64).tolist())
    return first, second, third


def inverse_matrix(matrix: ColorMatrix) -> ColorMatrix:
    """Of (3, 3), in float64. Raises ContractError for a matrix that no way leads back from."""
    values = np.array(matrix, np.float64)
    if values.shape != (3, 3) or not np.isfinite(values).all() or not np.linalg.cond(values) <= WORST_CONDITION:
        raise ContractError(
            f"The matrix {matrix} cannot be undone, expected three rows that differ: take the colour matrix of the "
            "camera."
        )
    return as_color_matrix(np.linalg.inv(values))


def srgb_to_linear(encoded: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """sRGB transfer function undone; [0, 1] to [0, 1]."""
    low = encoded / np.float32(12.92)
    high = ((encoded + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(encoded <= 0.04045, low, high).astype(np.float32)
