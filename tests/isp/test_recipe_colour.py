"""Colour in a frame's numbers: the matrix, the light it is taken for where the file states none, and their refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from invisp_deploy.contract import UNIVERSAL, CameraContract
from invisp_deploy.errors import ContractError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.colour import SRGB_TO_XYZ
from invisp_deploy.isp.develop import develop, undevelop
from invisp_deploy.isp.recipe import Recipe, light_of


def test_a_grey_card_is_grey_in_srgb(small_frame: RawFrame) -> None:
    """White-balanced grey has equal camera RGB, and the matrix keeps it."""
    recipe = small_frame.recipe(UNIVERSAL)
    assert recipe.matrix is not None
    assert (recipe.color, recipe.curve, min(recipe.gains)) == ("srgb", "bt709", 1.0)
    np.testing.assert_allclose(np.array(recipe.matrix) @ (0.5, 0.5, 0.5), 0.5, atol=1e-6)
    assert small_frame.recipe(CameraContract()).matrix is None


def test_a_frame_without_matrix_is_refused(small_frame: RawFrame) -> None:
    bare = replace(small_frame, color_matrix=None)
    with pytest.raises(ContractError, match="no colour matrix.*pass `color_matrix`"):
        bare.recipe(UNIVERSAL)
    assert bare.recipe(CameraContract()).matrix is None, "camera RGB needs none"


@pytest.mark.parametrize(
    "matrix", [((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (1.0, 1.0, 0.0)), ((0.0,) * 3,) * 3], ids=["rank 2", "zero"]
)
def test_a_matrix_that_cannot_be_inverted_is_refused(
    matrix: tuple[tuple[float, float, float], ...], small_frame: RawFrame
) -> None:
    with pytest.raises(ContractError, match="cannot be undone, expected .*three rows"):
        replace(small_frame, color_matrix=matrix).recipe(UNIVERSAL)
    with pytest.raises(ContractError, match="cannot be undone, expected .*three rows"):
        Recipe("RGGB", (0.0,) * 4, 1000.0, (1.0, 1.0, 1.0), "bt709", matrix)  # type: ignore[arg-type]


def test_without_gains_the_light_is_day(small_frame: RawFrame) -> None:
    assert light_of(small_frame).source == "as shot"
    light = light_of(replace(small_frame, gains=None))
    assert light.source == "daylight"
    white = np.array(small_frame.color_matrix) @ np.array(SRGB_TO_XYZ) @ np.ones(3)  # D65 as the camera sees it
    balanced = white * light.gains
    np.testing.assert_allclose(balanced, balanced[0], rtol=1e-9)
    with pytest.raises(ContractError, match="no as-shot white balance and no colour matrix.*`white_balance`"):
        light_of(replace(small_frame, gains=None, color_matrix=None))


def test_a_look_that_does_not_clip_sees_what_lies_above_white(small_frame: RawFrame) -> None:
    bright = replace(small_frame, mosaic=np.full_like(small_frame.mosaic, small_frame.white))
    clipped, kept = (
        develop(bright.mosaic, bright.recipe(replace(UNIVERSAL, white="file", clips=clips))) for clips in (True, False)
    )
    assert clipped == pytest.approx(1, abs=1e-3)
    assert kept.max() > 1.2
    recipe = bright.recipe(replace(UNIVERSAL, white="file", clips=False))
    assert np.array_equal(undevelop(kept, recipe), bright.mosaic)
    assert (undevelop(clipped, recipe) < bright.white).any()
