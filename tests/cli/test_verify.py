"""`invisp verify` and `invisp doctor` as people call them."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import main
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.device import machine
from invisp_deploy.files import write_whole
from invisp_deploy.installation import install_line
from invisp_deploy.models import shipped_folder
from invisp_deploy.runtimes.golden import golden_path, make_golden, npz_bytes, write_golden
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt.engine_card import read_engine_card, sidecar_path
from tests.graphs import Graphs, write_graphs
from tests.simulated_tensorrt import DEVICE, simulate, square, write_engine


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    """With a golden file beside each, as an export leaves them."""
    graphs = write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 8, 2), CameraContract())
    for path in (graphs.forward, graphs.inverse):
        with OnnxRuntime(path) as runtime:
            write_golden(golden_path(path), make_golden(runtime, 32, 48))
    return graphs


def invisp(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def refused(result: Result, code: int, *words: str) -> None:
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("Error: ")
    for word in words:
        assert word in result.stderr


def test_both_graphs(graphs: Graphs, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    result = invisp("verify", "--model", graphs.forward.parent, "--runs", 2, "--report", report)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[2:7]] == ["ok"] * 5
    assert any("round trip PSNR" in line and line.endswith("at least 30") for line in lines)
    assert any("forward latency" in line and "2 runs at 32x48" in line for line in lines)
    data = json.loads(report.read_text(), parse_constant=pytest.fail)
    assert data["ok"] is True
    assert data["versions"]["numpy"]
    assert {entry["file"] for entry in data["engines"]} == {"forward.onnx", "inverse.onnx"}
    assert "note:" not in result.stdout
    refused(invisp("verify", "--engine", graphs.forward, "--report", report), 2, "exists already")
    assert invisp("verify", "--engine", graphs.inverse, "--runs", 1, "--report", report, "--overwrite").exit_code == 0


def test_json_is_the_report_also_of_one_graph_alone(graphs: Graphs, tmp_path: Path) -> None:
    for file in (graphs.inverse, golden_path(graphs.inverse)):
        shutil.copy(file, tmp_path)
    result = invisp("verify", "--engine", tmp_path / graphs.inverse.name, "--runs", 1, "--tile", 16, "--json")
    data = json.loads(result.stdout)
    assert [figure["name"].split()[0] for figure in data["figures"]] == ["inverse"] * 2
    assert data["latency_ms"][0]["shape"] == [16, 16]
    assert data["sidecars"] == []


def test_engines_are_verified_on_the_device_that_runs_them(
    graphs: Graphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorRT is simulated: the command's own way is tested, no GPU."""
    simulate(monkeypatch)
    monkeypatch.setattr(machine, "find_device", lambda: DEVICE)
    engines = []
    for graph in (graphs.forward, graphs.inverse):
        engine = tmp_path / f"{graph.stem}.trt"
        write_engine(engine, graph, square(64))
        with OnnxRuntime(graph) as runtime:
            write_golden(golden_path(engine), make_golden(runtime, 64, 64))
        engines.append(engine)
    result = invisp("verify", "--engine", engines[0], "--runs", 1)
    assert result.exit_code == 0, result.output
    assert "TensorRT 10.3.0 Simulated GPU, against forward.trt.npz" in result.stdout
    for engine in engines:
        assert f"wrote {sidecar_path(engine)}" in result.stdout
        verified = read_engine_card(engine).verified
        assert verified is not None
        assert verified["device"] == "Simulated GPU"
        assert verified["psnr"] >= verified["psnr_limit"]
    before = sidecar_path(engines[0]).read_bytes()
    with np.load(golden_path(engines[0])) as arrays:
        wrong = {name: arrays[name] for name in arrays.files} | {"crops": arrays["crops"] // 2}
    write_whole(golden_path(engines[0]), npz_bytes(wrong))
    result = invisp("verify", "--engine", engines[0], "--runs", 1)
    assert result.exit_code == 1
    assert "FAILED forward PSNR" in result.stdout
    assert sidecar_path(engines[0]).read_bytes() == before, "figures are written only where all pass"
    refused(invisp("verify", "--engine", engines[0], "--tile", 32, "--runs", 1), 1, "64")


def test_a_missed_figure_is_named_and_ends_with_1(graphs: Graphs, tmp_path: Path) -> None:
    other = write_graphs(tmp_path, NetworkConfig(2, 8, 2), CameraContract(), seed=1)
    golden_path(other.forward).write_bytes(golden_path(graphs.forward).read_bytes())
    other.inverse.unlink()
    result = invisp("verify", "--engine", other.forward, "--runs", 1, "--report", tmp_path / "report.json")
    assert result.exit_code == 1
    assert "FAILED forward PSNR" in result.stdout
    assert "FAILED forward largest error" in result.stdout
    assert json.loads((tmp_path / "report.json").read_text())["ok"] is False


def test_what_verify_refuses(graphs: Graphs, tmp_path: Path) -> None:
    refused(invisp("verify", "--engine", tmp_path / "absent.onnx"), 2, "absent.onnx")
    refused(invisp("verify", "--engine", tmp_path / "photo.jpg"), 2, "photo.jpg")
    refused(invisp("verify", "--engine", graphs.forward, "--provider", "CUDAExecutionProvider"), 1, "has no CUDA")
    other = write_graphs(tmp_path, NetworkConfig(2, 8, 2), CameraContract(), seed=1)
    refused(invisp("verify", "--engine", other.forward), 1, "forward.onnx.npz")
    golden_path(other.inverse).write_bytes(golden_path(graphs.inverse).read_bytes())
    shutil.copy(graphs.forward, other.forward)
    shutil.copy(golden_path(graphs.forward), golden_path(other.forward))
    refused(invisp("verify", "--model", tmp_path), 1, "has the weights", "take one export whole")
    missing = tmp_path / "no" / "report.json"
    refused(invisp("verify", "--engine", graphs.forward, "--report", missing), 2, "does not exist")


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    for name in ("forward.onnx", "forward16.onnx"):
        shutil.copy(shipped_folder("closed-form") / name, tmp_path)
        shutil.copy(golden_path(shipped_folder("closed-form") / name), tmp_path)
    result = invisp("verify", "--model", tmp_path, "--runs", 1)
    assert result.exit_code == 0, result.output
    assert "note: there is no inverse beside it: no round trip" in result.stdout
    assert f"note: {tmp_path / 'forward16.onnx'} is of 16 bits and was not measured: name it" in result.stdout


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("corners", np.zeros((0, 2), np.int64)),
        ("corners", np.array([[10**6, 0]] * 5)),
        ("size", np.array([0, 48])),
        ("size", np.array([10**7, 10**7])),
        ("patch", np.zeros((0, 3), np.uint16)),
        ("patch", np.array([[None]])),
        ("white", np.array([np.nan], np.float32)),
        ("crops", np.zeros((5, 2), np.uint8)),
    ],
)
def test_a_damaged_golden_file_is_a_sentence(graphs: Graphs, tmp_path: Path, name: str, wrong: np.ndarray) -> None:
    graph = Path(shutil.copy(graphs.forward, tmp_path))
    with np.load(golden_path(graphs.forward)) as arrays:
        np.savez(golden_path(graph), **{**arrays, name: wrong})
    refused(invisp("verify", "--engine", graph, "--runs", 1), 1, "does not hold the golden input")


def test_layers(graphs: Graphs) -> None:
    result = invisp("verify", "--layers", "--engine", graphs.forward, "--reference", graphs.forward)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["tensor", "dB", "error", "peak", "shape"]
    assert lines[1].split() == ["raw", "inf", "0.0e+00", lines[1].split()[3], "1x12x32x32"]
    assert lines[-1].startswith("no tensor parts")
    result = invisp("verify", "--layers", "--engine", graphs.forward, "--reference", graphs.forward, "--json")
    data = json.loads(result.stdout, parse_constant=pytest.fail)
    assert data["summary"]["parted"] is None
    assert data["layers"][0]["psnr"] == "Infinity"


def test_layers_need_polygraphy(graphs: Graphs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polygraphy", None)
    result = invisp("verify", "--layers", "--engine", graphs.forward, "--reference", graphs.forward)
    refused(result, 2, install_line("verify"))


def test_options_of_layers_go_together(graphs: Graphs) -> None:
    refused(invisp("verify", "--layers", "--engine", graphs.forward), 2, "--reference")
    refused(invisp("verify", "--engine", graphs.forward, "--reference", graphs.forward), 2, "belong to --layers")


def test_doctor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "torch.py").write_text("raise ImportError('quick')\n")  # the real one takes seconds
    result = invisp("doctor")
    assert result.exit_code == 0, result.output
    assert "ok     rendering on the CPU" in result.stdout
    assert "FAILED torch" in result.stdout
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('built for numpy 1')\n")
    result = invisp("doctor", "--json")
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert data["renders"] is False
    assert any("force-reinstall" in line for line in data["advice"])


def test_the_shipped_graphs_verify() -> None:
    for words in ((), ("--model", "closed-form"), ("--model", shipped_folder("closed-form") / "forward16.onnx")):
        result = invisp("verify", *words, "--runs", 1, "--json")
        assert result.exit_code == 0, result.output
        figures = json.loads(result.stdout)["figures"]
        assert len(figures) == 5
        assert all(figure["ok"] for figure in figures)
