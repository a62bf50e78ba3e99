"""Tables as data and as Markdown, and the pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.dataset.open import Dataset
from invisp_deploy.errors import RequestError
from invisp_deploy.report.markdown import number, table
from invisp_deploy.research.areas import Settings
from invisp_deploy.research.methods import Method
from invisp_deploy.research.paper import PAPER_TABLE_1, PAPER_TABLE_2
from invisp_deploy.research.plots import draw_error_maps, draw_rate, draw_training
from invisp_deploy.research.rate import rate, rate_markdown
from invisp_deploy.research.table1 import in_order, table1, table1_markdown
from invisp_deploy.research.table2 import bmp_bytes, table2, table2_markdown
from tests.graphs import CANON_30D
from tests.research.conftest import Exact

TILES = Settings(tiles=1, tile_size=64)


def rows(markdown: str) -> dict[str, list[str]]:
    lines = [line.strip("|").split("|") for line in markdown.splitlines() if line.startswith("|")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_the_paper_s_rows_stand_in_its_order(method: Callable[..., Method]) -> None:
    labels = ["mine", "InvISP, Fourier", "U-net", "UPI", "other"]
    ordered = in_order([method(label, Exact()) for label in labels])
    assert [one.label for one in ordered] == ["UPI", "U-net", "InvISP, Fourier", "mine", "other"]
    assert next(iter(PAPER_TABLE_1)) == "UPI"
    assert list(PAPER_TABLE_1)[-1] == "InvISP, Fourier"
    assert PAPER_TABLE_1["InvISP, DSQ"].canon_5d[2] == 48.22
    assert PAPER_TABLE_2["Nikon D700"]["InvISP"] == (34.98, 0.4655)


def test_table1_has_both_protocols_and_the_paper_beside(photo_set: Dataset, method: Callable[..., Method]) -> None:
    methods = [
        replace(method("U-net", Exact(0.5)), seconds=120.0, macs=(1234.0, 5678.0)),
        method("CycleISP", Exact(0.5), renders=False),
        method("of ours", Exact(0.4)),
    ]
    facts = json.loads(json.dumps(table1(methods, photo_set, TILES)))
    assert [row["label"] for row in facts["rows"]] == ["CycleISP", "U-net", "of ours"]
    assert [row["label"] for row in facts["foreign"]] == ["U-net", "of ours"]
    text = table1_markdown(facts)
    assert "1 fixed tiles of 64x64" in text
    as_run = text[text.index("As the authors ran it") : text.index("Foreign")]
    assert rows(as_run)["U-net"][3:] == ["36.48 / 0.9342", "41.17", "33.44 / 0.8893", "41.14"]
    assert rows(as_run)["CycleISP"][0] == "–"
    assert rows(as_run)["of ours"][3:] == ["–"] * 4
    ours = rows(text[: text.index("As the authors ran it")])["U-net"]
    assert ours[-3:] == ["1,234", "5,678", "2.0 min"]
    assert ours[0] == f"{facts['rows'][1]['correct']['rgb-psnr']:.2f}"
    assert "made from photographs" not in text


def test_bmp_sizes_are_those_of_eq_11() -> None:
    assert bmp_bytes(4, 6, 4095) == 54 + 4 * 6 * 12 / 8
    assert bmp_bytes(4, 6, 16383) == 54 + 4 * 6 * 14 / 8


def test_table2_counts_bytes(photo_set: Dataset, method: Callable[..., Method]) -> None:
    facts = table2([method("ours", Exact()), method("none", Exact(), renders=False)], photo_set, Settings())
    found = {row["label"]: row for row in facts["rows"]}
    assert set(found) == {"ours, JPEG", "lossy DNG", "lossless DNG"}
    for row in found.values():
        bits = row["bits per pixel"]
        assert row["ratio to BMP"] == pytest.approx(12 / bits, rel=0.02)  # not equal: means over files
        raw_bits = np.mean([8 * shot.raw_bytes / (shot.facts.height * shot.facts.width) for shot in photo_set.test])
        assert row["ratio to camera's RAW"] == pytest.approx(raw_bits / bits, rel=0.02)
    assert found["lossless DNG"]["raw-psnr"] == 100
    assert found["lossy DNG"]["raw-psnr"] > 40
    text = rows(table2_markdown(facts))
    assert text["lossless DNG"][-1] == "exact"
    assert text["Canon EOS 5D"] == ["1.52", "6.56", "27.37", "0.5237"]


def test_rate_falls_with_quality(photo_set: Dataset, method: Callable[..., Method], tmp_path: Path) -> None:
    facts = rate([method("ours", Exact())], photo_set, TILES, (70, 98))
    low, high = facts["rows"][0]["points"]
    assert low["bits per pixel"] < high["bits per pixel"]
    assert low["raw-psnr"] < high["raw-psnr"]
    assert list(rows(rate_markdown(facts)))[-2:] == ["70", "98"]
    draw_rate(tmp_path / "rate.png", facts)
    assert pixels(tmp_path / "rate.png").shape[1] > 600
    with pytest.raises(RequestError, match="'none' renders no JPEG"):
        rate([method("none", Exact(), renders=False)], photo_set, TILES, (70,))


def test_training_is_drawn_where_logs_have_it(method: Callable[..., Method], tmp_path: Path) -> None:
    path = tmp_path / "training.png"
    assert not draw_training(path, [method("silent", Exact())])
    assert not path.exists()
    log = ({"step": 1, "seconds": 60.0}, {"step": 1, "rgb_psnr": 20.0, "raw_psnr": 25.0}, {"step": 2, "seconds": 90.0})
    raw_only = ({"step": 1, "seconds": 60.0, "rgb_psnr": None, "raw_psnr": 25.0},)
    methods = [method("silent", Exact()), method("loud", Exact(), log=log), method("RAW only", Exact(), log=raw_only)]
    assert draw_training(path, methods)
    assert pixels(path).shape[0] > 300


def test_error_maps_show_every_method(photo_set: Dataset, method: Callable[..., Method], tmp_path: Path) -> None:
    methods = [method(str(index), Exact(error=index / 10)) for index in range(4)]
    for settings in (TILES, Settings(tile_size=128)):
        draw_error_maps(tmp_path / "a.png", methods, photo_set, CANON_30D, settings)
        assert pixels(tmp_path / "a.png").std() > 20


def test_markdown() -> None:
    assert (number(None, 2), number(1234.5, 1), number(0.12345, 4)) == ("–", "1,234.5", "0.1235")
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
