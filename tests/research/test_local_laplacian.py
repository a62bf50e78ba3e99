"""The fast filter against the definition, coefficient by coefficient, and what it is for: range without halos."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import convolve1d

from invisp_deploy.research.local_laplacian import SIGMA, local_laplacian, remapped
from invisp_deploy.tolerances import TOLERANCES

TAPS = (0.05, 0.25, 0.4, 0.25, 0.05)


def blurred(plane: np.ndarray) -> np.ndarray:
    return convolve1d(convolve1d(plane, TAPS, 0, mode="mirror"), TAPS, 1, mode="mirror")


def enlarged(plane: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    spread, ones = np.zeros(shape), np.zeros(shape)
    spread[::2, ::2], ones[::2, ::2] = plane, 1
    return blurred(spread) / blurred(ones)


def gaussian(plane: np.ndarray) -> list[np.ndarray]:
    levels = [plane]
    while max(levels[-1].shape) > 1:
        levels.append(blurred(levels[-1])[::2, ::2])
    return levels


def by_definition(plane: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """Paris, Hasinoff, Kautz (2011), equations 1 and 2: every coefficient from the plane remapped around its own g."""
    levels = gaussian(plane)
    result = levels[-1]
    for index in reversed(range(len(levels) - 1)):
        found = np.empty_like(levels[index])
        for place, value in np.ndenumerate(levels[index]):
            away = plane - value
            detail = SIGMA * (np.minimum(np.abs(away), SIGMA) / SIGMA) ** alpha
            moved = value + np.sign(away) * (detail + beta * np.maximum(np.abs(away) - SIGMA, 0))
            fine, coarse = gaussian(moved)[index : index + 2]
            found[place] = (fine - enlarged(coarse, fine.shape))[place]
        result = found + enlarged(result, found.shape)
    return result


@pytest.fixture(scope="module")
def plane() -> np.ndarray:
    """A step of four stops with texture, 19x22 pixels."""
    rng = np.random.default_rng(5)
    return (np.where(np.arange(22) < 9, 0, 4) * math.log(2) + rng.normal(0, 0.2, (19, 22))).astype(np.float32)


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.3), (1.0, 0.0), (1.5, 1.0)])
def test_it_is_the_definition(plane: np.ndarray, alpha: float, beta: float) -> None:
    expected = by_definition(plane.astype(np.float64), alpha, beta)
    assert np.abs(expected - plane).max() > 0.1, "the filter does something"
    found = local_laplacian(plane, alpha, beta, spacing=0.02)
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < TOLERANCES["local-laplacian"].limit


def test_nothing_is_asked_and_nothing_changes(plane: np.ndarray) -> None:
    assert local_laplacian(plane, 1, 1) == pytest.approx(plane, abs=1e-5)
    flat = np.full((5, 40), 0.7, np.float32)
    assert local_laplacian(flat, 0.5, 0) == pytest.approx(flat, abs=1e-6)
    assert local_laplacian(flat[:1, :1], 0.5, 0) == pytest.approx(flat[:1, :1])


def test_the_range_shrinks_and_a_step_has_no_halo() -> None:
    step = np.where(np.arange(200) < 100, 0, 6).astype(np.float32)[None].repeat(120, 0)
    found = local_laplacian(step, 1, 0.2)
    assert np.ptp(found) < 0.6 * np.ptp(step)
    assert (np.diff(found[60]) > -0.02 * np.ptp(found)).all(), "it rises and nowhere falls"


def test_details_are_raised_and_edges_lowered() -> None:
    away = np.float32([-2, -0.1, 0, 0.1, 2])
    made = remapped(away + 3, 3, 0.5, 0.5, 1) - 3
    assert made == pytest.approx([-1.5, -math.sqrt(0.1), 0, math.sqrt(0.1), 1.5], abs=1e-5)
