"""Light of a colour temperature and a tint, and the white balance that a camera gives it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.frame import ColorMatrix

_COLDEST: Final = 9_000.0
_WARMEST: Final = 2_500.0
_DAYLIGHT_FROM: Final = 4_000.0
_TINT: Final = 0.005
_MOST_TINT: Final = 0.015


def drawn_gains(matrix: ColorMatrix, rng: np.random.Generator) -> tuple[float, float, float]:
    """White-balance gains, green 1, of a light from 2,500 K to 9,000 K (even in mired), with some tint."""
    temperature = 1e6 / rng.uniform(1e6 / _COLDEST, 1e6 / _WARMEST)
    return white_gains(matrix, temperature, float(np.clip(rng.normal(0, _TINT), -_MOST_TINT, _MOST_TINT)))


def white_gains(matrix: ColorMatrix, temperature: float, duv: float = 0.0) -> tuple[float, float, float]:
    """What makes a white of that light neutral, green 1. matrix: XYZ to camera RGB; temperature in kelvin.

    duv: distance from the black body's or daylight's line in CIE 1960 (u, v), positive towards green.
    """
    x, y = chromaticity(temperature, duv)
    red, green, blue = np.array(matrix) @ (x / y, 1.0, (1 - x - y) / y)
    return round(float(green / red), 6), 1.0, round(float(green / blue), 6)


def chromaticity(temperature: float, duv: float = 0.0) -> tuple[float, float]:
    """CIE 1931 (x, y): a black body below 4,000 K (Krystek 1985), daylight from there (CIE 15), moved by `duv`."""
    here, beyond = _uv(temperature), _uv(temperature * 1.001)
    along = (beyond - here) / np.linalg.norm(beyond - here)
    u, v = here + duv * np.array((along[1], -along[0]))  # u falls along the line, so v rises across it
    return float(3 * u / (2 * u - 8 * v + 4)), float(2 * v / (2 * u - 8 * v + 4))


def _uv(kelvin: float) -> npt.NDArray[np.float64]:
    """CIE 1960 (u, v)."""
    if kelvin < _DAYLIGHT_FROM:
        t, t2 = kelvin, kelvin * kelvin
        u = (0.860117757 + 1.54118254e-4 * t + 1.28641212e-7 * t2) / (1 + 8.42420235e-4 * t + 7.08145163e-7 * t2)
        v = (0.317398726 + 4.22806245e-5 * t + 4.20481691e-8 * t2) / (1 - 2.89741816e-5 * t + 1.61456053e-7 * t2)
        return np.array((u, v))
    r = 1e3 / kelvin
    if kelvin <= 7_000:
        x = 0.244063 + 0.09911 * r + 2.9678 * r**2 - 4.6070 * r**3
    else:
        x = 0.237040 + 0.24748 * r + 1.9018 * r**2 - 2.0064 * r**3
    y = -3.000 * x**2 + 2.870 * x - 0.275
    return np.array((4 * x, 6 * y)) / (-2 * x + 12 * y + 3)
