"""PU21: values of a picture of high range such that equal steps look equal, and PSNR of them.

R. K. Mantiuk, M. Azimi, "PU21: A novel perceptually uniform encoding for adapting existing quality metrics for HDR",
Picture Coding Symposium 2021; the constants are those of its variant for banding with glare, the authors' default. With
Y in cd/m2, from 0.005 to 10,000:

    V = p7 (((p1 + p2 Y^p4) / (1 + p3 Y^p4))^p5 - p6), at least 0

100 cd/m2, the white of an old screen, comes to 256, which is the peak of the PSNR, as in the authors' code.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.psnr import psnr

PEAK: Final = 256.0

_P1, _P2, _P3, _P4, _P5, _P6, _P7 = (
    0.353487901, 0.3734658629, 8.277049286e-5, 0.9062562627, 0.09150303166, 0.9099517204, 596.3148142
)  # fmt: skip
_DARKEST: Final = 0.005
_BRIGHTEST: Final = 10_000.0


def pu21(light: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """cd/m2 of any shape, of luminance or of a channel -> encoded values; what lies outside the range is clipped."""
    power = np.clip(light, _DARKEST, _BRIGHTEST).astype(np.float64) ** _P4
    encoded: npt.NDArray[np.float64] = np.maximum(_P7 * (((_P1 + _P2 * power) / (1 + _P3 * power)) ** _P5 - _P6), 0)
    return encoded


def pu21_psnr(light: npt.NDArray[Any], reference: npt.NDArray[Any]) -> float:
    """dB, over all elements: cd/m2 of each channel both, of one shape. Infinite where the two are equal."""
    return psnr(pu21(light), pu21(reference), PEAK)
