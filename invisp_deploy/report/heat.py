"""Differences as heat: black, red, yellow, white."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def heat(shares: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """(...) floats, shares of what shows as white -> (..., 3) uint8 RGB; shares beyond [0, 1] are clipped.

    Red fills over the first third, green over the second, blue over the last.
    """
    channels = np.stack([3 * shares - offset for offset in (0, 1, 2)], -1)
    hot: npt.NDArray[np.uint8] = np.rint(np.clip(channels, 0, 1) * 255).astype(np.uint8)
    return hot
