"""The table of tolerances is read by name, and every name exists."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from invisp_deploy.graph_card import PRECISIONS
from invisp_deploy.runtimes.tensorrt.engine_card import BACKENDS
from invisp_deploy.tolerances import PARITY, TOLERANCES, parity_for

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


@pytest.mark.parametrize("key", sorted(PARITY), ids="/".join)
def test_every_runtime_precision_and_direction_has_limits_with_a_reason(key: tuple[str, str, str]) -> None:
    limits = PARITY[key]
    assert limits.psnr > 20
    assert limits.round_trip_psnr > 20
    assert 0 < limits.max_abs < 1
    assert len(limits.reason.split()) > 3


def test_the_table_is_complete_and_stricter_with_more_bits() -> None:
    runtimes = {"onnxruntime", *BACKENDS}
    assert set(PARITY) == set(product(runtimes, PRECISIONS, ("forward", "inverse")))
    for runtime in runtimes:
        psnrs = [parity_for(runtime, precision, "forward").psnr for precision in PRECISIONS]
        assert psnrs == sorted(psnrs, reverse=True)
