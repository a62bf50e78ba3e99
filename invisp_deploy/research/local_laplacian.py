"""Local Laplacian filters: the range of a picture is compressed at its edges, its details stay, and no halo appears.

S. Paris, S. W. Hasinoff, J. Kautz, "Local Laplacian Filters: Edge-aware Image Processing with a Laplacian Pyramid",
SIGGRAPH 2011. A coefficient of the result's Laplacian pyramid is that of the picture remapped around the value g that
its Gaussian pyramid has there (their equations 1 and 2). Computed by M. Aubry, S. Paris, S. W. Hasinoff, J. Kautz, F.
Durand, "Fast Local Laplacian Filters: Theory and Applications", ACM TOG 33 (2014): the picture is remapped around a few
evenly spaced values, and the coefficients between two of them are interpolated linearly.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from invisp_deploy.isp.steps import Float

SIGMA: Final = math.log(2.5)
"""Natural logarithm of the ratio up to which a difference is a detail, as the paper has it for tone mapping."""

_WEIGHTS: Final = (0.05, 0.25, 0.4, 0.25, 0.05)
"""Burt and Adelson (1983)."""

_SPACING: Final = 0.5
"""Of the values that a picture is remapped around, in sigmas."""


def local_laplacian(plane: Float, alpha: float, beta: float, sigma: float = SIGMA, spacing: float = _SPACING) -> Float:
    """(h, w) float32, logarithms of luminance -> the same, filtered.

    alpha: power of details, below 1 for stronger ones. beta: factor of differences beyond sigma, below 1 for a smaller
    range. spacing: of the values that are remapped around, in sigmas.
    """
    gaussian = _gaussian_pyramid(plane)
    lowest, highest = float(plane.min()), float(plane.max())
    count = max(math.ceil((highest - lowest) / (spacing * sigma)), 1) + 1
    values = np.linspace(lowest, highest, count, dtype=np.float32)
    step = max((highest - lowest) / (count - 1), 1e-12)
    found = [np.zeros_like(level) for level in gaussian[:-1]]
    for value in values:
        levels = _laplacian_pyramid(_gaussian_pyramid(remapped(plane, value, alpha, beta, sigma)))
        for total, level, at in zip(found, levels, gaussian[:-1], strict=False):
            total += np.maximum(1 - np.abs(at - value) / np.float32(step), 0) * level
    result = gaussian[-1]
    for level in reversed(found):
        result = level + _enlarged(result, level.shape)
    return result


def remapped(plane: Float, value: float | np.float32, alpha: float, beta: float, sigma: float) -> Float:
    """What lies within sigma of `value` as detail to the power alpha, what lies beyond as edge by the factor beta."""
    away = plane - np.float32(value)
    size = np.abs(away)
    detail = np.float32(sigma) * (np.minimum(size, sigma) / np.float32(sigma)) ** np.float32(alpha)
    edge = np.float32(beta) * np.maximum(size - np.float32(sigma), 0)
    around: Float = np.float32(value) + np.sign(away) * (detail + edge)
    return around


def _gaussian_pyramid(plane: Float) -> list[Float]:
    """Down to one pixel: what is left in the coarsest level keeps its range."""
    levels = [plane]
    while max(levels[-1].shape) > 1:
        levels.append(_smoothed(_smoothed(levels[-1], 0), 1)[::2, ::2])
    return levels


def _laplacian_pyramid(gaussian: list[Float]) -> list[Float]:
    """All levels but the coarsest, which is the Gaussian's."""
    return [level - _enlarged(coarser, level.shape) for level, coarser in zip(gaussian, gaussian[1:], strict=False)]


def _enlarged(plane: Float, shape: tuple[int, ...]) -> Float:
    """Twice as large, to `shape`: with zeros between and smoothed, over what the same makes of ones, so that a flat
    plane stays flat to its edges.
    """
    height, width = shape
    spread = np.zeros((2, height, width), np.float32)
    spread[0, ::2, ::2], spread[1, ::2, ::2] = plane, 1
    smooth = _smoothed(_smoothed(spread, 1), 2)
    enlarged: Float = smooth[0] / smooth[1]
    return enlarged


def _smoothed(planes: Float, axis: int) -> Float:
    """Five taps along an axis, mirrored at the ends."""
    size = planes.shape[axis]
    places = np.pad(np.arange(size), 2, mode="reflect" if size > 1 else "edge")
    padded = planes.take(places, axis)
    total = np.zeros_like(planes)
    for place, weight in enumerate(_WEIGHTS):
        part = [slice(None)] * planes.ndim
        part[axis] = slice(place, place + size)
        total += np.float32(weight) * padded[tuple(part)]
    return total
