"""Whole frames in processes of their own: sizes, lines, and a peak that is not the parent's."""

import numpy as np
import pytest
from scipy.stats import linregress

from invisp_deploy.benchmark.cases import Candidate
from invisp_deploy.benchmark.frames import fit_line, frame_shape, measure_sizes
from tests.benchmark.conftest import Small


@pytest.mark.parametrize("megapixels", [0.3, 2, 45])
def test_a_frame_is_three_to_two_and_of_that_size(megapixels: float) -> None:
    height, width = frame_shape(megapixels, 4)
    assert (height % 4, width % 4) == (0, 0)
    assert width / height == pytest.approx(1.5, rel=0.01)
    assert height * width / 1e6 == pytest.approx(megapixels, rel=0.02)


def test_a_line_is_scipys() -> None:
    random = np.random.default_rng(0)
    x = [0.3, 1.0, 2.0, 8.0, 24.0]
    y = [3 + 2 * one + random.normal(0, 0.5) for one in x]
    expected = linregress(x, y)
    found = fit_line(x, y)
    assert found == pytest.approx({"a": expected.intercept, "b": expected.slope, "r2": expected.rvalue**2})
    assert fit_line(x[:2], y[:2]) is None


def test_both_directions_take_turns_at_each_size(small: Small) -> None:
    sources = [Candidate(small.folder / f"{way}.onnx", way) for way in ("forward", "inverse")]
    done: list[int] = []
    curves = measure_sizes(sources, [0.02, 0.05], 1, progress=done.append)
    assert [curve["graph"] for curve in curves] == ["forward", "inverse"]
    assert len(done) == 4
    for curve in curves:
        assert [row["megapixels"] for row in curve["rows"]] == pytest.approx([0.02, 0.05], rel=0.05)
        assert all(row["seconds"] > 0 and row["tiles"] == 1 and row["computed"] == 1 for row in curve["rows"])
        assert curve["seconds"] is None, "two points are no line"
