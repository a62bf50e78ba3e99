"""Comparisons of two results: ratios by hand, partners, refusals."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import bootstrap

from invisp_deploy.benchmark.against import check_comparable, compare, read_result
from invisp_deploy.errors import RequestError

PATH = Path("before.json")


def result(**medians: float) -> dict[str, Any]:
    """A result whose cases are named by their labels, each with four rounds of five equal calls."""
    return {
        "format": 1,
        "machine": {"processor": "x86_64 A", "cores": "2", "gpu": "none", "system": "Linux 1"},
        "clock_setup": {"governor": "performance", "boost": "on"},
        "threads": 2,
        "versions": {"numpy": "2.0", "onnxruntime": "1.32"},
        "matrix_rate": {"gflops": 100.0},
        "cases": [
            {
                "runtime": "R",
                "configuration": "edge",
                "precision": "fp32",
                "form": "mosaic",
                "direction": "forward",
                "tile": "64x64",
                "label": label,
                "p50_ms": median,
                "times_ms": [[median] * 5] * 4,
            }
            for label, median in medians.items()
        ],
    }


def test_ratios_are_before_over_now() -> None:
    found = compare(result(a=10.0, b=3.0), result(a=5.0, b=6.0), PATH)
    assert [(row["label"], row["ratio"]) for row in found["ratios"]] == [("a", 2.0), ("b", 0.5)]
    assert [(row["low"], row["high"]) for row in found["ratios"]] == [(2.0, 2.0), (0.5, 0.5)]


def test_the_interval_is_that_of_rounds_however_many_calls_a_round_has() -> None:
    """Calls of a round are alike, so ten of them say no more than one: the machine drifts from round to round."""
    drifting = [8.0, 12.0, 9.0, 11.0, 10.0, 9.5, 10.5]
    intervals = []
    for calls in (1, 10):
        before, now = result(a=10.0), result(a=10.0)
        now["cases"][0]["times_ms"] = [[one] * calls for one in drifting]
        (row,) = compare(before, now, PATH)["ratios"]
        intervals.append((row["low"], row["high"]))
    assert intervals[0] == intervals[1]
    expected = bootstrap((np.array(drifting),), np.median, vectorized=True, method="percentile", rng=0)
    low, high = expected.confidence_interval
    assert intervals[0] == pytest.approx((10 / high, 10 / low), rel=0.06)


def test_two_rounds_have_no_interval() -> None:
    before, now = result(a=10.0), result(a=10.0)
    now["cases"][0]["times_ms"] = [[8.0, 12.0], [9.0, 11.0]]
    (row,) = compare(before, now, PATH)["ratios"]
    assert row["low"] is row["high"] is None


def test_cases_without_a_partner_are_listed() -> None:
    found = compare(result(a=1.0, b=1.0), result(b=1.0, c=1.0), PATH)
    assert [row["label"] for row in found["ratios"]] == ["b"]
    assert [name.split()[0] for name in found["only_before"]] == ["a"]
    assert [name.split()[0] for name in found["only_now"]] == ["c"]


def test_other_versions_are_listed_and_not_refused() -> None:
    before, now = result(a=1.0), result(a=1.0)
    now["versions"] = {"numpy": "2.1", "torch": "3"}
    now["machine"]["system"] = "Linux 2"
    check_comparable(before, now, PATH)
    assert compare(before, now, PATH)["versions"] == {
        "numpy": ["2.0", "2.1"],
        "onnxruntime": ["1.32", None],
        "torch": [None, "3"],
    }


@pytest.mark.parametrize(
    ("place", "name", "value"),
    [
        ("machine", "processor", "x86_64 B"),
        ("machine", "gpu", "NVIDIA X"),
        ("clock_setup", "governor", "powersave"),
        ("clock_setup", "gpu power limit", "100 W"),
        ("", "threads", 1),
    ],
)
def test_another_machine_is_refused_and_named(place: str, name: str, value: Any) -> None:
    before = result(a=1.0)
    now = copy.deepcopy(before)
    (now[place] if place else now)[name] = value
    with pytest.raises(RequestError, match=rf"before\.json cannot be compared.*{name} \(.*now {value}\)"):
        check_comparable(before, now, PATH)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1}'])
def test_anything_else_is_no_result(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(RequestError, match=r"is not a measurement of `invisp bench"):
        read_result(path)


def test_a_result_reads_as_written(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(result(a=1.0)))
    assert read_result(path) == result(a=1.0)
