"""Tone mapping: linear light, however bright, to a picture that every screen shows.

Reinhard (2005), Drago (2003) and Mantiuk (2006) as OpenCV has them, with its parameters; local Laplacian filters as
their paper maps tones (section 5.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from invisp_deploy.errors import MissingExtraError
from invisp_deploy.isp.steps import Float
from invisp_deploy.research.local_laplacian import local_laplacian

GAMMA: Final = 2.2
"""Of the screen: what comes out is light to the power 1 / 2.2."""

_DARKEST: Final = 1e-4
"""Of white: what darker light is taken for."""

_DARKEST_OF_OPENCV: Final = (_DARKEST, 2 * _DARKEST, _DARKEST)
"""The same for R, G and B: OpenCV subtracts the least value, and makes NaN of pixels of which nothing is left."""

_RANGE: Final = math.log(100)
_PERCENTILES: Final = (0.5, 99.5)
_DETAIL: Final = 1.0
_EDGES: Final = 0.3


def _by_opencv(name: str, light: Float) -> Float:
    cv2 = _opencv()
    darkest = np.reshape(np.array(_DARKEST_OF_OPENCV, np.float32), (3, 1, 1))
    pixels = np.ascontiguousarray(np.maximum(light, darkest).transpose(1, 2, 0)[..., ::-1])
    mapped: Float = getattr(cv2, f"createTonemap{name}")(gamma=1).process(pixels)
    return _displayed(mapped[..., ::-1].transpose(2, 0, 1))


def by_local_laplacian(light: Float) -> Float:
    """The logarithm of intensity is filtered, colours keep their ratios; then the range between its percentiles 0.5
    and 99.5 becomes 100 : 1, as the paper does, whose intensity is (20 R + 40 G + B) / 61.
    """
    positive = np.maximum(light, np.float32(_DARKEST))
    intensity = (20 * positive[0] + 40 * positive[1] + positive[2]) / np.float32(61)
    filtered = local_laplacian(np.log(intensity), _DETAIL, _EDGES)
    lowest, highest = np.percentile(filtered, _PERCENTILES).tolist()
    scaled = np.exp((filtered - highest) * np.float32(_RANGE / max(highest - lowest, 1e-6)))
    return _displayed(positive / intensity * scaled)


TONE_MAPPERS: Final[Mapping[str, Callable[[Float], Float]]] = {
    "reinhard": lambda light: _by_opencv("Reinhard", light),
    "drago": lambda light: _by_opencv("Drago", light),
    "mantiuk": lambda light: _by_opencv("Mantiuk", light),
    "local-laplacian": by_local_laplacian,
}
"""Name -> function of (3, h, w) linear sRGB, 1.0 at white, that returns (3, h, w) in [0, 1] for a screen.

Those of OpenCV raise MissingExtraError where it is not installed.
"""


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise MissingExtraError("cv2", "research") from error
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # it warns of what its next release may do
    return cv2


def _displayed(mapped: Float) -> Float:
    """The gamma is not OpenCV's, whose roots of what rounding left below 0 are NaN."""
    shown: Float = np.clip(mapped, 0, 1, dtype=np.float32) ** np.float32(1 / GAMMA)
    return shown
