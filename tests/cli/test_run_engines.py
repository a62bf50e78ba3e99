"""invisp-run with engines, on the simulated TensorRT."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import evaluate
from invisp_deploy.cli.run import run_command as main
from invisp_deploy.config import NetworkConfig
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.runtimes.tensorrt.engine_card import Profile
from tests.graphs import CANON_30D, Graphs, write_graphs
from tests.simulated_tensorrt import simulate, square, write_engine


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 4, 2), CANON_30D)


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch, graphs: Graphs, tmp_path: Path) -> Path:
    """forward.trt of a fixed tile, not verified; inverse.trt of a profile, verified."""
    simulate(monkeypatch)
    write_engine(tmp_path / "forward.trt", graphs.forward, square(128))
    profile = Profile((64, 64), (128, 128), (160, 160))
    write_engine(tmp_path / "inverse.trt", graphs.inverse, profile, verified={"psnr": 100.0})
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_engines_give_what_graphs_give(graphs: Graphs, engines: Path, small_dng: Path) -> None:
    outputs = []
    for forward, inverse, name in (
        (graphs.forward, graphs.inverse, "graph"),
        (engines / "forward.trt", engines / "inverse.trt", "engine"),
    ):
        photo, back = engines / f"{name}.png", engines / f"{name}.dng"
        for arguments in (("--engine", forward, small_dng, "-o", photo), ("--engine", inverse, photo, "-o", back)):
            result = run(*arguments)
            assert result.exit_code == 0, result.output
            outputs.append(result.stdout)
    difference = read_picture(engines / "graph.png").pixels.astype(int) - read_picture(engines / "engine.png").pixels
    assert np.abs(difference).max() <= 1, "tiles equal the whole up to rounding"
    mosaics = [read_raw(engines / f"{name}.dng").mosaic.astype(int) for name in ("graph", "engine")]
    assert np.abs(mosaics[0] - mosaics[1]).mean() < 1
    assert "256x256, 16 tiles" in outputs[2]
    assert "on TensorRT 10.3.0 Simulated GPU" in outputs[2]
    note = f"note: {engines / 'forward.trt'} is not yet verified on a GPU: invisp verify --model"
    assert note in outputs[2]
    assert [("not yet verified" in output) for output in outputs] == [False, False, True, False]


def test_json_says_whether_the_engine_is_verified(graphs: Graphs, engines: Path, small_dng: Path) -> None:
    for index, (engine, verified) in enumerate([(engines / "forward.trt", False), (graphs.forward, None)]):
        result = run("--engine", engine, small_dng, "-o", engines / f"{index}.jpg", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["verified"] is verified


def test_a_picture_below_the_tile_and_a_provider_are_refused(graphs: Graphs, engines: Path, small_dng: Path) -> None:
    write_engine(engines / "large.trt", graphs.forward, square(512))
    for arguments, words in (
        (("--engine", engines / "large.trt"), "256x256, height by width, the engine takes no less than 512x512"),
        (("--engine", engines / "forward.trt", "--provider", "CPUExecutionProvider"), "leave --provider out"),
    ):
        result = run(*arguments, small_dng, "-o", engines / "o.jpg")
        assert result.exit_code == 2
        assert words in result.stderr
        assert not (engines / "o.jpg").exists()


def test_the_round_trip_takes_engines(engines: Path, small_dng: Path) -> None:
    arguments = ["roundtrip", small_dng, "-o", engines / "report", "--model", engines]
    result = CliRunner().invoke(evaluate, [*map(str, arguments)])
    assert result.exit_code == 0, result.output
    facts = json.loads((engines / "report" / "report.json").read_text())
    assert facts["runtimes"] == ["TensorRT 10.3.0 Simulated GPU"] * 2
