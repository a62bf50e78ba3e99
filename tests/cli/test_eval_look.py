"""invisp eval look as people call it: what it needs, what it refuses, what it prints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import main
from invisp_deploy.dataset.open import Dataset
from tests.cli.refusal import refused_at_once
from tests.evaluation.conftest import look_data as look_data


def look(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["eval", "look", *map(str, arguments), "--threads", "1"])


@pytest.fixture(scope="module")
def damaged(look_data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset with one of its files cut short."""
    folder = tmp_path_factory.mktemp("damaged") / "data"
    shutil.copytree(look_data.root, folder)
    mosaic = folder / "mosaics" / "b.npy"
    mosaic.write_bytes(mosaic.read_bytes()[:-2])
    return folder


def test_a_file_that_is_damaged_is_a_line_and_ends_nothing(damaged: Path, tmp_path: Path) -> None:
    result = look("closed-form", damaged, "-o", tmp_path / "report", "--json")
    assert result.exit_code == 0, result.output
    facts: dict[str, Any] = json.loads(result.stdout)
    assert [row["file"] for row in facts["files"]] == ["g"]
    assert [row["file"] for row in facts["refused"]] == ["b"]
    assert "it is damaged" in facts["refused"][0]["why"]
    assert facts == json.loads((tmp_path / "report" / "report.json").read_text())
    assert (facts["look"]["name"], facts["against"]["name"], facts["dataset"]["split"]) == (
        "closed-form",
        "universal",
        "test",
    )
    assert facts["closed"]["files"] == 5
    refused_at_once(look("universal", damaged, "-o", tmp_path / "report"), 2, "exists already", "--overwrite")


def test_a_dataset_without_files_to_fit_or_to_measure_is_a_sentence(damaged: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(damaged, bare)
    listed = json.loads((bare / "dataset.json").read_text())
    for entry in listed["files"]:
        entry["split"] = "test"
    (bare / "dataset.json").write_text(json.dumps(listed))
    out = tmp_path / "report"
    refused_at_once(look("universal", bare, "-o", out), 2, "bare has none: pass --fit-on, a dataset")
    refused_at_once(look("universal", bare, "-o", out, "--fit-on", damaged, "--split", "train"), 1, "no files to train")
    refused_at_once(look("universal", tmp_path, "-o", out), 1, "is no prepared dataset")
    refused_at_once(look("soft", damaged, "-o", out), 2, "no model soft")
    assert not out.exists()
