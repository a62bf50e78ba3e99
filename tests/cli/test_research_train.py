"""invisp research train as people call it: a rival by name, its run repeated, and what InvISP alone can."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.research_train import rival_train_command
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.research.rivals.open import load_rival
from tests.cli.refusal import refused
from tests.cli.test_train import crop
from tests.cli.test_train import train as invisp_train


@pytest.fixture(scope="module")
def raw(sample_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raws") / "a.dng"
    write_dng(path, crop(sample_frame, 1200, 1800))
    return path


def train(*arguments: object) -> Result:
    return CliRunner().invoke(rival_train_command, [str(argument) for argument in arguments])


def test_a_rival_is_trained_by_name_and_repeated(raw: Path, tmp_path: Path) -> None:
    quick = (raw, "--method", "cycleisp", "--patch", 16, "--steps", 1)
    result = train(*quick, "-o", tmp_path / "a")
    assert result.exit_code == 0, result.output
    rival = load_rival(tmp_path / "a" / "weights.safetensors")
    assert rival.name == "cycleisp"
    assert rival.contract.cfa == "any", "it folds nothing"
    assert "next: invisp research table1" in result.stdout
    assert "cycleisp" in (tmp_path / "a" / "CARD.md").read_text()
    described = tmp_path / "a" / "run.json"
    again = train(raw, "--method", "cycleisp", "-o", tmp_path / "b", "--repeat", described)
    assert again.exit_code == 0, again.output
    assert load_rival(tmp_path / "b" / "weights.safetensors").weights == rival.weights
    refused(
        train(raw, "--method", "unet", "-o", tmp_path / "c", "--repeat", described), 2, "describes cycleisp", "unet"
    )
    refused(
        invisp_train(raw, "-o", tmp_path / "c", "--repeat", described), 2, "run.json trains cycleisp: repeat it with"
    )
    assert not (tmp_path / "c").exists()


def test_what_a_rival_is_not(raw: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    refused(train(raw, "-o", run, "--method", "upi"), 2, "nothing to train in upi")
    refused(train(raw, "-o", run, "--method", "unet", "--patch", 48), 2, "what unet needs, 32, got 48")
    refused(train(raw, "-o", run, "--method", "unet", "--growth", 4), 2, "No such option", "--growth")
    assert not run.exists()
