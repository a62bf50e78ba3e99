"""invisp research table1, table2 and rate as people call them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import main
from invisp_deploy.config import NetworkConfig
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.prepare import prepare
from invisp_deploy.dataset.sources import sources_in
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.network.checkpoint import Checkpoint, save_checkpoint
from invisp_deploy.research.rivals.cycleisp import CycleIsp
from invisp_deploy.research.rivals.open import save_rival
from tests.cli.refusal import refused
from tests.graphs import CANON_30D, gentle_network


@pytest.fixture(scope="module")
def work(sample_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/: a dataset; ours/, cycle/: runs."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "raws").mkdir()
    for index, top in enumerate((800, 1200)):
        part = np.ascontiguousarray(sample_frame.mosaic[top : top + 258, 1500:1760])
        write_dng(folder / "raws" / f"file{index}.dng", replace(sample_frame, mosaic=part))
    prepare(sources_in([folder / "raws"]), folder / "data", PrepareOptions(test_names=("file1",)))
    for name in ("ours", "cycle"):
        (folder / name).mkdir()
    save_checkpoint(
        folder / "ours" / "weights.safetensors", Checkpoint(gentle_network(NetworkConfig(1, 2, 2)), CANON_30D)
    )
    (folder / "ours" / "log.jsonl").write_text('{"step": 1, "seconds": 30.0, "rgb_psnr": 20.0, "raw_psnr": 21.0}\n')
    save_rival(folder / "cycle" / "weights.safetensors", CycleIsp(4, 1, 1, 2), CANON_30D, {})
    return folder


def invoke(work: Path, command: str, *arguments: object) -> Result:
    tiles = ("--tiles", "1", "--tile", "64")
    return CliRunner().invoke(main, ["research", command, str(work / "data"), *tiles, *map(str, arguments)])


def test_table1_writes_all_its_files(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "table"
    runs = ("--run", f"InvISP, Fourier={work / 'ours'}", "--run", f"CycleISP={work / 'cycle'}")
    result = invoke(work, "table1", *runs, "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == (f"wrote table1.json, table1.md, error_maps.png, training.png in {out}")
    facts = json.loads((out / "table1.json").read_text())
    labels = ["UPI", "CycleISP", "InvISP, Fourier", "closed form", "UPI, LibRaw's curve"]
    assert [row["label"] for row in facts["rows"]] == labels
    assert [row["optimiser_seconds"] for row in facts["rows"]] == [0, 0, 30, 0, 0]
    assert (out / "table1.md").read_text() in result.stdout
    assert all((out / name).stat().st_size > 1000 for name in ("error_maps.png", "training.png"))
    refused(invoke(work, "table1", *runs, "-o", out), 2, "table1.json exists already", "--overwrite")


def test_table2_and_rate(work: Path, tmp_path: Path) -> None:
    run = ("--run", f"ours={work / 'ours'}")
    result = invoke(work, "table2", *run, "-o", tmp_path, "--json")
    facts = json.loads(result.stdout)
    assert facts == json.loads((tmp_path / "table2.json").read_text())
    assert [row["label"] for row in facts["rows"]] == ["closed form, JPEG", "ours, JPEG", "lossy DNG", "lossless DNG"]
    result = invoke(work, "rate", *run, "-o", tmp_path, "--at", 70, "--at", 90)
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "rate.json").read_text())["rows"]
    assert [row["label"] for row in rows] == ["closed form", "ours"]
    assert [[point["quality"] for point in row["points"]] for row in rows] == [[70, 90]] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "rate.json",
        "rate.md",
        "rate.png",
        "table2.json",
        "table2.md",
    ]


def test_requests_that_make_no_sense(work: Path, tmp_path: Path) -> None:
    ours = f"a={work / 'ours'}"
    out = ("-o", tmp_path / "out")
    refused(invoke(work, "table1", *out), 2, "--run LABEL=FOLDER")
    refused(invoke(work, "table1", "--run", work / "ours", *out), 2, "--run LABEL=FOLDER")
    refused(invoke(work, "table1", "--run", ours, "--run", ours, *out), 2, "Two runs have one label")
    refused(invoke(work, "rate", "--run", f"closed form={work / 'ours'}", *out), 2, "is a row of every table already")
    refused(invoke(work, "table1", "--run", "a=nowhere", *out), 2, "no weights for 'a'")
    refused(invoke(work, "rate", "--run", f"c={work / 'cycle'}", *out), 2, "'c' renders no JPEG")
    refused(invoke(work, "table2", "--run", ours, "--tile", 65, *out), 2, "--tile must be a multiple of 32")
    refused(
        CliRunner().invoke(main, ["research", "table1", str(tmp_path), "--run", ours, *map(str, out)]),
        1,
        "no prepared dataset",
    )
    assert list(tmp_path.iterdir()) == []
