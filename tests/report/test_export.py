"""The page of an export, from the facts that the shipped models carry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import invisp_deploy
from invisp_deploy.report.export import export_page

REPORTS = sorted((Path(invisp_deploy.__file__).parent / "models").glob("*/report.json"))


def words(text: str) -> list[str]:
    return sorted(text.replace(",", "").split())


@pytest.fixture(params=REPORTS, ids=lambda path: path.parent.name)
def report(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_the_page_says_what_stands_beside_the_facts(report: Path) -> None:
    """But for the order of what JSON has sorted."""
    page = export_page(json.loads(report.read_text(encoding="utf-8")))
    assert words(page) == words(report.with_suffix(".md").read_text(encoding="utf-8"))


def test_warnings_phases_and_kept_layers_are_told(report: Path) -> None:
    facts: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    facts["warnings"] = ["the condition is bad"]
    facts["precision"], facts["scales"], facts["kept"] = "int8", "0123456789abcdef", ["block0.F.conv1"]
    facts["phases"] = [{"cfa": "GBRG", "bits": 8, "codes": 1, "picture_psnr": 71.25, "mosaic_psnr": 80.0}]
    page = export_page(facts)
    assert "**Warning:** the condition is bad" in page
    assert "| int8; scales `0123456789ab`; fp16: block0.F.conv1 |" in page
    assert "| GBRG | 8 | 1 | 71.2 | 80.0 |" in page
