"""The table of tolerances is read by name, and every name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from invisp_deploy.graph_card import PRECISIONS
from invisp_deploy.tolerances import (
    CODE_PARITY,
    ENGINE_PARITY,
    PARITY,
    TOLERANCES,
    Parity,
    engine_parity,
    parity_for,
)

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


TABLES = {"graph": PARITY, "graph, codes": CODE_PARITY, "engine": ENGINE_PARITY}


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_precision_has_limits_with_a_reason_and_stricter_ones_with_more_bits(table: dict[str, Parity]) -> None:
    assert tuple(table) == PRECISIONS
    for limits in table.values():
        assert limits.psnr > 20
        assert limits.round_trip_psnr > 20
        assert 0 < limits.max_abs < 1
        assert len(limits.reason.split()) > 3
    psnrs = [limits.psnr for limits in table.values()]
    assert psnrs[0] == max(psnrs)


def test_an_engine_is_held_to_its_graph_and_a_graph_to_fp32() -> None:
    for precision in PRECISIONS:
        assert parity_for(precision) == PARITY[precision]
        assert parity_for(precision, codes=True) == CODE_PARITY[precision]
        assert engine_parity(precision, None) == ENGINE_PARITY[precision]
    margin = TOLERANCES["engine-self"].limit
    assert engine_parity("int8", 66).psnr == 66 - margin > CODE_PARITY["int8"].psnr
    assert engine_parity("int8", 200).psnr == TOLERANCES["engine-most"].limit
