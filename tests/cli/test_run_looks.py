"""--look: shipped looks by name and looks of one's own by folder; no look's picture goes back by another's inverse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import main
from invisp_deploy.cli.run import run_command
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.models import MODELS
from tests.cli.refusal import refused, refused_at_once
from tests.graphs import write_graphs


def run(*arguments: object) -> Result:
    return CliRunner().invoke(run_command, [str(argument) for argument in arguments])


def said(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two looks as exports leave them."""
    found = {name: tmp_path_factory.mktemp(name) for name in ("vivid", "soft")}
    for seed, folder in enumerate(found.values()):
        weights = write_graphs(folder, NetworkConfig(1, 4, 2), UNIVERSAL, seed).checkpoint.weights
        (folder / "report.json").write_text(json.dumps({"weights": weights}))
    return found


@pytest.fixture
def shipped(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, folder in folders.items():
        monkeypatch.setitem(MODELS, name, str(folder))


@pytest.mark.usefixtures("shipped")
def test_a_shipped_look_renders_by_its_name_and_its_picture_goes_back_by_itself(
    small_dng: Path, tmp_path: Path, folders: dict[str, Path]
) -> None:
    for word, value in (("look", "vivid"), ("model", "vivid"), ("engine", folders["vivid"]), ("look", "soft")):
        said(run(small_dng, "-o", tmp_path / f"{word}-{Path(value).name}.jpg", f"--{word}", value, "--raw-budget", 0))
    by_look, by_model, by_folder, of_soft = (
        read_picture(tmp_path / name).pixels
        for name in ("look-vivid.jpg", "model-vivid.jpg", f"engine-{folders['vivid'].name}.jpg", "look-soft.jpg")
    )
    assert np.array_equal(by_look, by_model)
    assert np.array_equal(by_look, by_folder)
    assert not np.array_equal(by_look, of_soft)
    said(run(tmp_path / "look-vivid.jpg", tmp_path / "look-soft.jpg", "-o", tmp_path))
    assert {"look-vivid.dng", "look-soft.dng"} <= {path.name for path in tmp_path.iterdir()}
    shown = CliRunner().invoke(main, ["show", str(tmp_path / "look-soft.jpg")])
    assert "way back     of soft, weights " in shown.stdout


@pytest.mark.usefixtures("shipped")
def test_the_inverse_of_another_look_is_refused_and_both_are_named(small_dng: Path, tmp_path: Path) -> None:
    picture, back = tmp_path / "a.jpg", tmp_path / "a.dng"
    said(run(small_dng, "-o", picture, "--look", "vivid", "--raw-budget", 0))
    result = run(picture, "-o", back, "--look", "soft")
    refused(result, 1, "(vivid), this model has ", "(soft): take the model that rendered it")
    assert not back.exists()


def test_a_look_of_ones_own_is_refused_without_its_folder_and_goes_back_with_it(
    small_dng: Path, tmp_path: Path, folders: dict[str, Path]
) -> None:
    picture, back = tmp_path / "a.jpg", tmp_path / "a.dng"
    said(run(small_dng, "-o", picture, "--look", folders["soft"], "--raw-budget", 0))
    refused(run(picture, "-o", back), 1, "rendered by the weights", "(universal): take the model that rendered it")
    said(run(picture, "-o", back, "--look", folders["soft"]))
    assert back.is_file()


@pytest.mark.parametrize("camera", ["Canon EOS 30D", "Maker One", ""])
def test_a_look_that_was_learned_from_another_camera_is_taken_and_said(
    camera: str, small_dng: Path, tmp_path: Path
) -> None:
    write_graphs(tmp_path, NetworkConfig(1, 4, 2), replace(UNIVERSAL, look="film"))
    graph = onnx.load(tmp_path / "forward.onnx")
    if camera:
        graph.metadata_props.add(key="invisp.learned_on", value=camera)
    onnx.save(graph, tmp_path / "forward.onnx")
    result = run(small_dng, "-o", tmp_path / "a.jpg", "--look", tmp_path)
    said(result)
    told = "note: the look film was learned from pictures of the Maker One alone, this is Canon EOS 30D."
    assert (told in result.stderr) is (camera == "Maker One")
    assert result.stderr.count("note") == (camera == "Maker One")


def test_one_look_is_asked_for(small_dng: Path, tmp_path: Path, folders: dict[str, Path]) -> None:
    words = ("--look", "universal", "--model", folders["soft"])
    for stream in ((), ("--stream",)):
        result = run(*stream, small_dng, "-o", tmp_path / "a.jpg", *words)
        refused_at_once(result, 2, "--look, --model and --engine name one model, got universal and ", "pass one")
    assert list(tmp_path.iterdir()) == []
