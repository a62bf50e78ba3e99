"""Modules stay small enough to be read at one go."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MOST_LINES = 400


@pytest.mark.parametrize(
    "path",
    sorted([*ROOT.glob("invisp_deploy/**/*.py"), *ROOT.glob("scripts/*.py")]),
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_a_module_has_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
