"""scripts/bench_process.py: whole processes in turns, and what became of their time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from invisp_deploy.config import NetworkConfig
from tests.graphs import CANON_30D, write_graphs

SCRIPT = Path(__file__).parent.parent / "scripts" / "bench_process.py"


def bench(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *map(str, words)], capture_output=True, text=True, check=False)


def test_parts_and_ratios_come_from_the_turns(small_dng: Path, tmp_path: Path) -> None:
    write_graphs(tmp_path, NetworkConfig(2, 8, 2), CANON_30D)
    done = bench(small_dng, "--megapixels", "0.1", "--model", tmp_path, "--turns", "1", "--json")
    assert done.returncode == 0, done.stderr
    given, made = json.loads(done.stdout)["cases"]
    assert (given["file"], given["megapixels"]) == ("small.dng", 256 * 256 / 1e6)
    assert made["megapixels"] == pytest.approx(0.1, rel=0.02)
    for case in (given, made):
        (peer,) = case["runs"]["peer"]["seconds"]
        for way in ("forward", "back"):
            run = case["runs"][way]
            assert case["ratios"][way] == run["seconds"][0] / peer
            assert sum(part[0] for part in run["parts"].values()) == pytest.approx(run["seconds"][0])
            assert min(part[0] for part in run["parts"].values()) >= 0
            assert run["memory"][0] > 30, "an interpreter with numpy is larger"


def test_a_process_that_fails_ends_the_comparison(small_dng: Path, tmp_path: Path) -> None:
    done = bench(small_dng, "--model", tmp_path / "none", "--turns", "1")
    assert done.returncode == 1
    assert "There is no model" in done.stderr
    assert "Traceback" not in done.stderr
