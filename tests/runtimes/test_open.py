"""Which runtime a file gets, and which provider ONNX Runtime is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import EngineError, GraphError, RequestError
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.open import open_runtime
from invisp_deploy.runtimes.openvino_ import OPENVINO
from invisp_deploy.runtimes.tensorrt.engine_card import ENGINE_SUFFIXES
from invisp_deploy.runtimes.tensorrt.runtime import TensorRTRuntime
from tests.graphs import Graphs, write_graphs
from tests.simulated_tensorrt import simulate, square, write_engine


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 4, 2), CameraContract())


def test_the_suffix_decides(monkeypatch: pytest.MonkeyPatch, graphs: Graphs, tmp_path: Path) -> None:
    simulate(monkeypatch)
    with open_runtime(graphs.forward) as graph:
        assert isinstance(graph, OnnxRuntime)
        assert graph.verified is None
    for suffix in (*ENGINE_SUFFIXES, ".TRT"):
        path = tmp_path / f"forward{suffix}"
        write_engine(path, graphs.forward, square(64), verified={"psnr": 101.0} if suffix == ".plan" else None)
        with open_runtime(path) as engine:
            assert isinstance(engine, TensorRTRuntime)
            assert engine.verified is (suffix == ".plan")


def test_what_does_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"model\.pt is neither a graph \(\.onnx\) nor an engine \(\.trt, "):
        open_runtime(tmp_path / "model.pt")
    with pytest.raises(RequestError, match=r"`provider` .* forward\.trt is an engine"):
        open_runtime(tmp_path / "forward.trt", "CUDAExecutionProvider")
    for name in ("absent.onnx", "absent.trt"):
        with pytest.raises(RequestError, match=f"There is no engine .*{name}"):
            open_runtime(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cuda", "has no cuda, only .*: did you mean CUDAExecutionProvider"),
        ("TensorrtExecutionProvider", "is not used: .*`invisp-export engine`"),
        ("CUDAExecutionProvider", "onnxruntime-gpu instead of onnxruntime"),
        ("nonsense", "has no nonsense, only .*onnxruntime-gpu"),
    ],
)
def test_names_of_providers_are_exact_and_near_ones_are_suggested(graphs: Graphs, name: str, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        open_runtime(graphs.forward, name)


def test_cuda_is_asked_for_as_fp32_and_never_falls_back(
    monkeypatch: pytest.MonkeyPatch, graphs: Graphs, capsys: pytest.CaptureFixture[str]
) -> None:
    """A session that moved to the CPU, as ONNX Runtime makes it where CUDA's libraries do not load."""
    asked: list[Any] = []
    real = onnxruntime.InferenceSession

    def session(path: str, options: onnxruntime.SessionOptions, providers: list[Any], **_: Any) -> Any:
        asked.append((options.get_session_config_entry("session.disable_cpu_ep_fallback"), providers))
        return real(path, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcudnn"))
    with pytest.raises(EngineError, match="CUDAExecutionProvider was asked for but ONNX Runtime chose CPU"):
        open_runtime(graphs.forward, "CUDAExecutionProvider")
    assert asked == [
        ("1", [("CUDAExecutionProvider", {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"})]),
    ]
    assert capsys.readouterr() == ("", "Failed to load libcudnn\n"), "standard output is for results"


@pytest.mark.parametrize("provider", [None, OPENVINO])
@pytest.mark.parametrize("where", ["absolute", "above", "link", "inside"])
def test_a_graph_reads_no_file_outside_its_folder(
    where: str, provider: str | None, graphs: Graphs, tmp_path: Path
) -> None:
    """Constants may lie in other files; one beside the graph is read, so that the others are not refused for a typo."""
    folder = tmp_path / "graphs"
    folder.mkdir()
    model = onnx.load(graphs.forward)
    tensor = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    for path in (tmp_path / "secret.bin", folder / "inside.bin"):
        path.write_bytes(tensor.raw_data)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    named = {"absolute": str(tmp_path / "secret.bin"), "above": "../secret.bin"}.get(where, f"{where}.bin")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=named)
    path = folder / "forward.onnx"
    path.write_bytes(model.SerializeToString())
    if where == "inside":
        open_runtime(path, provider).close()
        return
    with pytest.raises(GraphError, match="forward.onnx is not an ONNX graph that"):
        open_runtime(path, provider)


@pytest.mark.parametrize("provider", [None, OPENVINO])
def test_metadata_that_are_no_text_are_refused(
    provider: str | None, graphs: Graphs, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "forward.onnx"
    path.write_bytes(graphs.forward.read_bytes().replace(b'"squeeze"', b'"squ\xff\xfeze"'))
    with pytest.raises(GraphError, match="forward.onnx has damaged metadata"):
        open_runtime(path, provider)
    assert capfd.readouterr().out == "", "nothing of ONNX Runtime's on standard output"
