"""Measurements in processes of their own: a peak that is not the parent's, failures that say why."""

import numpy as np
import pytest

from invisp_deploy.benchmark.alone import run_alone
from invisp_deploy.errors import EngineError
from tests.benchmark.conftest import Small


def test_a_peak_is_not_the_parents(small: Small) -> None:
    large = np.ones(60_000_000)
    task = {"kind": "tile", "graph": str(small.folder / "forward.onnx"), "provider": None, "threads": 1}
    found = run_alone({**task, "tile": [32, 32]}, 1)
    assert 20 < found["peak_mb"] < large.nbytes / 1e6


def test_a_process_that_fails_says_why(small: Small) -> None:
    task = {"kind": "tile", "graph": "nowhere.onnx", "provider": None, "threads": 1, "tile": [32, 32]}
    with pytest.raises(EngineError, match=r"measures tile ended with 1: There is no engine nowhere\.onnx"):
        run_alone(task, 1)
