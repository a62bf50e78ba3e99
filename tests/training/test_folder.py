"""The log of a run: whole lines in the order of steps, and none that a resumed run repeats."""

from __future__ import annotations

from pathlib import Path

import pytest

from invisp_deploy.errors import OutputError
from invisp_deploy.training.folder import Log, read_log


def test_lines_are_kept_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = Log(path, 0)
    for step in (1, 2, 2):
        log.add({"step": step, "loss": step / 3})
    assert read_log(path) == [{"step": step, "loss": step / 3} for step in (1, 2, 2)]


def test_a_resumed_run_replaces_what_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for step in (1, 2, 3, 4):
        path.write_text(path.read_text() if path.exists() else "")
        Log(path, step).add({"step": step, "run": "first"})
    Log(path, 2).add({"step": 3, "run": "second"})
    assert [(line["step"], line["run"]) for line in read_log(path)] == [(1, "first"), (2, "first"), (3, "second")]
    Log(path, 0).add({"step": 1, "run": "third"})
    assert read_log(path) == [{"step": 1, "run": "third"}]


def test_no_file_is_an_empty_log(tmp_path: Path) -> None:
    assert read_log(tmp_path / "log.jsonl") == []
    with pytest.raises(OutputError, match=r"log\.jsonl"):
        Log(tmp_path / "no" / "log.jsonl", 0).add({"step": 1})
