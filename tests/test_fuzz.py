"""Some thousand files that nobody wrote: each ends in a result or in a sentence. `make fuzz` does it for long."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from invisp_deploy.errors import UnexpectedError
from tests.fuzz.target import Target, fuzz
from tests.fuzz.targets import TARGETS

RUNS = 40
"""Of a target with a share of one."""


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "_"))
def test_whatever_is_read_ends_in_a_result_or_a_sentence(target: Target, tmp_path: Path) -> None:
    outcome = fuzz(target, max(int(RUNS * target.share), len(target.corpus()) + 10), tmp_path)
    assert list(outcome.broken.values()) == []
    assert outcome.slowest < 10


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "_"))
def test_what_is_changed_is_read_in_the_first_place(target: Target, tmp_path: Path) -> None:
    """Else refusals would be of the corpus, and nothing behind them was run."""
    whole = fuzz(replace(target, change=lambda data, *_: data), len(target.corpus()), tmp_path)
    assert whole.refused < whole.runs or target.name.startswith("beginnings")


@pytest.mark.parametrize("error", [KeyError("a"), MemoryError(), RecursionError(), UnexpectedError("of ours")])
def test_what_breaks_is_kept_with_its_bytes(error: Exception, tmp_path: Path) -> None:
    def read(data: bytes, folder: Path) -> None:
        raise error

    outcome = fuzz(Target("broken", lambda: [b"abc"], read), 5, tmp_path)
    ((data, trace),) = outcome.broken.values()
    assert data == b"abc"
    assert type(error).__name__ in trace
    assert (outcome.runs, outcome.refused) == (5, 0)
