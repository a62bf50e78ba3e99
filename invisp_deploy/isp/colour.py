"""Colour between camera RGB and sRGB, as LibRaw's rendering defines it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.frame import ColorMatrix

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


def srgb_to_linear(encoded: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """sRGB transfer function undone; [0, 1] to [0, 1]."""
    low = encoded / np.float32(12.92)
    high = ((encoded + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    return np.where(encoded <= 0.04045, low, high).astype(np.float32)
