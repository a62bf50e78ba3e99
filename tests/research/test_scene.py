"""The light of a RAW file against LibRaw's and our own rendering without a network; what a sensor cannot say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rawpy
from skimage.color import rgb2xyz
from skimage.transform import downscale_local_mean

from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.errors import ContractError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import Picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.isp.colour import SRGB_TO_XYZ
from invisp_deploy.isp.develop import develop
from invisp_deploy.isp.steps import Bt709, Codes
from invisp_deploy.research.scene import averaged, light_of_pixels, linear_to_srgb, own_window, scene_light, step_for
from invisp_deploy.tolerances import TOLERANCES


def test_below_white_it_is_the_domain_behind_its_curve(sample_frame: RawFrame) -> None:
    """In strips of rows, from an odd place on: no seam is seen."""
    frame = replace(sample_frame, mosaic=sample_frame.mosaic[801:1400, 1601:1900])
    recipe = frame.recipe(UNIVERSAL).shifted(1, 1)
    light = scene_light(frame.mosaic, recipe)
    expected = Bt709().inverse(develop(frame.mosaic, recipe), {})
    assert light.shape == (3, 599, 299)
    assert light.max() < 1
    assert np.abs(light - expected).max() < 1e-5


def test_it_is_the_light_that_libraw_makes(small_dng: Path) -> None:
    with rawpy.imread(str(small_dng)) as raw:
        made = raw.postprocess(
            use_camera_wb=True, no_auto_bright=True, output_bps=16, gamma=(1, 1), user_flip=0, adjust_maximum_thr=0
        )
    frame = read_raw(small_dng)
    light = scene_light(frame.mosaic, replace(frame.recipe(UNIVERSAL), white=float(frame.white)))
    ours, theirs = (downscale_local_mean(each, (16, 16, 1)) for each in (light.transpose(1, 2, 0), made / 65535))
    assert np.abs(ours / theirs - 1).max() < TOLERANCES["scene-light"].limit


def test_what_is_saturated_takes_no_colour_and_the_rest_exceeds_white(small_frame: RawFrame) -> None:
    """A grey scene three stops brighter: green saturates first, red and blue go on; then all do."""
    recipe = small_frame.recipe(UNIVERSAL)
    colours = np.array(["RGB".index(each) for each in recipe.cfa])
    scene = np.linspace(0.5, 3, 256)
    rng = np.random.default_rng(0)
    share = np.empty((256, 256))
    for site, colour in enumerate(colours):
        share[site // 2 :: 2, site % 2 :: 2] = scene[site % 2 :: 2] / recipe.gains[colour]
    dn = 128 + np.minimum(share, 0.97) * (recipe.white - 128) + rng.normal(0, 2, share.shape)
    light = scene_light(np.rint(np.clip(dn, 0, 4095)).astype(np.uint16), recipe)
    middle = light[:, 4:-4, 4:-4].mean(axis=1)
    grey = scene[4:-4]
    below = grey < 0.9
    assert middle[:, below] == pytest.approx(np.tile(grey[below], (3, 1)), rel=0.02)
    assert min(recipe.gains) == 1
    last = sorted(recipe.gains)[1]  # until the second colour ends, a scene without colour is known
    known = (grey > 1.05) & (grey < 0.9 * last)
    assert known.sum() > 20
    assert middle[:, known] == pytest.approx(np.tile(grey[known], (3, 1)), rel=0.03)
    blown = grey > max(recipe.gains)
    assert middle[:, blown].min() > 1.5
    assert np.ptp(middle[:, blown], axis=0).max() < 0.02 * middle.max(), "no colour of the gains"


def test_light_of_pixels_undoes_the_curve_at_both_depths() -> None:
    light = np.linspace(0.01, 1, 60, dtype=np.float32).reshape(3, 4, 5)
    for bits, limit in ((8, 0.01), (16, 1e-4)):
        codes = Codes(bits).forward(Bt709().forward(light, {}), {})
        assert np.abs(light_of_pixels(codes) - light).max() < limit


def test_the_curve_of_srgb_is_the_one_that_scikit_image_undoes() -> None:
    light = np.linspace(0, 1, 999, dtype=np.float32).reshape(3, 3, 111)
    found = rgb2xyz(linear_to_srgb(light).astype(np.float64), channel_axis=0)
    assert found == pytest.approx(np.tensordot(SRGB_TO_XYZ, light.astype(np.float64), 1), abs=2e-4)
    assert linear_to_srgb(np.float32([-1, 2])) == pytest.approx([0, 1])


def test_points_lie_on_every_site_of_the_pattern() -> None:
    for shape, count in (((3000, 4000), 200_000), ((64, 64), 200_000), ((300, 500), 1000)):
        step = step_for(shape, count)
        assert step % 2 == 1
        rows, columns = (len(range(0, size, step)) for size in shape)
        assert rows * columns <= 2 * count
        assert rows * columns >= min(count / 3, shape[0] * shape[1])


def test_averages_are_those_of_scikit_image() -> None:
    light = np.random.default_rng(0).random((3, 60, 91), dtype=np.float32)
    assert averaged(light, 40) == pytest.approx(downscale_local_mean(light[:, :, :90], (1, 3, 3)), abs=1e-6)
    assert averaged(light, 91) == pytest.approx(light)


def test_a_picture_without_a_record_has_no_window() -> None:
    with pytest.raises(ContractError, match=r"photo\.jpg lost its way back"):
        own_window(Picture(np.zeros((2, 2, 3), np.uint8), None), "photo.jpg")
