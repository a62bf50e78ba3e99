"""The experiments as data, and the pages of these data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from invisp_deploy.dataset.open import Dataset
from invisp_deploy.errors import RequestError
from invisp_deploy.report.experiments import PAPER_TABLE_1, rate_page, table1_page, table2_page
from invisp_deploy.research.areas import Terms
from invisp_deploy.research.experiments import bmp_bytes, error_maps, in_order, rate, table1, table2
from invisp_deploy.research.methods import Method
from invisp_deploy.research.protocol import judge
from tests.graphs import CANON_30D
from tests.research.conftest import Exact

TILES = Terms(tiles=1, tile_size=64)


def rows(markdown: str) -> dict[str, list[str]]:
    lines = [line.strip("|").split("|") for line in markdown.splitlines() if line.startswith("|")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_the_paper_s_rows_stand_in_its_order(method: Callable[..., Method]) -> None:
    labels = ["mine", "InvISP, Fourier", "U-net", "UPI", "other"]
    ordered = in_order([method(label, Exact()) for label in labels])
    assert [one.label for one in ordered] == ["UPI", "U-net", "InvISP, Fourier", "mine", "other"]
    assert next(iter(PAPER_TABLE_1)) == "UPI"
    assert list(PAPER_TABLE_1)[-1] == "InvISP, Fourier"


def test_table1_has_both_protocols_and_the_paper_beside(photo_set: Dataset, method: Callable[..., Method]) -> None:
    methods = [
        replace(method("U-net", Exact(0.5)), seconds=120.0, macs=(1234.0, 5678.0)),
        method("CycleISP", Exact(0.5), renders=False),
        method("of ours", Exact(0.4)),
    ]
    facts = json.loads(json.dumps(table1(methods, photo_set, TILES)))
    assert [row["label"] for row in facts["rows"]] == ["CycleISP", "U-net", "of ours"]
    assert [row["label"] for row in facts["foreign"]] == ["U-net", "of ours"]
    text = table1_page(facts)
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
    facts = table2([method("ours", Exact()), method("none", Exact(), renders=False)], photo_set, Terms())
    found = {row["label"]: row for row in facts["rows"]}
    assert set(found) == {"ours, JPEG", "lossy DNG", "lossless DNG"}
    for row in found.values():
        bits = row["bits per pixel"]
        assert row["ratio to BMP"] == pytest.approx(12 / bits, rel=0.02)  # not equal: means over files
        raw_bits = np.mean([8 * shot.raw_bytes / (shot.facts.height * shot.facts.width) for shot in photo_set.test])
        assert row["ratio to camera's RAW"] == pytest.approx(raw_bits / bits, rel=0.02)
    assert found["lossless DNG"]["raw-psnr"] == 100
    assert found["lossy DNG"]["raw-psnr"] > 40
    text = rows(table2_page(facts))
    assert text["lossless DNG"][-1] == "exact"
    assert text["Canon EOS 5D"] == ["1.52", "6.56", "27.37", "0.5237"]


def test_table2_counts_the_record_of_the_way_back(photo_set: Dataset, method: Callable[..., Method]) -> None:
    ours = method("ours", Exact(), weights="0123456789abcdef" * 4)
    (row,) = (row for row in table2([ours], photo_set, TILES)["rows"] if row["label"] == "ours, JPEG")
    judged = judge(ours, photo_set, CANON_30D.cfa, TILES)
    tiles = len(photo_set.test)
    more = (row["bits per pixel"] * judged.pixels / tiles - 8 * judged.jpeg_bytes / tiles) / 8
    assert 200 < more < 600


def test_rate_falls_with_quality(photo_set: Dataset, method: Callable[..., Method]) -> None:
    facts = rate([method("ours", Exact())], photo_set, TILES, (70, 98))
    low, high = facts["rows"][0]["points"]
    assert low["bits per pixel"] < high["bits per pixel"]
    assert low["raw-psnr"] < high["raw-psnr"]
    assert list(rows(rate_page(facts)))[-2:] == ["70", "98"]
    with pytest.raises(RequestError, match="'none' renders no JPEG"):
        rate([method("none", Exact(), renders=False)], photo_set, TILES, (70,))


def test_error_maps_show_every_method_the_worst_brightest(photo_set: Dataset, method: Callable[..., Method]) -> None:
    methods = [method(str(index), Exact(error=index / 100)) for index in range(3)]
    for terms, edge in ((TILES, 64), (Terms(tile_size=128), 128)):
        panels = error_maps(methods, photo_set, CANON_30D.cfa, terms)
        assert next(iter(panels)).endswith(", LibRaw")
        assert list(panels)[1:] == ["0", "1", "2"]
        assert next(iter(panels.values())).shape == (edge, edge, 3)
        means = [float(panels[name].mean()) for name in "012"]
        assert means[0] < means[1] < means[2]
