"""A peak is this process's own, and what the kernel's tools call it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.memory import forget_peak, peak_memory

ROOT = Path(__file__).parent.parent


def test_a_peak_grows_with_what_is_taken_and_is_forgotten() -> None:
    large = np.ones(60_000_000)
    assert peak_memory() > large.nbytes
    del large
    forget_peak()
    before = peak_memory()
    again = np.ones(20_000_000)
    assert peak_memory() - before == pytest.approx(again.nbytes, rel=0.1)


def test_a_child_does_not_take_over_the_peak_of_its_parent() -> None:
    """`getrusage` of a child would start from this process's maximum."""
    large = np.ones(60_000_000)
    code = "from invisp_deploy.memory import peak_memory; print(peak_memory())"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert 1_000_000 < int(done.stdout) < large.nbytes / 2
