"""Scenes more colourful than photographs of them: coloured light on all or a part, colours beyond sRGB."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

LIGHTS: Final = {
    "blue stage": (0.04, 0.10, 1.0),
    "red stage": (1.0, 0.03, 0.05),
    "green stage": (0.05, 1.0, 0.12),
    "magenta stage": (1.0, 0.05, 0.75),
    "sodium lamp": (1.0, 0.42, 0.01),
    "neon": (1.0, 0.12, 0.02),
    "cyan stage": (0.03, 0.7, 1.0),
    "sunset": (1.0, 0.45, 0.15),
}
"""Linear sRGB."""

_LUMINANCE: Final = np.array((0.2126, 0.7152, 0.0722), np.float32)


def coloured(linear: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(H, W, 3) linear sRGB in a coloured light, or more saturated, or both; may leave [0, 1] on either side."""
    lit, more = ((True, False), (False, True), (True, True))[rng.integers(3)]
    if lit:
        light = np.array(list(LIGHTS.values())[rng.integers(len(LIGHTS))], np.float32)
        share = np.float32(rng.uniform(0.5, 1)) * _where(linear.shape[0], linear.shape[1], rng)
        linear = linear * (1 + share[..., None] * (light * np.float32(rng.uniform(1, 2)) - 1)).astype(np.float32)
    if more:
        grey = (linear @ _LUMINANCE)[..., None]
        linear = (grey + np.float32(rng.uniform(1.3, 2.5)) * (linear - grey)).astype(np.float32)
    return linear


def _where(height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(H, W) in [0, 1]: everywhere, or, as often, on one side of a soft edge through the middle part."""
    if rng.random() < 0.5:
        return np.ones((height, width), np.float32)
    angle, place, softness = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3), rng.uniform(0.02, 0.3)
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij", sparse=True)
    across = x * np.cos(angle) + y * np.sin(angle) - place
    share: npt.NDArray[np.float32] = (0.5 + 0.5 * np.tanh(across / softness)).astype(np.float32)
    return share
