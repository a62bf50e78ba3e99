"""Histograms against NumPy's over all values at once, ranges against the same searched on the values themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from onnxruntime.quantization.calibrate import HistogramCollector

from invisp_deploy.calibration.ranges import BINS, Histogram, chosen_range, squared_error
from invisp_deploy.errors import CalibrationError, RequestError


def filled(*pieces: np.ndarray, directions: tuple[str, ...] = ("forward", "inverse")) -> Histogram:
    histogram = Histogram()
    for index, piece in enumerate(pieces):
        magnitudes = np.abs(piece)
        histogram.make_room(float(magnitudes.max()), "x")
        counts = np.histogram(magnitudes, BINS, (0, histogram.top))[0]
        histogram.add(counts, float(magnitudes.max()), directions[index % len(directions)])
    return histogram


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    """Many small values and few large ones, as activations are."""
    return np.random.default_rng(0).laplace(0, 0.1, 60_000).astype(np.float32)


@pytest.fixture(scope="module")
def histogram(values: np.ndarray) -> Histogram:
    return filled(values[:20_000], values[20_000:])


def error(values: np.ndarray, limit: float) -> float:
    step = limit / 127
    return float(np.mean((np.clip(np.rint(values / step), -127, 127) * step - values) ** 2))


def test_maximum_is_the_largest_magnitude(values: np.ndarray, histogram: Histogram) -> None:
    assert chosen_range(histogram, "x", "maximum") == np.abs(values).max()


@pytest.mark.parametrize("percentile", [90.0, 99.0, 99.9])
def test_percentile_is_numpys(percentile: float, values: np.ndarray, histogram: Histogram) -> None:
    found = chosen_range(histogram, "x", "percentile", percentile)
    assert found == pytest.approx(np.percentile(np.abs(values), percentile), rel=5e-3)


def test_squared_error_is_that_of_rounded_values(values: np.ndarray, histogram: Histogram) -> None:
    for limit in (0.2, 0.5, 0.9, histogram.maximum):
        assert squared_error(histogram, limit) == pytest.approx(error(values, limit), rel=0.02)


def test_mse_is_the_best_range_of_a_search_on_the_values(values: np.ndarray, histogram: Histogram) -> None:
    best = min(error(values, limit) for limit in np.linspace(0.05, histogram.maximum, 400))
    found = chosen_range(histogram, "x", "mse")
    assert error(values, found) <= 1.01 * best
    assert found < 0.9 * histogram.maximum


def test_entropy_is_onnxruntimes_own(values: np.ndarray, histogram: Histogram) -> None:
    collector = HistogramCollector("entropy", True, 512, 128, 99.99, "same")
    scaled = values * (histogram.maximum / histogram.top)  # its bins end at the maximum, ours at a power of two
    collector.collect({"x": np.append(scaled, np.float32(histogram.maximum))})
    low, high = collector.compute_collection_result()["x"][:2]
    theirs = max(-float(low), float(high)) * histogram.top / histogram.maximum
    assert chosen_range(histogram, "x", "entropy") == pytest.approx(min(theirs, histogram.maximum), rel=0.1)


def test_no_range_exceeds_the_maximum_seen() -> None:
    values = np.linspace(-0.55, 0.55, 9999, dtype=np.float32)
    for method in ("maximum", "percentile", "entropy", "mse"):
        assert 0.3 < chosen_range(filled(values), "x", method, 100) <= float(values.max())


def test_a_tensor_of_zeros_and_impossible_requests_are_refused(histogram: Histogram) -> None:
    with pytest.raises(CalibrationError, match=r"block1\.x2 is zero throughout"):
        chosen_range(Histogram(), "block1.x2", "mse")
    with pytest.raises(RequestError, match="maximum, percentile, entropy, mse, got 'best'"):
        chosen_range(histogram, "x", "best")
    with pytest.raises(RequestError, match="above 0 and is at most 100, got 101"):
        chosen_range(histogram, "x", "percentile", 101)


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
