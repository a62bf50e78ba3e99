"""PU21 against what its authors say of it, and against its inverse as they publish it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from invisp_deploy.research.pu21 import PEAK, pu21, pu21_psnr

LIGHT = np.geomspace(0.005, 10_000, 50)


def decoded(values: np.ndarray) -> np.ndarray:
    """The published way back, with the constants as they stand in the authors' code."""
    p1, p2, p3, p4 = 0.353487901, 0.3734658629, 8.277049286e-05, 0.9062562627
    p5, p6, p7 = 0.09150303166, 0.9099517204, 596.3148142
    power = np.maximum(values / p7 + p6, 0) ** (1 / p5)
    return (np.maximum(power - p1, 0) / (p2 - p3 * power)) ** (1 / p4)


def test_the_published_inverse_leads_back() -> None:
    assert decoded(pu21(LIGHT)) == pytest.approx(LIGHT, rel=1e-6)


def test_the_white_of_an_old_screen_is_the_peak_and_black_is_none() -> None:
    assert float(pu21(np.array(100.0))) == pytest.approx(PEAK, abs=0.5)
    assert float(pu21(np.array(0.005))) == pytest.approx(0, abs=0.5)
    assert (np.diff(pu21(LIGHT)) > 0).all()


def test_what_lies_outside_the_range_is_clipped() -> None:
    assert (pu21(np.array([-1, 0, 0.005])) == pu21(np.array(0.005))).all()
    assert pu21(np.array(1e6)) == pu21(np.array(10_000.0))


def test_psnr_is_of_encoded_values() -> None:
    moved = decoded(pu21(LIGHT[5:-5]) + 4)
    assert pu21_psnr(moved, LIGHT[5:-5]) == pytest.approx(20 * math.log10(256 / 4), abs=1e-4)
    assert math.isinf(pu21_psnr(LIGHT, LIGHT))
