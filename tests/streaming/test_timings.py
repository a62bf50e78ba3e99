"""Percentiles in fixed memory against numpy's on the values themselves."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from invisp_deploy.streaming.timings import Timings


@pytest.mark.parametrize("percent", [50, 90, 95, 99])
def test_percentiles_are_within_a_percent_of_numpys(percent: int) -> None:
    values = np.random.default_rng(3).lognormal(-4, 1.2, 5001)
    timings = Timings()
    for value in values:
        timings.add(float(value))
    expected = np.percentile(values, percent, method="inverted_cdf")
    assert timings.percentile(percent) == pytest.approx(expected, rel=0.0101)
    newest = np.percentile(values[-256:], percent, method="inverted_cdf")
    assert timings.latest(percent) == newest
    assert timings.longest == values.max()


def test_no_memory_is_added_by_more_values() -> None:
    timings = Timings()
    timings.add(0.5)
    bins = timings.__dict__["_bins"]
    size = sys.getsizeof(bins), len(bins)
    for number in range(2000):
        timings.add(0.001 * number)
    assert (sys.getsizeof(bins), len(bins)) == size


def test_nothing_and_extremes() -> None:
    timings = Timings()
    assert timings.to_dict()["p99_ms"] == 0
    assert timings.latest(50) == 0
    timings.add(0.0)
    timings.add(1e9)
    assert timings.percentile(50) <= 1e-6
    assert timings.to_dict() == timings.to_dict() | {"count": 2, "max_ms": 1e12}
