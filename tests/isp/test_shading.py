from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import ContractError
from invisp_deploy.isp.develop import develop, undevelop
from invisp_deploy.isp.frame import FrameFacts, Mosaic
from invisp_deploy.isp.recipe import recipe_for
from invisp_deploy.isp.shading import with_shading, without_shading

SHADING = (0.35, 0.2, 0.17)
BLACK = (64.0, 60.0, 61.0, 66.0)
FACTS = FrameFacts("GRBG", BLACK, 4095, (2.0, 1.0, 1.5))


def mosaic(height: int = 131, width: int = 202) -> Mosaic:
    return np.random.default_rng(0).integers(0, 4096, (height, width)).astype(np.uint16)


def test_the_centre_stays_and_a_corner_has_its_gain() -> None:
    flat = np.full((401, 601), 1064, np.uint16)
    made = without_shading(flat, SHADING, (64.0,) * 4)
    assert made[200, 300] == 1064
    assert made[0, 0] == pytest.approx(64 + 1000 * (1 + sum(SHADING)), rel=0.01)
    side = (300 / np.hypot(300.5, 200.5)) ** 2  # the middle of the left edge
    assert made[200, 0] == pytest.approx(64 + 1000 * (1 + 0.35 * side + 0.2 * side**2 + 0.17 * side**3), abs=1)


def test_every_dn_comes_back_but_those_that_went_below_0() -> None:
    there = without_shading(mosaic(), SHADING, BLACK)
    back = with_shading(there, SHADING, BLACK)
    assert np.array_equal(back[there > 0], mosaic()[there > 0])
    assert not np.array_equal(there, mosaic())


def test_what_exceeds_a_word_ends_at_it() -> None:
    bright = np.full((64, 64), 65000, np.uint16)
    assert without_shading(bright, SHADING, (0.0,) * 4)[0, 0] == 65535


def test_no_shading_is_no_copy() -> None:
    frame = mosaic()
    assert without_shading(frame, (), BLACK) is frame


def test_windows_of_the_domain_join_and_come_back() -> None:
    recipe = recipe_for(FACTS, mosaic(), replace(CameraContract(), shading=SHADING))
    whole = develop(mosaic(), recipe)
    for rows, columns in ((slice(0, 50), slice(0, 70)), (slice(51, 131), slice(33, 202))):
        window = whole[:, rows, columns]
        assert np.array_equal(develop(mosaic(), recipe, (rows, columns)), window)
        back = undevelop(window, recipe, (rows.start, columns.start), mosaic().shape)
        above = np.maximum(mosaic()[rows, columns], 66)
        saturated = without_shading(mosaic(), SHADING, BLACK)[rows, columns] > 4095
        assert np.array_equal(np.maximum(back, 66)[~saturated], above[~saturated])
    assert not np.array_equal(whole, develop(mosaic(), replace(recipe, shading=())))


@pytest.mark.parametrize("shading", [(-0.1,), (20.0,), (float("nan"),), (0.1,) * 6, ("a",), (True,)])
def test_gains_are_those_of_a_lens(shading: tuple[float, ...]) -> None:
    with pytest.raises(ContractError, match="Lens shading has"):
        recipe_for(FACTS, mosaic(), replace(CameraContract(), shading=shading))
