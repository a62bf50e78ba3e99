"""The table over files: one rendering by LibRaw a file, what ends it, and what it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.bars import Bar
from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.errors import ContractError, OutputError
from invisp_deploy.evaluation import files, roundtrip
from invisp_deploy.evaluation.files import report_files
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import render_libraw
from invisp_deploy.rendering.model import Model
from invisp_deploy.rendering.options import RunOptions
from tests.graphs import CANON_30D, write_graphs


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Model, Model]]:
    models = []
    for name, config in (("ours", NetworkConfig(1, 4, 2)), ("theirs", CONFIGURATIONS["closed-form"])):
        (tmp_path / name).mkdir()
        models.append(write_graphs(tmp_path / name, config, CANON_30D).model())
    with models[0] as ours, models[1] as theirs:
        yield ours, theirs


@pytest.fixture
def raws(small_frame: RawFrame, tmp_path: Path) -> list[Path]:
    """Two crops; the second dark, so that it comes back exactly where nothing but the steps is computed."""
    second = replace(small_frame, mosaic=np.full_like(small_frame.mosaic, 128)[:128], black=(128.0,) * 4)
    for name, frame in (("a.dng", small_frame), ("b.dng", second)):
        write_dng(tmp_path / name, frame)
    return [tmp_path / "a.dng", tmp_path / "b.dng"]


def test_libraw_renders_a_file_once_for_both_models(
    pair: tuple[Model, Model], raws: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = []
    monkeypatch.setattr(roundtrip, "render_libraw", lambda path: rendered.append(path) or render_libraw(path))
    told = []

    class Told:
        def update(self, count: int) -> None:
            told.append(count)

        def set_postfix_str(self, text: str, refresh: bool) -> None:
            told.append(text)

    @contextmanager
    def bars(total: int, description: str) -> Iterator[Bar]:
        told.append(total)
        yield Told()

    facts = report_files(raws, tmp_path / "out", *pair, RunOptions(), bars)
    assert rendered == raws
    assert told == [2, "a.dng", 1, "b.dng", 1]
    assert json.loads((tmp_path / "out" / "files.json").read_text(), parse_constant=pytest.fail) == facts


def test_what_comes_back_exactly_has_no_figure_and_no_part_in_the_mean(
    pair: tuple[Model, Model], raws: list[Path], tmp_path: Path
) -> None:
    facts = report_files(raws, tmp_path / "out", *pair, RunOptions())
    first, dark = facts["files"]
    assert dark["against"]["raw-psnr"] is None
    assert dark["model"]["raw-psnr"] is not None
    assert dark["gain"]["raw-psnr"] is None
    assert facts["mean"]["against"]["raw-psnr"] == first["against"]["raw-psnr"]
    assert facts["mean"]["gain"]["raw-psnr"] == first["gain"]["raw-psnr"]
    assert facts["mean"]["model"]["raw-psnr"] == (first["model"]["raw-psnr"] + dark["model"]["raw-psnr"]) / 2


def test_an_exception_of_any_kind_is_that_file_s_line(
    pair: tuple[Model, Model], raws: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(path: Path) -> object:
        if path == raws[0]:
            raise TypeError("a fault of ours")
        return render_libraw(path)

    monkeypatch.setattr(roundtrip, "render_libraw", render)
    facts = report_files(raws, tmp_path / "table", *pair, RunOptions())
    assert [row["file"] for row in facts["files"]] == ["b.dng"]
    (line,) = facts["refused"]
    assert line["file"] == "a.dng"
    assert "please report it: TypeError: a fault of ours (roundtrip.py:" in line["why"]


def test_a_disk_that_fails_ends_it_and_leaves_nothing(
    pair: tuple[Model, Model], raws: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise OutputError("The disk is full.")

    monkeypatch.setattr(files, "metrics_of", full)
    with pytest.raises(OutputError, match="disk is full"):
        report_files(raws, tmp_path / "out", *pair, RunOptions())
    assert not (tmp_path / "out").exists()


def test_a_pair_that_does_not_fit_is_refused_before_any_file(raws: list[Path], tmp_path: Path) -> None:
    graphs = write_graphs(tmp_path, NetworkConfig(1, 4, 2), CANON_30D)
    (tmp_path / "other").mkdir()
    other = write_graphs(tmp_path / "other", NetworkConfig(1, 4, 2), CANON_30D, seed=3)
    other.inverse.replace(graphs.inverse)
    absent = [tmp_path / "absent.dng"]
    with graphs.model() as mixed, pytest.raises(ContractError, match="the other direction"):
        report_files(absent, tmp_path / "out", mixed, mixed, RunOptions())
    assert not (tmp_path / "out").exists()
