"""Levels at which made sensors saturate, below the stated white, at it, and above."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.rendering.hdr import linear_by
from invisp_deploy.rendering.model import load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.sidedata.highlights import all_highlights, brighter
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.sidedata.saturation import in_dn, saturated_from
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
def test_what_is_blown_has_no_colour(shares: tuple[float, float, float]) -> None:
    frame = ending_at(shares, "RGGB")
    with load("closed-form") as model:
        picture = model.render(frame, RunOptions(raw_budget=RawBudget(0)))
    record = picture.record
    assert record is not None
    found = brighter(frame.mosaic, record.recipe, picture.pixels)
    assert found is not None
    sky = linear_by(picture, all_highlights(found)).linear.astype(float)[4:20, 4:-4]
    assert sky.min() > 1
    assert (sky.max(axis=-1) / sky.min(axis=-1)).mean() < 1.01
    camera = [frame.mosaic[row:40:2, column::2].mean() - BLACK for row, column in ((0, 0), (0, 1), (1, 1))]
    balanced = np.array(camera) * record.recipe.gains
    assert balanced.max() / balanced.min() > 1.3, "as the sensor has it, it has one"


@pytest.mark.parametrize("shares", [(1.0, 0.95, 0.92), (1.06, 1.0, 1.05)])
def test_what_is_saturated_comes_back_at_its_own_level(shares: tuple[float, float, float], tmp_path: Path) -> None:
    frame = ending_at(shares, "RGGB")
    with load("closed-form") as model:
        model.render(frame).save(tmp_path / "a.jpg")
        back = model.recover(tmp_path / "a.jpg").mosaic
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        ours, true = (each[4 + row : 16 : 2, column::2].astype(float) for each in (back, frame.mosaic))
        assert abs(ours.mean() - true.mean()) < 0.002 * WHITE


def test_a_few_hot_pixels_are_no_end() -> None:
    frame = dark_frame(1000, 1000)
    frame.mosaic[10:30:2, 10] = WHITE
    assert np.isinf(saturated_from(frame.mosaic, frame.recipe(UNIVERSAL))).all()
    frame.mosaic[10:900:2, 10:20] = WHITE
    assert np.isfinite(saturated_from(frame.mosaic, frame.recipe(UNIVERSAL))).any()


@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_shares_of_colours_are_dn_of_their_sites(cfa: str) -> None:
    recipe = replace(dark_frame().recipe(UNIVERSAL), cfa=cfa, black=(10, 20, 30, 40), white=1040)
    shares = {"R": 0.5, "G": 1.0, "B": np.inf}
    expected = [black + shares[letter] * (1040 - black) for letter, black in zip(cfa, recipe.black, strict=True)]
    assert in_dn(np.array(list(shares.values())), recipe) == tuple(expected)
