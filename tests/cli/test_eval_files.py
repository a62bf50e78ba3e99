"""invisp eval files as people call it: the figures of `invisp eval roundtrip`, what is refused, what is left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rawpy
from click.testing import CliRunner, Result
from PIL import Image

from invisp_deploy.cli.main import main
from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.evaluation.metrics import DEFINITIONS
from invisp_deploy.evaluation.roundtrip import Original, metrics_of
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from tests.cli.refusal import refused_at_once as refused
from tests.graphs import CANON_30D, write_graphs

OPTIONS = ("--quality", 80, "--subsampling", "4:2:0", "--memory", 16)
ALONE = ("--raw-budget", "0")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model and what it is compared with: the same steps around no network."""
    folder = tmp_path_factory.mktemp("models")
    for name, config in (("ours", NetworkConfig(2, 8, 2)), ("theirs", CONFIGURATIONS["closed-form"])):
        (folder / name).mkdir()
        write_graphs(folder / name, config, CANON_30D)
    return folder / "ours", folder / "theirs"


@pytest.fixture(scope="module")
def raws(small_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: a bright crop that clips, one of another camera, one that is damaged, one that does not clip."""
    folder = tmp_path_factory.mktemp("raws")
    bright = np.minimum(small_frame.mosaic.astype(int) * 5, 4095).astype(np.uint16)
    write_dng(folder / "bright.dng", replace(small_frame, mosaic=bright))
    write_dng(folder / "other.dng", replace(small_frame, make="Maker", model="Other 1"))
    (folder / "text.CR2").write_text("hello" * 500)
    write_dng(folder / "usual.dng", replace(small_frame, mosaic=small_frame.mosaic[:128]))
    return folder


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["eval", *map(str, arguments)])


def table(raws: object, out: Path, models: tuple[Path, Path], *options: object) -> Result:
    return evaluate("files", raws, "-o", out, "--model", models[0], "--against", models[1], "--threads", 1, *options)


@pytest.fixture(scope="module")
def found(
    raws: Path, models: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Result, dict[str, Any]]:
    out = tmp_path_factory.mktemp("out") / "table"
    result = table(raws, out, models, *OPTIONS)
    assert result.exit_code == 0, result.output
    return out, result, json.loads((out / "files.json").read_text(), parse_constant=pytest.fail)


def test_figures_are_those_of_single_round_trips(
    found: tuple[Path, Result, dict[str, Any]], raws: Path, models: tuple[Path, Path], tmp_path: Path
) -> None:
    facts = found[2]
    assert [row["file"] for row in facts["files"]] == ["bright.dng", "usual.dng"]
    for row in facts["files"]:
        for key, model in zip(("model", "against"), models, strict=True):
            out = tmp_path / row["file"] / key
            out.mkdir(parents=True)
            alone = evaluate("roundtrip", raws / row["file"], "-o", out, "--model", model, "--json", *OPTIONS, *ALONE)
            assert row[key] == pytest.approx(json.loads(alone.stdout)["metrics"], abs=1e-6)
        assert row["camera"] == "Canon EOS 30D"
    bright, usual = facts["files"]
    assert (bright["size"], usual["size"]) == ([256, 256], [256, 128])
    assert None not in bright["gain"].values()
    assert usual["model"]["raw-psnr-clipped"] is None
    assert (facts["quality"], facts["subsampling"], facts["definitions"]) == (80, "4:2:0", DEFINITIONS)
    assert [facts[key]["name"] for key in ("model", "against")] == [str(model) for model in models]
    assert facts["model"]["weights"] != facts["against"]["weights"]


def test_gains_means_and_clipped_shares(found: tuple[Path, Result, dict[str, Any]], raws: Path) -> None:
    facts = found[2]
    for row in facts["files"]:
        with rawpy.imread(str(raws / row["file"])) as raw:
            target = raw.postprocess(use_camera_wb=True, no_auto_bright=True)
        assert row["clipped"] == (target > 249).any(-1).mean()
        for name in ("rgb-psnr", "raw-psnr-unclipped"):
            assert row["gain"][name] == pytest.approx(row["model"][name] - row["against"][name])
    assert facts["files"][0]["clipped"] > 0.02
    for key in ("model", "against", "gain"):
        first, second = (row[key]["rgb-psnr"] for row in facts["files"])
        assert facts["mean"][key]["rgb-psnr"] == pytest.approx((first + second) / 2)
        assert facts["mean"][key]["raw-psnr-clipped"] == facts["files"][0][key]["raw-psnr-clipped"]
    assert facts["files"][0]["gain"]["rgb-psnr"] != 0


def test_a_refused_file_is_a_line_and_ends_nothing(found: tuple[Path, Result, dict[str, Any]], raws: Path) -> None:
    out, result, facts = found
    reasons = {row["file"]: row["why"] for row in facts["refused"]}
    assert list(reasons) == ["other.dng", "text.CR2"]
    assert "Maker Other 1" in reasons["other.dng"]
    assert reasons["text.CR2"].startswith("text.CR2 is not a RAW file")
    assert str(raws) not in (out / "files.md").read_text(), "files by their names, wherever they lie"
    assert f"| text.CR2 | {reasons['text.CR2']} |" in (out / "files.md").read_text()
    lines = result.stdout.splitlines()
    assert [line for line in lines if line.startswith("refused other.dng: ") and "--force" in line]
    assert lines[-1] == f"wrote files.json, files.md, files.png in {out}"
    assert result.stderr == ""


def test_the_table_is_printed_and_written_and_drawn(found: tuple[Path, Result, dict[str, Any]]) -> None:
    out, result, facts = found
    assert sorted(path.name for path in out.iterdir()) == ["files.json", "files.md", "files.png"]
    page = (out / "files.md").read_text()
    cells = {line.split("|")[1].strip(): line for line in result.stdout.splitlines() if line.startswith("| ")}
    for row in [*facts["files"], {"file": "mean", **facts["mean"]}]:
        theirs, ours, gain = (row[key]["raw-psnr-unclipped"] for key in ("against", "model", "gain"))
        assert f"{theirs:.2f} → {ours:.2f} ({gain:+.2f})" in page
        assert f"{ours:.2f}" in cells[row["file"]]
        assert f"{gain:+.2f}" in cells[row["file"]]
    assert "](files.png)" in page
    with Image.open(out / "files.png") as picture:
        assert picture.format == "PNG"


def test_json_is_what_is_written(raws: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    result = table(raws / "usual.dng", tmp_path, models, "--json")
    assert json.loads(result.stdout) == json.loads((tmp_path / "files.json").read_text())
    assert result.stderr == ""


def test_force_takes_another_camera(raws: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    facts = json.loads(table(raws / "other.dng", tmp_path, models, "--force", "--json").stdout)
    assert [row["camera"] for row in facts["files"]] == ["Maker Other 1"]


def test_requests_that_nothing_comes_of(raws: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "table"
    refused(table(raws / "text.CR2", out, models), 2, "None of the 1 files", "text.CR2 is not a RAW file")
    refused(table(raws / "absent.dng", out, models), 2, "no file or folder", "absent.dng")
    refused(table(raws, out, (models[0], tmp_path / "none")), 2, "no model", "none")
    refused(table(raws, tmp_path / "no" / "table", models), 2, "does not exist")
    assert not out.exists(), "a refused request leaves no folder"


def test_an_existing_table_is_refused_before_any_work(raws: Path, models: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "files.md").write_text("mine")
    refused(table(raws / "usual.dng", tmp_path, models), 2, "files.md exists already", "--overwrite")
    assert [path.name for path in tmp_path.iterdir()] == ["files.md"]
    assert table(raws / "usual.dng", tmp_path, models, "--overwrite").exit_code == 0
    assert (tmp_path / "files.md").read_text() != "mine"


def test_an_interrupt_loses_no_figure_of_the_json(
    raws: Path, models: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(original: Original, *rest: Any) -> Any:
        if original.path.name == "usual.dng":
            raise KeyboardInterrupt
        return metrics_of(original, *rest)

    monkeypatch.setattr("invisp_deploy.evaluation.files.metrics_of", interrupted)
    result = table(raws, tmp_path / "table", models, "--json")
    assert result.exit_code == 130
    told = json.loads(result.stdout)
    assert [row["file"] for row in told["files"]] == ["bright.dng"]
    assert [row["file"] for row in told["refused"]] == ["other.dng", "text.CR2"]
    assert told["left"] == 1
    assert not (tmp_path / "table").exists()
