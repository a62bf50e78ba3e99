"""A small picture's colours and tones, with the detail of the rendering: what a look of curves is comes out whole."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.dataset.coarse import shrunk_by, times_coarser, with_detail
from invisp_deploy.formats.pixels import Rgb8
from invisp_deploy.tolerances import TOLERANCES
from tests.dataset.scenes import scene

RENDERING = scene((320, 400))


def psnr(one: Rgb8, other: Rgb8) -> float:
    return float(10 * np.log10(255**2 / ((one.astype(float) - other) ** 2).mean()))


def look(pixels: Rgb8) -> Rgb8:
    """Another curve for each channel, and light that falls off to the corners by a fifth."""
    down, across = (np.linspace(-1, 1, side) ** 2 for side in pixels.shape[:2])
    fall = 1 - 0.1 * (down[:, None] + across)[..., None]
    curved = (pixels / 255) ** np.array([0.6, 0.7, 0.8]) * fall
    return (255 * curved).round().astype(np.uint8)


@pytest.mark.parametrize("times", [2, 4, 5])
def test_a_look_of_curves_and_slow_changes_comes_out_with_all_detail(times: int) -> None:
    wanted = look(RENDERING)
    small = shrunk_by(wanted, times)
    rendering = RENDERING[: small.shape[0] * times, : small.shape[1] * times]
    made = with_detail(small, rendering)
    wanted = wanted[: rendering.shape[0], : rendering.shape[1]]
    assert psnr(made, wanted) > TOLERANCES["coarse-psnr"].limit
    size = (rendering.shape[1], rendering.shape[0])
    grown = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
    assert psnr(made, wanted) > psnr(grown, wanted) + 6


def test_what_is_finer_than_its_pixels_is_the_rendering_s() -> None:
    """As strong as the look's curve makes it, though the picture was sharpened beyond measure before it was small."""
    wanted = look(RENDERING)
    sharpened = (wanted + 2.0 * (wanted - np.roll(wanted.astype(float), 1, 1))).clip(0, 255).astype(np.uint8)
    made = with_detail(shrunk_by(sharpened, 5), RENDERING)
    fine, true = (
        pixels - pixels.astype(float).reshape(64, 5, 80, 5, 3).mean((1, 3)).repeat(5, 0).repeat(5, 1)
        for pixels in (made, wanted)
    )
    assert np.corrcoef(fine.ravel(), true.ravel())[0, 1] > 0.9
    assert fine.std() == pytest.approx(true.std(), rel=0.2)


def test_means_are_those_of_squares_of_even_counts() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (31, 46, 3), np.uint8)
    small = shrunk_by(pixels, 3)
    assert small.shape == (10, 14, 3)
    wanted = pixels[:30, :42].reshape(10, 3, 14, 3, 3).mean((1, 3))
    np.testing.assert_allclose(small, wanted, atol=0.51)


def test_how_much_coarser_a_picture_is() -> None:
    assert times_coarser((2000, 3000), (1000, 1500), 0.5) == 1
    assert times_coarser((2000, 3000), (998, 1498), 0.5) == 3
    assert times_coarser((2348, 3522), (1728, 1152), 0.5) == 3  # on its side
    assert times_coarser((1720, 2312), (480, 640), 0.5) == 4
