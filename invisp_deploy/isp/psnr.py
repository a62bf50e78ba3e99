"""Peak signal-to-noise ratio: the one definition that every figure of this package uses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import RequestError

_ROWS = 256


def psnr(array: npt.NDArray[Any], reference: npt.NDArray[Any], peak: float = 1.0) -> float:
    """10 log10(peak^2 / mean squared difference) over all elements, dB; infinite where the two are equal.

    Raises RequestError for arrays of different shapes.
    """
    if array.shape != reference.shape:
        raise RequestError(f"PSNR compares arrays of one shape, got {array.shape} and {reference.shape}.")
    squares = 0.0
    for start in range(0, len(array), _ROWS):  # blocks of rows bound the memory of the difference
        difference = array[start : start + _ROWS].astype(np.float64) - reference[start : start + _ROWS]
        squares += float(np.square(difference).sum())
    return float("inf") if squares == 0 else float(10 * np.log10(peak**2 * array.size / squares))
