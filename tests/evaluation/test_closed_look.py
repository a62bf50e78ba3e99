"""The closed form of a look: what it can be is found, by other code's measure; what it cannot is left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.dataset.open import Dataset
from invisp_deploy.evaluation.closed_look import ClosedLook, closed_look_model, closed_looks
from invisp_deploy.graph_card import Direction
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.tolerances import TOLERANCES

LOOK = replace(UNIVERSAL, white="file", look="warm")


def decibels(a: np.ndarray, b: np.ndarray, peak: float) -> float:
    return float(10 * np.log10(peak**2 / np.square(a.astype(np.float64) - b).mean()))


@pytest.fixture(scope="module")
def looks(look_data: Dataset) -> dict[Direction, ClosedLook]:
    return closed_looks(look_data.train, LOOK)


def test_a_look_that_is_one_is_found_on_files_that_it_was_not_fitted_to(
    looks: dict[Direction, ClosedLook], look_data: Dataset
) -> None:
    shot = next(shot for shot in look_data.test if shot.name == "b")
    with closed_look_model(looks, LOOK, "fitted") as fitted:
        picture = fitted.render(shot.frame, RunOptions(raw_budget=RawBudget(0)))
        back = fitted.recover(picture, RunOptions(raw_budget=RawBudget(0)))
    assert picture.record is not None
    shown = picture.record.alignment.inverse(picture.pixels)
    assert decibels(shown, shot.target(), 255) >= TOLERANCES["closed-look-psnr"].limit
    mosaic = shot.frame.mosaic
    assert decibels(back.mosaic, mosaic, shot.facts.frame.white) >= TOLERANCES["closed-look-raw-psnr"].limit


def test_its_curve_rises_and_its_numbers_are_its_digest(looks: dict[Direction, ClosedLook]) -> None:
    forward, inverse = (looks[way] for way in Direction)
    for look in (forward, inverse):
        assert (np.diff(look.knots) >= 0).all()
    assert forward.digest != inverse.digest
    changed = ClosedLook(forward.matrix, forward.knots, forward.ends, forward.table + np.float32(1e-6), 1.0)
    assert changed.digest != forward.digest


def test_the_table_is_read_as_pillow_reads_one() -> None:
    """A table alone: no matrix, no curve. Pillow's is in codes of 8 bits, and so are its roundings."""
    random = np.random.default_rng(0)
    table = random.uniform(0.1, 0.9, (9, 9, 9, 3)).astype(np.float32)
    flat = np.array([[0.0, 1.0], [0.0, 0.0]])
    look = ClosedLook(np.eye(3), flat, (0.0, 1.0), table, 1.0)
    codes = random.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    ours = look((codes / 255).astype(np.float32).transpose(2, 0, 1)).transpose(1, 2, 0)
    by_blue = table.transpose(2, 1, 0, 3).reshape(-1)  # Pillow's first axis changes fastest
    theirs = np.asarray(Image.fromarray(codes).filter(ImageFilter.Color3DLUT(9, by_blue.tolist())))
    assert np.abs(ours * 255 - theirs).max() <= 1


def test_no_module_of_scipy_is_imported_with_it() -> None:
    source = Path(__file__).parents[2] / "invisp_deploy" / "evaluation" / "closed_look.py"
    assert not [line for line in source.read_text().splitlines() if line.startswith(("import scipy", "from scipy"))]
