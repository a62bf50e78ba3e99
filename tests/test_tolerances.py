"""The table of tolerances is read by name, and every name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from invisp_deploy.tolerances import TOLERANCES

ROOT = Path(__file__).parent.parent
USED = {
    name
    for folder in ("invisp_deploy", "tests")
    for file in (ROOT / folder).rglob("*.py")
    for name in re.findall(r"""TOLERANCES\[["']([\w-]+)["']\]""", file.read_text())
}


def test_names_that_are_read_exist() -> None:
    assert set(TOLERANCES) >= USED
    assert "golden" in USED


@pytest.mark.parametrize("name", sorted(TOLERANCES))
def test_each_tolerance_has_a_limit_a_unit_and_a_reason(name: str) -> None:
    tolerance = TOLERANCES[name]
    assert tolerance.limit > 0
    assert tolerance.unit
    assert len(tolerance.reason.split()) > 3
