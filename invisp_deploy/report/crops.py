"""The sheet of held-out crops: a row a crop, RAW, rendering, target, and where the recovered RAW differs."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.steps import Codes
from invisp_deploy.report.heat import heat

ERROR_SCALE: Final = 0.05
"""Mean absolute error of a pixel of the recovered RAW, peak 1, that the sheet shows as white."""

_SHOWN: Final = 4

Planes = npt.NDArray[Any]
"""(N, 3, size, size) floats, peak 1."""


def crop_sheet(raw: Planes, rendered: Planes, target: Planes, recovered: Planes) -> npt.NDArray[np.uint8]:
    """The first four crops of each as one picture, (rows * size, 4 * size, 3) uint8; beyond [0, 1] is clipped."""
    columns = [[Codes().forward(crop, {}) for crop in crops[:_SHOWN]] for crops in (raw, rendered, target)]
    error = np.abs(recovered[:_SHOWN] - raw[:_SHOWN]).mean(1) / ERROR_SCALE
    columns.append(list(heat(error)))
    return np.concatenate([np.concatenate(column, 0) for column in columns], 1)
