"""invisp prepare raws as people call it: folders in, a dataset out, every bad request a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from invisp_deploy.cli.main import main
from invisp_deploy.dataset.open import open_dataset
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw, render_libraw
from tests.cli.refusal import refused_at_once as refused


@pytest.fixture
def folder(small_frame: RawFrame, tmp_path: Path) -> Callable[..., Path]:
    """Fills a folder with small DNGs."""

    def fill(name: str, *names: str, model: str = "Canon EOS 30D", size: tuple[int, int] = (64, 80)) -> Path:
        (tmp_path / name).mkdir(exist_ok=True)
        for index, one in enumerate(names):
            part = np.ascontiguousarray(small_frame.mosaic[2 * index : 2 * index + size[0], : size[1]])
            write_dng(tmp_path / name / f"{one}.dng", replace(small_frame, mosaic=part, model=model))
        return tmp_path / name

    return fill


def raws(*arguments: object, jobs: int = 1) -> Result:
    return CliRunner().invoke(main, ["prepare", "raws", *map(str, arguments), "--jobs", str(jobs)])


def test_a_folder_becomes_a_dataset(folder: Callable[..., Path], tmp_path: Path) -> None:
    result = raws(folder("raws", *"abcdef"), "-o", tmp_path / "data", "--made", folder("made", "m1", "m2"), jobs=2)
    assert result.exit_code == 0, result.output
    first, second = result.stdout.splitlines()
    assert first.startswith(f"wrote {tmp_path / 'data'} (")
    assert first.endswith(" MB) of Canon EOS 30D: 7 files to train on (2 made), 1 to test with (0 made), 0 refused")
    assert second == f"next: invisp train {tmp_path / 'data'} -o run/"
    dataset = open_dataset(tmp_path / "data")
    assert (dataset.quality, dataset.subsampling) == (90, "4:2:2")
    assert (len(dataset.train), len(dataset.test)) == (7, 1)


def test_options_are_those_of_the_dataset(folder: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("b\nd.dng\n")
    given = ("--quality", 75, "--subsampling", "4:2:0", "--test-list", tmp_path / "list.txt", "--seed", 3)
    assert raws(folder("raws", *"abcd"), "-o", tmp_path / "data", *given).exit_code == 0
    dataset = open_dataset(tmp_path / "data")
    assert (dataset.quality, dataset.subsampling, dataset.options.seed) == (75, "4:2:0", 3)
    assert [shot.name for shot in dataset.test] == ["b", "d"]
    assert raws(tmp_path / "raws", "-o", tmp_path / "half", "--test-share", 0.5).exit_code == 0
    assert len(open_dataset(tmp_path / "half").test) == 2


def test_refused_files_are_reported_and_the_rest_written(folder: Callable[..., Path], tmp_path: Path) -> None:
    source = folder("raws", *"ab")
    (source / "text.CR2").write_text("no RAW file " * 200)
    result = raws(source, "-o", tmp_path / "data")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0].startswith(f"Error: {source / 'text.CR2'} is not a RAW file")
    assert "1 files to train on (0 made), 1 to test with (0 made), 1 refused" in result.stdout
    again = raws(source, "-o", tmp_path / "data", "--resume", "--json")
    assert again.exit_code == 1
    data = json.loads(again.stdout)
    assert [one["path"] for one in data["refused"]] == [str(source / "text.CR2")]
    assert (data["camera"], data["train"], data["test"], data["made"]) == ("Canon EOS 30D", 1, 1, 0)
    assert data["raw_bytes"] == sum(path.stat().st_size for path in source.glob("*.dng"))
    assert data["jpeg_bytes"] == sum(path.stat().st_size for path in (tmp_path / "data" / "targets").iterdir())
    assert data["mosaic_bytes"] == sum(path.stat().st_size for path in (tmp_path / "data" / "mosaics").iterdir())


def test_files_of_two_cameras_are_one_dataset(folder: Callable[..., Path], tmp_path: Path) -> None:
    result = raws(folder("raws", "a"), folder("other", "b", model="Canon EOS 5D"), "-o", tmp_path / "data")
    assert result.exit_code == 0, result.output
    assert "of 2 cameras: 1 files to train on" in result.stdout


def test_sources_that_will_not_do(folder: Callable[..., Path], tmp_path: Path) -> None:
    out = ("-o", tmp_path / "data")
    good, empty = folder("raws", "a"), folder("empty")
    refused(raws(tmp_path / "absent", *out), 2, "no file or folder", "absent")
    refused(raws(empty, *out), 2, "empty holds no RAW files")
    refused(raws(good, folder("twin", "a"), *out), 2, "Two files are named a")
    refused(raws(*out), 2, "PATHS")
    assert not (tmp_path / "data").exists()


def test_outputs_that_cannot_be(folder: Callable[..., Path], tmp_path: Path) -> None:
    good = folder("raws", "a")
    file, full = tmp_path / "file", tmp_path / "full"
    file.write_text("mine")
    full.mkdir()
    (full / "mine").write_text("mine")
    refused(raws(good, "-o", file), 2, "file is a file")
    refused(raws(good, "-o", full), 2, "full exists already", "--resume")
    refused(raws(good, "-o", full, "--resume"), 2, "no dataset to resume")
    refused(raws(good, "-o", tmp_path / "no" / "data"), 2, "does not exist")
    refused(raws(good, "-o", "/proc/invisp"), 1, "/proc/invisp could not be written")


def test_options_that_exclude_each_other_or_do_not_fit(folder: Callable[..., Path], tmp_path: Path) -> None:
    good, out = folder("raws", "a"), ("-o", tmp_path / "data")
    names = tmp_path / "list.txt"
    names.write_text("a\nzebra\n")
    refused(raws(good, *out, "--test-list", names, "--test-share", 0.2), 2, "exclude each other")
    refused(raws(good, *out, "--test-list", names), 2, "1 of the 2 names", "'zebra'")
    refused(raws(good, *out, "--test-list", tmp_path / "absent.txt"), 2, "absent.txt could not be read")
    refused(raws(good, *out, "--test-share", 1.5), 2, "--test-share must be at least 0 and below 1, got 1.5")
    for option, value in (("--quality", 0), ("--subsampling", "4:1:1"), ("--seed", -1)):
        refused(raws(good, *out, option, value), 2, option)
    assert not (tmp_path / "data").exists()


def test_other_options_do_not_resume(folder: Callable[..., Path], tmp_path: Path) -> None:
    good, out = folder("raws", "a", "b"), ("-o", tmp_path / "data")
    assert raws(good, *out).exit_code == 0
    refused(raws(good, *out, "--resume", "--quality", 80), 2, "was begun with quality 90, now 80")
    assert raws(good, *out, "--resume").exit_code == 0


def test_an_interrupt_keeps_the_json_of_what_is_done(
    folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(path: Path, *rest: Any, **settings: Any) -> Any:
        if path.stem == "c":
            raise KeyboardInterrupt
        return read_raw(path, *rest, **settings)

    monkeypatch.setattr("invisp_deploy.dataset.write.read_raw", interrupted)
    sources = folder("raws", *"acd")
    (sources / "b.dng").write_text("no RAW file")
    result = raws(sources, "-o", tmp_path / "data", "--json")
    assert result.exit_code == 130
    told = json.loads(result.stdout)
    assert (told["finished"], told["done"], told["left"]) == (False, 1, 2)
    assert [Path(row["path"]).name for row in told["refused"]] == ["b.dng"]
    monkeypatch.undo()
    assert json.loads(raws(sources, "-o", tmp_path / "data", "--json", "--resume").stdout)["finished"] is True


def test_pictures_of_other_programs_are_told_file_by_file(folder: Callable[..., Path], tmp_path: Path) -> None:
    """Here of a program that renders as LibRaw does and cuts a rim off."""
    good, out = folder("raws", "a", "b", size=(200, 240)), tmp_path / "data"
    (tmp_path / "pictures").mkdir()
    for path in good.iterdir():
        Image.fromarray(render_libraw(path)[4:-4, 6:-6]).save(tmp_path / "pictures" / f"{path.stem}.png")
    (tmp_path / "pictures" / "b.png").unlink()
    result = raws(good, "-o", out, "--target", tmp_path / "pictures")
    assert result.exit_code == 1
    assert "b.dng: no picture of its name in" in result.stderr
    assert result.stdout.splitlines()[0].startswith(f"{good / 'a.dng'}: as it was, scale 1.0")
    assert f"sheets of registrations: {out / 'sheets'}" in result.stdout.splitlines()
    assert [path.name for path in (out / "sheets").iterdir()] == ["a.jpg"]
    again = raws(good, "-o", out, "--target", tmp_path / "pictures", "--resume", "--json")
    (found,) = json.loads(again.stdout)["registered"].values()
    assert found["rows"][0] == pytest.approx(-4, abs=0.5)
    assert found["columns"][0] == pytest.approx(-6, abs=0.5)


def test_targets_that_cannot_be(folder: Callable[..., Path], tmp_path: Path) -> None:
    good, out = folder("raws", "a"), ("-o", tmp_path / "data")
    refused(raws(good, *out, "--target", tmp_path / "absent"), 2, "--target is beside, preview, libraw or a folder")
    refused(raws(good, *out, "--render", "no-such-program {raw} {out}"), 2, "--render starts 'no-such-program'")
    refused(raws(good, *out, "--render", "cp {raw}"), 2, "--render must name {out}")
    refused(raws(good, *out, "--render", "cp {raw} {out}", "--target", "beside"), 2, "--target and --render exclude")
    small = raws(good, *out, "--target", "beside")
    assert small.exit_code == 1
    assert small.stderr.splitlines()[-1].startswith("Error: None of the 1 files could be used: ")
    assert not (tmp_path / "data").exists()
