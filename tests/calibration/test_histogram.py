"""Histograms that grow against NumPy's over all values at once."""

from __future__ import annotations

import math

import numpy as np
import pytest

from invisp_deploy.calibration.histogram import BINS, Histogram
from invisp_deploy.errors import CalibrationError


def filled(*pieces: np.ndarray, directions: tuple[str, ...] = ("forward", "inverse")) -> Histogram:
    histogram = Histogram()
    for index, piece in enumerate(pieces):
        magnitudes = np.abs(piece)
        histogram.make_room(float(magnitudes.max()), "x")
        counts = np.histogram(magnitudes, BINS, (0, histogram.top))[0]
        histogram.add(counts, float(magnitudes.max()), directions[index % len(directions)])
    return histogram


def test_growing_equals_one_histogram_of_all() -> None:
    rng = np.random.default_rng(0)
    pieces = [rng.normal(0, spread, 5000).astype(np.float32) for spread in (0.01, 0.3, 0.2, 40)]
    histogram = filled(*pieces)
    everything = np.abs(np.concatenate(pieces))
    assert histogram.top == 2.0 ** math.ceil(math.log2(everything.max()))
    np.testing.assert_array_equal(histogram.counts, np.histogram(everything, BINS, (0, histogram.top))[0])
    assert histogram.maximum == everything.max()
    assert histogram.maxima["forward"] == max(np.abs(pieces[0]).max(), np.abs(pieces[2]).max())


def test_shares_beyond_a_limit_are_counted() -> None:
    values = np.random.default_rng(1).normal(0, 1, 20_000).astype(np.float32)
    histogram = filled(values)
    for limit in (0.5, 1.0, 2.0):
        assert histogram.beyond(limit) == pytest.approx(np.mean(np.abs(values) > limit), abs=2e-3)
    assert histogram.beyond(histogram.maximum) == 0


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_values_that_are_not_finite_are_refused_by_name(bad: float) -> None:
    with pytest.raises(CalibrationError, match=r"block0\.F\.relu1 takes the value"):
        Histogram().make_room(bad, "block0.F.relu1")
