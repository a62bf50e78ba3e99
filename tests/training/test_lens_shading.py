from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.errors import TrainingError
from invisp_deploy.isp.develop import develop
from invisp_deploy.isp.frame import FrameFacts, Mosaic
from invisp_deploy.isp.recipe import recipe_for
from invisp_deploy.isp.shading import gain_at, with_shading
from invisp_deploy.training.data import Pair
from invisp_deploy.training.lens_shading import fitted_shading

SHADING = (0.4, 0.25)
BLACK = (64.0,) * 4
RADII = np.array([0.25, 0.5, 0.75, 1.0]) ** 2
MATRIX = ((0.67, -0.12, -0.06), (-0.41, 1.2, 0.23), (-0.05, 0.14, 0.6))
FACTS = FrameFacts("RGGB", BLACK, 4095, (2.0, 1.0, 1.6), color_matrix=MATRIX)


def scene(height: int = 1040, width: int = 1200) -> Mosaic:
    """Patches of 80 pixels, each of another colour and brightness: a mosaic without a lens."""
    rng = np.random.default_rng(0)
    patches, square = (height // 80, width // 80), np.ones((80, 80))
    light = np.kron(rng.uniform(0.02, 0.3, patches), square)
    mosaic = np.empty((height, width))
    for letter, gain in zip("RGB", (0.5, 1, 0.6), strict=True):
        colour = np.kron(rng.uniform(0.8, 1.2, patches), square) * gain
        for site in (each for each in range(4) if "RGGB"[each] == letter):
            window = (slice(site // 2, None, 2), slice(site % 2, None, 2))
            mosaic[window] = (light * colour)[window]
    return (64 + 4000 * mosaic).astype(np.uint16)


def pair(mosaic: Mosaic, shown: Mosaic) -> Pair:
    """What was taken, and a look of what is shown: darker shadows, warmer."""
    recipe = recipe_for(FACTS, shown, UNIVERSAL)
    look = develop(shown, recipe).clip(0, 1).transpose(1, 2, 0) ** 1.2 * (1.0, 0.95, 0.85)
    target = np.rint(255 * look).astype(np.uint8)
    return Pair(Path("a.dng"), mosaic, recipe, target.__getitem__)


def test_the_gains_that_a_camera_gave_are_found() -> None:
    taken = with_shading(scene(), SHADING, BLACK)
    found = gain_at(RADII, fitted_shading([pair(taken, scene())]))
    assert found == pytest.approx(gain_at(RADII, SHADING), rel=0.03)


def test_none_is_found_where_none_was_given() -> None:
    with pytest.raises(TrainingError, match=r"finds gains of 0\.9\d+ to 1\.0\d+, expected those of a lens"):
        fitted_shading([pair(scene(), scene())])


def test_halves_that_disagree_are_refused() -> None:
    taken = with_shading(scene(), SHADING, BLACK)
    taken[:, :600] = scene()[:, :600]
    with pytest.raises(TrainingError, match=r"in the left halves and 1\.\d+ in the right ones"):
        fitted_shading([pair(taken, scene())])


def test_too_little_to_tell_is_refused() -> None:
    few = scene()[:320, :400]
    with pytest.raises(TrainingError, match="`lens_shading` needs 2000 squares"):
        fitted_shading([pair(few, few), pair(few, few)])
