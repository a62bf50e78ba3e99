"""Levels at which made sensors saturate, below the stated white, at it, and above."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.rendering.hdr import linear_by
from invisp_deploy.rendering.model import load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.sidedata.highlights import all_highlights, brighter
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.sidedata.saturation import saturated_from
from tests.sidedata.frames import blown_frame, dark_frame

BLACK, WHITE = 128, 4095


def ending_at(shares: tuple[float, float, float], cfa: str = "GRBG") -> RawFrame:
    """A blown scene of a sensor whose red, green and blue end at these shares of the stated white, with their noise."""
    frame = blown_frame(200, 260, cfa, bits=12)
    mosaic = frame.mosaic.astype(float)
    rng = np.random.default_rng(3)
    for site, letter in enumerate(cfa):
        window = mosaic[site // 2 :: 2, site % 2 :: 2]
        end = BLACK + shares["RGB".index(letter)] * (WHITE - BLACK)
        stretched = (window - BLACK) * 1.5 + BLACK
        window[:] = np.where(stretched > end, end + rng.normal(0, 4, window.shape), stretched)
    return replace(frame, mosaic=np.rint(mosaic).clip(0, 65535).astype(np.uint16))


@pytest.mark.parametrize("shares", [(1.0, 0.95, 0.92), (0.93, 0.93, 0.93), (1.06, 1.0, 1.05)])
def test_each_colour_s_own_level_is_found(shares: tuple[float, float, float]) -> None:
    frame = ending_at(shares)
    recipe = frame.recipe(UNIVERSAL)  # its white is that of the brightest pixel where that is below the stated one
    found = saturated_from(frame.mosaic, recipe) * (recipe.white - BLACK) / (WHITE - BLACK)
    assert (found < shares).all()
    assert (found > np.array(shares) - 0.05).all()


def test_what_ends_nowhere_is_never_saturated() -> None:
    frame = dark_frame()
    assert np.isinf(saturated_from(frame.mosaic, frame.recipe(UNIVERSAL))).all()
    rising = np.tile(np.arange(128, 4096, dtype=np.uint16), (64, 1))  # every level as often
    assert np.isinf(saturated_from(rising, frame.recipe(UNIVERSAL))).all()


@pytest.mark.parametrize("shares", [(1.0, 0.95, 0.92), (1.06, 1.0, 1.05)])
def test_for_eyes_what_is_blown_has_no_colour(shares: tuple[float, float, float]) -> None:
    frame = ending_at(shares, "RGGB")
    with load("closed-form") as model:
        picture = model.render(frame, RunOptions(raw_budget=RawBudget(0)))
    record = picture.record
    assert record is not None
    colours = []
    for for_eyes in (True, False):
        found = brighter(frame.mosaic, record.recipe, picture.pixels, for_eyes=for_eyes)
        assert found is not None
        linear = linear_by(picture, all_highlights(found)).linear.astype(float)
        sky = linear[4:20, 4:-4]
        assert sky.min() > (1 if for_eyes else 0)
        colours.append((sky.max(axis=-1) / sky.min(axis=-1)).mean())
    assert colours[0] < 1.01
    assert colours[1] > 1.03, "else nothing was to be done"
