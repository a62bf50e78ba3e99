"""What verification leaves behind: sidecars and a report. The engines are simulated: ONNX Runtime computes for them."""

import json
from pathlib import Path

import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.device.device_report import open_subjects, record, verification_data
from invisp_deploy.device.verify import verify
from invisp_deploy.files import sha256_file, write_whole
from invisp_deploy.graph_card import Direction
from invisp_deploy.rendering import model
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.golden import golden_path, make_golden, write_golden
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard, Profile, read_engine_card, sidecar_path
from tests.graphs import Graphs, write_graphs

MACHINE = {"gpu": "NVIDIA GeForce RTX 3060", "capability": "sm86", "cuda": "12.6"}
VERSIONS = {"numpy": "2.0"}


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 8, 2), CameraContract())


@pytest.fixture
def engines(graphs: Graphs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[Direction, Path]:
    """forward.trt and inverse.trt with sidecars and crops; opened as the graphs they stand for."""
    sources = {Direction.FORWARD: graphs.forward, Direction.INVERSE: graphs.inverse}
    paths = {way: tmp_path / f"{way.value}.trt" for way in Direction}
    for way, path in paths.items():
        path.write_bytes(b"plan " + way.value.encode())
        with OnnxRuntime(sources[way]) as runtime:
            write_whole(golden_path(path), make_golden(runtime, 64, 64).to_bytes())
            profile = Profile((64, 64), (64, 64), (64, 64))
            digests = (sha256_file(path), sha256_file(sources[way]))
            card = EngineCard(runtime.card, "tensorrt", "10.3.0", *digests, ("sm86",), profile, build={"seconds": 1})
        write_whole(sidecar_path(path), card.to_json())

    def simulated(path: Path, provider: str | None = None, threads: int = 0, *, bits: int = 8) -> Runtime:
        return OnnxRuntime(next(sources[way] for way, one in paths.items() if one == path))

    monkeypatch.setattr(model, "open_runtime", simulated)
    return paths


def test_figures_go_into_both_sidecars_and_leave_the_rest(engines: dict[Direction, Path]) -> None:
    before = {way: read_engine_card(path) for way, path in engines.items()}
    with open_subjects(engines[Direction.FORWARD].parent) as opened:
        done = verify(opened.forward, opened.inverse, runs=2)
        data = verification_data(opened, done, MACHINE, VERSIONS)
        written = record(opened, done, data)
    assert written == [sidecar_path(path) for path in engines.values()]
    for way, path in engines.items():
        card = read_engine_card(path)
        assert card.verified is not None
        assert card.verified["psnr"] >= card.verified["psnr_limit"] == 70
        assert card.verified["round_trip_psnr"] >= 25
        assert (card.verified["device"], card.verified["capability"]) == ("NVIDIA GeForce RTX 3060", "sm86")
        assert card.verified["latency_ms"]["runs"] == 2
        assert card.with_verified({}) == before[way].with_verified({})


def test_one_engine_alone_has_no_round_trip(engines: dict[Direction, Path]) -> None:
    engines[Direction.FORWARD].unlink()
    with open_subjects(engines[Direction.INVERSE]) as opened:
        assert opened.forward is None
        done = verify(opened.forward, opened.inverse, runs=1)
        record(opened, done, verification_data(opened, done, MACHINE, VERSIONS))
    verified = read_engine_card(engines[Direction.INVERSE]).verified
    assert verified is not None
    assert "round_trip_psnr" not in verified
    assert read_engine_card(engines[Direction.FORWARD]).verified is None


def test_the_report_holds_what_is_needed_elsewhere_and_no_folder(engines: dict[Direction, Path]) -> None:
    with open_subjects(engines[Direction.FORWARD].parent) as opened:
        data = verification_data(opened, verify(opened.forward, opened.inverse, runs=1), MACHINE, VERSIONS)
        assert opened.names[0].startswith(f"{engines[Direction.FORWARD]}: forward, fp32, ONNX Runtime")
    text = json.dumps(data, allow_nan=False)
    assert str(engines[Direction.FORWARD].parent) not in text
    assert data["machine"] == MACHINE
    assert data["ok"] is True
    for entry, (way, path) in zip(data["engines"], engines.items(), strict=True):
        assert (entry["file"], entry["sha256"]) == (path.name, sha256_file(path))
        assert entry["card"]["graph"]["invisp.direction"] == way.value
        assert entry["card"]["backend"] == "tensorrt"


def test_graphs_have_no_sidecar(graphs: Graphs) -> None:
    for graph in (graphs.forward, graphs.inverse):
        with OnnxRuntime(graph) as runtime:
            write_golden(golden_path(graph), make_golden(runtime))
    with open_subjects(graphs.forward, "CPUExecutionProvider") as opened:
        done = verify(opened.forward, opened.inverse, runs=1)
        assert record(opened, done, verification_data(opened, done, MACHINE, VERSIONS)) == []
    assert done.ok
