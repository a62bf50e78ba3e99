"""invisp research train as people call it: a rival by name, its run repeated, and what InvISP alone can."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.research_train import rival_train_command
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.prepare import prepare
from invisp_deploy.dataset.sources import sources_in
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.research.rivals.open import load_rival
from tests.cli.refusal import refused
from tests.cli.test_train import crop
from tests.cli.test_train import train as invisp_train


@pytest.fixture(scope="module")
def data(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    prepare(sources_in([raw]), folder, PrepareOptions(test_share=0))
    return folder


@pytest.fixture(scope="module")
def raw(sample_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raws") / "a.dng"
    write_dng(path, crop(sample_frame, 1200, 1800))
    return path


def train(*arguments: object) -> Result:
    return CliRunner().invoke(rival_train_command, [str(argument) for argument in arguments])


def test_a_rival_is_trained_by_name_and_repeated(data: Path, tmp_path: Path) -> None:
    quick = (data, "--method", "cycleisp", "--patch", 16, "--steps", 1)
    result = train(*quick, "-o", tmp_path / "a")
    assert result.exit_code == 0, result.output
    rival = load_rival(tmp_path / "a" / "weights.safetensors")
    assert rival.name == "cycleisp"
    assert rival.contract.cfa == "any", "it folds nothing"
    assert "next: invisp research table1" in result.stdout
    assert "cycleisp" in (tmp_path / "a" / "CARD.md").read_text()
    described = tmp_path / "a" / "run.json"
    again = train(data, "--method", "cycleisp", "-o", tmp_path / "b", "--repeat", described)
    assert again.exit_code == 0, again.output
    assert load_rival(tmp_path / "b" / "weights.safetensors").weights == rival.weights
    refused(
        train(data, "--method", "unet", "-o", tmp_path / "c", "--repeat", described), 2, "describes cycleisp", "unet"
    )
    refused(
        invisp_train(data, "-o", tmp_path / "c", "--repeat", described), 2, "run.json trains cycleisp: repeat it with"
    )
    assert not (tmp_path / "c").exists()


def test_what_a_rival_is_not(raw: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    refused(train(raw, "-o", run, "--method", "upi"), 2, "nothing to train in upi")
    camera = ("--color", "camera", "--curve", 2.2)
    refused(train(raw, "-o", run, "--method", "unet", "--patch", 48, *camera), 2, "what unet needs, 32, got 48")
    refused(train(raw, "-o", run, "--method", "unet", "--patch", 64, "--width", 0), 2, "--width must be at least 1")
    refused(train(raw, "-o", run, "--method", "unet", "--growth", 4), 2, "No such option", "--growth")
    assert not run.exists()


def test_one_that_renders_nothing_learns_from_the_jpegs_that_it_is_judged_on(
    raw: Path, data: Path, tmp_path: Path
) -> None:
    """No JPEG is simulated on top of the dataset's, and RAW files alone, which have none, are refused."""
    quick = ("--method", "cycleisp", "--patch", 16, "--steps", 1)
    assert train(data, "-o", tmp_path / "a", *quick).exit_code == 0
    assert json.loads((tmp_path / "a" / "run.json").read_text())["jpeg"]["rounding"] == "none"
    refused(train(raw, "-o", tmp_path / "b", *quick), 2, "cycleisp renders nothing", "RAW files have none")
    twice = train(data, "-o", tmp_path / "b", *quick, "--rounding", "dsq")
    refused(twice, 2, "with --rounding dsq they would be compressed twice; pass --rounding none")
    assert not (tmp_path / "b").exists()
