"""--model: shipped models by name, and the way back by the model that a picture names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import evaluate
from invisp_deploy.cli.run import run_command as main
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.models import MODELS, model_of_weights, shipped_folder
from invisp_deploy.rendering.model import load
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from tests.cli.refusal import refused, refused_at_once


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def photo(model: str, small_dng: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp(model) / "photo.jpg"
    result = run(small_dng, "-o", path, "--model", model)
    assert result.exit_code == 0, result.output
    return path


def test_a_model_is_chosen_by_name(model: str, photo: Path) -> None:
    record = read_picture(photo).record
    assert record is not None
    assert model_of_weights(record.weights) == model
    assert OnnxRuntime(shipped_folder(model) / "forward.onnx").card.weights == record.weights


def test_a_picture_goes_back_through_the_model_that_rendered_it(model: str, photo: Path, tmp_path: Path) -> None:
    result = run(photo, "-o", tmp_path / "back.dng")
    assert result.exit_code == 0, result.output
    assert "forced" not in result.output
    recovered = read_raw(tmp_path / "back.dng")
    with load(model) as pair:
        assert np.array_equal(recovered.mosaic, pair.recover(photo).mosaic)


def test_another_model_than_the_pictures_is_refused(model: str, photo: Path, tmp_path: Path) -> None:
    other = next(name for name in MODELS if name != model)
    back = tmp_path / "back.dng"
    refused(run(photo, "-o", back, "--model", other, "--raw-budget", 0), 1, "was rendered by the weights")
    assert not back.exists()
    result = run(photo, "-o", back, "--model", other)
    if model not in ("universal", "closed-form"):  # a look comes back by its own network
        refused(result, 1, "was rendered by the weights", f"({model}), this model has ")
        return
    assert result.exit_code == 0
    assert "by its predictor" in result.output
    assert "was not needed" in result.output


def test_pictures_of_several_models_go_back_in_one_run(small_dng: Path, tmp_path: Path) -> None:
    for name in MODELS:
        assert run(small_dng, "-o", tmp_path / f"{name}.jpg", "--model", name).exit_code == 0
    (tmp_path / "raws").mkdir()
    pictures = [tmp_path / f"{name}.jpg" for name in MODELS]
    result = run(*pictures, "-o", tmp_path / "raws")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "raws").iterdir()) == sorted(f"{name}.dng" for name in MODELS)


def test_a_stream_takes_it_too(model: str, small_dng: Path, photo: Path, tmp_path: Path) -> None:
    forward = run("--stream", small_dng, "-o", tmp_path / "out", "--model", model, "--json")
    assert forward.exit_code == 0, forward.output
    back = run("--stream", photo, "-o", tmp_path / "back", "--json")
    assert back.exit_code == 0, back.output
    record = read_picture(photo).record
    assert record is not None
    assert {json.loads(result.stdout)["runtime"]["weights"] for result in (forward, back)} == {record.weights}


def test_a_name_and_a_file_exclude_each_other(small_dng: Path, tmp_path: Path) -> None:
    graph = shipped_folder() / "forward.onnx"
    words = ["--model", "closed-form", "--engine", str(graph)]
    refused_at_once(run(small_dng, "-o", tmp_path / "a.jpg", *words), 2, "got closed-form and", "pass one of them")
    arguments = ["roundtrip", str(small_dng), "-o", str(tmp_path / "a"), *words]
    refused_at_once(CliRunner().invoke(evaluate, arguments), 2, "got closed-form and", "pass one of them")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_lists_those_that_are(small_dng: Path, tmp_path: Path) -> None:
    result = run(small_dng, "-o", tmp_path / "a.jpg", "--model", "pico")
    refused(result, 2, "no model pico", "(universal, natural, vivid, closed-form)", "a folder of an export, or a file")


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    refused(run(tmp_path / "cut.jpg", "-o", tmp_path / "back.dng"), 1, "cut.jpg")


def test_a_stream_takes_pictures_of_16_bits_back_and_reads_the_first_once(
    small_dng: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep, graphs = tmp_path / "deep.tif", shipped_folder("closed-form")
    assert run(small_dng, "-o", deep, "--model", "closed-form").exit_code == 0
    read: list[Path] = []

    def counted(path: Path, **settings: Any) -> Picture:
        read.append(path)
        return read_picture(path, **settings)

    monkeypatch.setattr("invisp_deploy.streaming.request.read_picture", counted)
    monkeypatch.setattr("invisp_deploy.rendering.files.read_picture", counted)
    for number, words in enumerate(((), ("--engine", graphs / "inverse16.onnx"))):
        result = run("--stream", deep, "-o", tmp_path / str(number), *words)
        assert result.exit_code == 0, result.output
        assert (tmp_path / str(number) / "deep.dng").is_file()
    assert read == [deep, deep], "once a stream"
    refused(
        run("--stream", small_dng, "-o", tmp_path / "c", "--engine", graphs / "forward16.onnx"),
        2,
        "writes .jpg, 8 bits",
    )
