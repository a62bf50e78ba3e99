"""One suite for every runtime: names, dtypes, shapes, parity, round trip."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import EngineError, GraphError, RequestError
from invisp_deploy.graph_card import Direction
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.callable_ import CallableRuntime
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.openvino_ import OpenVinoRuntime
from invisp_deploy.runtimes.torch_ import TorchRuntime
from invisp_deploy.tolerances import TOLERANCES
from tests.graphs import Graphs, write_graphs

CONFIGS = {"full": NetworkConfig(2, 8, 1), "half": NetworkConfig(2, 8, 2)}


@pytest.fixture(scope="module", params=CONFIGS, ids=str)
def graphs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), CONFIGS[request.param], CameraContract())


def runtime(kind: str, graphs: Graphs, direction: Direction) -> Runtime:
    reference = TorchRuntime(graphs.checkpoint, direction)
    if kind == "torch":
        return reference
    if kind == "callable":
        return CallableRuntime(reference.apply, reference.card)
    path = graphs.forward if direction is Direction.FORWARD else graphs.inverse
    return OpenVinoRuntime(path, threads=1) if kind == "openvino" else OnnxRuntime(path)


@pytest.fixture(params=["torch", "onnxruntime", "openvino", "callable"])
def make(request: pytest.FixtureRequest, graphs: Graphs) -> Callable[[Direction], Runtime]:
    return lambda direction: runtime(request.param, graphs, direction)


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("shape", [(1, 3, 2, 2), (1, 3, 34, 50), (2, 3, 16, 22)])
def test_agrees_with_pytorch(
    make: Callable[[Direction], Runtime], graphs: Graphs, direction: Direction, shape: tuple[int, ...]
) -> None:
    x = np.random.default_rng(1).random(shape, np.float32)
    with make(direction) as tried:
        assert tried.card.direction is direction
        assert tried.card.weights == graphs.checkpoint.weights
        result = tried.apply(x)
    expected = TorchRuntime(graphs.checkpoint, direction).apply(x)
    assert result.shape == shape
    assert result.dtype == np.float32
    assert np.abs(result - expected).max() <= TOLERANCES["onnxruntime-parity"].limit
    assert np.abs(expected - x).max() > 0.01, "the network must not be the identity here"


def test_round_trip(make: Callable[[Direction], Runtime]) -> None:
    x = np.random.default_rng(2).random((1, 3, 26, 38), np.float32)
    with make(Direction.FORWARD) as forward, make(Direction.INVERSE) as inverse:
        assert np.abs(inverse.apply(forward.apply(x)) - x).max() <= TOLERANCES["round-trip"].limit


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ({"rgb": np.zeros((1, 3, 4, 4), np.float32)}, "takes `raw` float32 .*, got tensors named rgb"),
        ({}, "got tensors named nothing"),
        ({"raw": np.zeros((1, 3, 4, 4))}, "got float64"),
        ({"raw": np.zeros((1, 4, 4, 4), np.float32)}, r"\(any, 3, any, any\), got float32 \(1, 4, 4, 4\)"),
        ({"raw": np.zeros((3, 4, 4), np.float32)}, "got float32"),
    ],
)
def test_wrong_tensors_are_named(make: Callable[[Direction], Runtime], feeds: dict, message: str) -> None:
    with make(Direction.FORWARD) as forward, pytest.raises(EngineError, match=message):
        forward.run(feeds)


def test_odd_sizes_need_a_border_under_squeeze(graphs: Graphs) -> None:
    x = np.zeros((1, 3, 5, 7), np.float32)
    with OnnxRuntime(graphs.forward) as forward:
        if forward.card.config.squeeze == 1:
            assert forward.apply(x).shape == x.shape
        else:
            with pytest.raises(EngineError, match="multiples of 2"):
                forward.apply(x)


def test_a_double_that_returns_another_shape_is_caught(graphs: Graphs) -> None:
    card = TorchRuntime(graphs.checkpoint, Direction.FORWARD).card
    with pytest.raises(EngineError, match="did not return"):
        CallableRuntime(lambda x: x[:, :1], card).apply(np.zeros((1, 3, 4, 4), np.float32))


def test_absent_provider_is_an_error(graphs: Graphs) -> None:
    for provider in ("CUDAExecutionProvider", "NoSuchExecutionProvider"):
        with pytest.raises(EngineError, match=f"has no {provider}, only .*CPUExecutionProvider"):
            OnnxRuntime(graphs.forward, provider)


def test_foreign_files_are_refused(graphs: Graphs, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(GraphError, match=r"text\.onnx is not an ONNX graph"):
        OnnxRuntime(tmp_path / "text.onnx")
    with pytest.raises(RequestError, match="no engine"):
        OnnxRuntime(tmp_path / "absent.onnx")
    model = onnx.load(graphs.forward)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "foreign.onnx")
    with pytest.raises(GraphError, match="not a graph of invisp-deploy"):
        OnnxRuntime(tmp_path / "foreign.onnx")
    (tmp_path / "cut.onnx").write_bytes(graphs.forward.read_bytes()[:2000])
    with pytest.raises(GraphError, match=r"cut\.onnx"):
        OnnxRuntime(tmp_path / "cut.onnx")
