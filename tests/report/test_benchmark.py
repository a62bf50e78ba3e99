"""The page of a benchmark, from measurements of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invisp_deploy.report.benchmark import result_lines, write_benchmark_report

MEASURED = Path(__file__).parent / "measured"


@pytest.fixture
def peers() -> dict[str, Any]:
    result: dict[str, Any] = json.loads((MEASURED / "bench_peers_forward_512.json").read_text(encoding="utf-8"))
    return result


def test_every_row_stands_in_one_padded_table(peers: dict[str, Any]) -> None:
    table = [line for line in result_lines(peers) for line in line.splitlines() if line.startswith("|")]
    assert len({len(line) for line in table}) == 1, "cells are padded"
    assert len(table) == 2 + len(peers["cases"])
    for line, row in zip(table[2:], peers["cases"], strict=True):
        assert f" {row['runtime']} " in line
        assert f" {row['p50_ms']:.2f} " in line
    assert "J/MP" not in table[0], "a column that nobody fills is left out"


def test_failures_definitions_and_copies_are_told(peers: dict[str, Any]) -> None:
    peers["failed"] = [{"case": "torch.compile", "why": "failed: no compiler"}]
    peers["cases"][0]["parts_ms"] = {"in": 1.0, "compute": 3.0, "out": 2.0}
    peers["cases"][0]["memory_failed"] = "There is no engine."
    text = "\n".join(result_lines(peers))
    assert "- torch.compile: failed: no compiler" in text
    assert "1.00 / 3.00 / 2.00" in text
    assert "There is no engine." in text
    assert all(f"- {name}: {meaning}." in text for name, meaning in peers["definitions"].items())


@pytest.mark.parametrize(
    ("name", "pictures"), [("bench_edge_nano_512", ["latency"]), ("bench_sizes", ["sizes"]), ("bench_file_8mp", [])]
)
def test_a_report_is_the_page_the_facts_and_the_pictures(name: str, pictures: list[str], tmp_path: Path) -> None:
    result = json.loads((MEASURED / f"{name}.json").read_text(encoding="utf-8"))
    page = write_benchmark_report(tmp_path, result)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == result
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == pictures
    for picture in pictures:
        assert f"({picture}.png)" in page.read_text(encoding="utf-8")
        with Image.open(tmp_path / f"{picture}.png") as image:
            assert image.width == 900
