"""Colour between camera RGB and sRGB, as LibRaw's rendering defines it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ContractError
from invisp_deploy.isp.frame import ColorMatrix

LARGEST_CONDITION: Final = 1e3
"""Condition number of a matrix from which on fp32 loses three of its seven digits on the way back."""

SRGB_TO_XYZ: Final = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
"""Linear sRGB to XYZ (D65), IEC 61966-2-1."""


def srgb_to_camera(matrix: ColorMatrix) -> npt.NDArray[np.float64]:
    """(3, 3) from linear sRGB to white-balanced camera RGB; white stays white (rows sum to 1).

    matrix: XYZ to camera. Same construction as LibRaw's and dcraw's `cam_rgb`.
    """
    product = np.array(matrix) @ np.array(SRGB_TO_XYZ)
    normalised: npt.NDArray[np.float64] = product / product.sum(axis=1, keepdims=True)
    return normalised


def camera_to_srgb(matrix: ColorMatrix) -> ColorMatrix:
    """From white-balanced camera RGB to linear sRGB: the inverse of `srgb_to_camera`, as LibRaw's `rgb_cam`.

    Raises ContractError for a matrix that cannot be inverted.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        product = srgb_to_camera(matrix)
    return inverse_matrix(_rows(product))


def inverse_matrix(matrix: ColorMatrix) -> ColorMatrix:
    """(3, 3) in float64. Raises ContractError for a matrix that cannot be inverted, or hardly can."""
    values = np.array(matrix, np.float64)
    if values.shape != (3, 3) or not np.isfinite(values).all() or not np.linalg.cond(values) < LARGEST_CONDITION:
        raise ContractError(
            f"A colour matrix of three rows that can be inverted is needed, got {matrix}: pass the camera's own as "
            "`color_matrix`."
        )
    return _rows(np.linalg.inv(values).astype(np.float64))


def daylight_gains(matrix: ColorMatrix) -> tuple[float, float, float]:
    """Gains of R, G, B that make daylight (D65) white, the smallest 1: dcraw's and LibRaw's `pre_mul` of a matrix.

    matrix: XYZ to camera. Raises ContractError where a colour of the camera sees no daylight.
    """
    white = (np.array(matrix) @ np.array(SRGB_TO_XYZ)).sum(axis=1)
    if not (np.isfinite(white).all() and white.min() > 0):
        raise ContractError(f"The colour matrix {matrix} gives no daylight gains: pass `white_balance`.")
    red, green, blue = (white.max() / white).tolist()
    return red, green, blue


def _rows(matrix: npt.NDArray[np.float64]) -> ColorMatrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    return (a, b, c), (d, e, f), (g, h, i)


def srgb_to_linear(encoded: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """sRGB transfer function undone; [0, 1] to [0, 1]."""
    low = encoded / np.float32(12.92)
    high = ((encoded + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(encoded <= 0.04045, low, high).astype(np.float32)
