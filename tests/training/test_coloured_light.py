"""Coloured light and colours beyond sRGB: what the photograph has, and what no photograph in sRGB can have."""

from __future__ import annotations

import numpy as np

from invisp_deploy.training.coloured_light import LIGHTS, coloured


def test_scenes_leave_srgb_and_take_the_colour_of_the_light() -> None:
    y, x = np.mgrid[0:40, 0:60] / 60
    linear = np.stack((0.2 + 0.5 * x, 0.3 + 0.2 * y, 0.4 - 0.3 * x), -1).astype(np.float32)
    made = [coloured(linear, np.random.default_rng(seed)) for seed in range(300)]
    assert all(scene.shape == linear.shape and scene.dtype == np.float32 for scene in made)
    beyond = np.mean([scene.min() < -0.02 for scene in made])
    assert 0.3 < beyond < 0.9
    ratios = np.array([scene.mean((0, 1)) / linear.mean((0, 1)) for scene in made])
    strongest = ratios.argmax(1)
    assert all((strongest == channel).sum() > 20 for channel in (0, 2)), "red and blue light"
    partly = [np.ptp((scene / linear)[..., 2]) > 0.5 and (scene / linear)[..., 2].max() > 0.95 for scene in made]
    assert np.mean(partly) > 0.1, "light on a part of the scene"


def test_a_grey_scene_stays_grey_without_light_and_saturation_keeps_luminance() -> None:
    grey = np.full((8, 8, 3), 0.4, np.float32)
    lit = [np.ptp(coloured(grey, np.random.default_rng(seed))) for seed in range(90)]
    unlit = sum(spread < 1e-6 for spread in lit)
    assert 15 < unlit < 45, "a third has no light of its own"
    assert len(LIGHTS) >= 6
