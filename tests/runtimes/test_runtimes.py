"""One suite for every runtime: names, dtypes, shapes, parity, round trip."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import UNIVERSAL, CameraContract
from invisp_deploy.errors import EngineError, GraphError, RequestError
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.develop import develop, undevelop
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.around import StepsAround
from invisp_deploy.runtimes.base import Runtime, from_bytes, graph_specs, to_bytes
from invisp_deploy.runtimes.golden import mirrored, natural_pixels, natural_recipe
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.open import open_graph, open_runtime
from invisp_deploy.runtimes.openvino_ import OpenVinoRuntime
from invisp_deploy.runtimes.torch_ import TorchRuntime
from tests.callable_runtime import computing
from tests.graphs import Graphs, write_graphs

RECIPE = Recipe("RGGB", (127.0, 128.0, 129.0, 130.0), 4095.0, (0.9, 0.5, 0.75), 2.2)
NUMBERS = RECIPE.numbers()
CASES = {
    "full": (NetworkConfig(2, 8, 1), CameraContract()),
    "half": (NetworkConfig(2, 8, 2), CameraContract()),
    "universal": (NetworkConfig(2, 8, 2), UNIVERSAL),
    "unclipped": (NetworkConfig(2, 8, 2), replace(UNIVERSAL, look="night", white="file", clips=False)),
}


@pytest.fixture(scope="module", params=["full", "half"])
def graphs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), *CASES[request.param])


def runtime(kind: str, graphs: Graphs, direction: Direction) -> Runtime:
    reference = TorchRuntime(graphs.checkpoint, direction)
    if kind == "torch":
        return StepsAround(reference)
    if kind == "callable":
        name = direction.input_name
        return computing(lambda x: reference.run({name: x})[direction.output_name], StepsAround(reference).card)
    path = graphs.forward if direction is Direction.FORWARD else graphs.inverse
    return OpenVinoRuntime(path, threads=1) if kind == "openvino" else OnnxRuntime(path)


@pytest.fixture(params=["torch", "onnxruntime", "openvino", "callable"])
def make(request: pytest.FixtureRequest, graphs: Graphs) -> Callable[[Direction], Runtime]:
    return lambda direction: runtime(request.param, graphs, direction)


def pixels(card: GraphCard, shape: tuple[int, int]) -> Array:
    return mirrored(natural_pixels(card), *shape)


@pytest.mark.parametrize("graphs", CASES, indirect=True)
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("shape", [(2, 2), (34, 50), (16, 22)])
def test_agrees_with_the_network_applied_by_hand(
    make: Callable[[Direction], Runtime], graphs: Graphs, direction: Direction, shape: tuple[int, int]
) -> None:
    """Steps in numpy, PyTorch between them."""
    with make(direction) as tried:
        assert tried.card.direction is direction
        assert tried.card.weights == graphs.checkpoint.weights
        given, recipe = pixels(tried.card, shape), natural_recipe(tried.card)
        result = tried.apply(given, recipe.numbers())
    with torch.no_grad():
        if direction is Direction.FORWARD:
            planes = graphs.checkpoint.network(torch.from_numpy(develop(given, recipe))[None])[0].numpy()
            expected = np.rint(np.clip(planes, 0, 1) * 255).transpose(1, 2, 0)
            peak = 1.0
        else:
            planes = torch.from_numpy(given.transpose(2, 0, 1).astype(np.float32) / 255)[None]
            expected = undevelop(graphs.checkpoint.network.inverse(planes)[0].numpy(), recipe).astype(float)
            peak = 1.0
    assert result.shape == expected.shape
    assert result.dtype == (np.uint8 if direction is Direction.FORWARD else np.uint16)
    assert np.abs(result - expected).max() <= peak
    assert (result != expected).mean() < 0.01


@pytest.mark.parametrize("graphs", CASES, indirect=True)
def test_round_trip(make: Callable[[Direction], Runtime]) -> None:
    with make(Direction.FORWARD) as forward, make(Direction.INVERSE) as inverse:
        given, numbers = pixels(forward.card, (26, 38)), natural_recipe(forward.card).numbers()
        back = inverse.apply(forward.apply(given, numbers), numbers)
    assert psnr(back / 4095, given / 4095) > 25, "codes lose, and these weights leave [0, 1], no more than that"


MOSAIC = np.zeros((1, 4, 4, 2), np.uint8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mosaic": None}, "takes `mosaic` uint8 .*, got tensors named black, cfa, gains, white"),
        ({"rgb": MOSAIC}, "got tensors named black, cfa, gains, mosaic, rgb, white"),
        ({"mosaic": MOSAIC.astype(np.float32)}, r"`mosaic` uint8 \(1, any, any, 2\), got float32"),
        ({"mosaic": MOSAIC[0]}, r"got uint8 \(4, 4, 2\)"),
        ({"mosaic": MOSAIC[:, 1:]}, r"multiples of 2, got \(3, 4\)"),
        ({"cfa": np.zeros(4, np.int64)}, r"`cfa` int32 \(4\), got int64"),
        ({"gains": np.ones(4, np.float32)}, r"`gains` float32 \(3\), got float32 \(4,\)"),
    ],
    ids=str,
)
def test_wrong_tensors_are_named(
    make: Callable[[Direction], Runtime], changes: dict[str, Array | None], message: str
) -> None:
    feeds = {"mosaic": MOSAIC, **NUMBERS, **changes}
    with make(Direction.FORWARD) as forward, pytest.raises(EngineError, match=message):
        forward.run({name: array for name, array in feeds.items() if array is not None})


def test_a_float_graph_gets_the_steps_around_it(graphs: Graphs, tmp_path: Path) -> None:
    checkpoint = graphs.checkpoint
    paths = write_graphs(tmp_path, checkpoint.config, CameraContract(), form="tensor")
    assert open_graph(paths.forward).card.form == "tensor"
    for bits, kind in ((8, np.uint8), (16, np.uint16)):
        with open_runtime(paths.forward, bits=bits) as runtime:
            assert (runtime.card.form, runtime.card.bits) == ("mosaic", bits)
            assert runtime.apply(pixels(runtime.card, (16, 16)), NUMBERS).dtype == kind


def test_a_double_that_returns_another_shape_is_caught(graphs: Graphs) -> None:
    card = TorchRuntime(graphs.checkpoint, Direction.FORWARD).card
    with pytest.raises(EngineError, match="did not return"):
        computing(lambda x: x[:, :1], card).run({"mosaic": MOSAIC, **NUMBERS})


@pytest.mark.parametrize("shape", [(4, 6), (2, 2)])
def test_bytes_are_little_endian_and_come_back(shape: tuple[int, int]) -> None:
    mosaic = np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)
    held = to_bytes(mosaic)
    assert held.shape == (1, *shape, 2)
    assert held[0, 0, 0].tolist() == [mosaic[0, 0] & 255, mosaic[0, 0] >> 8]
    np.testing.assert_array_equal(from_bytes(held, mosaic=True), mosaic)
    np.testing.assert_array_equal(to_bytes(mosaic.astype(">u2")), held)
    for kind in (np.uint8, np.uint16):
        codes = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(kind)
        np.testing.assert_array_equal(from_bytes(to_bytes(codes), mosaic=False), codes)


def test_metadata_that_promises_other_tensors_is_refused(graphs: Graphs, tmp_path: Path) -> None:
    model = onnx.load(graphs.forward)
    for key, value in (("invisp.form", "tensor"), ("invisp.bits", "16")):
        entry = next(item for item in model.metadata_props if item.key == key)
        before, entry.value = entry.value, value
        onnx.save(model, tmp_path / "wrong.onnx")
        with pytest.raises(GraphError, match="does not have the tensors that its metadata promises"):
            OnnxRuntime(tmp_path / "wrong.onnx")
        entry.value = before


@pytest.mark.parametrize(("squeeze", "multiple", "reach"), [(1, 2, 12), (2, 2, 22), (3, 6, 36), (4, 4, 44)])
def test_sides_and_reach_keep_the_phase(squeeze: int, multiple: int, reach: int) -> None:
    config = NetworkConfig(1, 4, squeeze)
    forward = GraphCard(Direction.FORWARD, config, CameraContract(), "a" * 64)
    assert (forward.multiple, forward.reach) == (multiple, reach)
    inverse = GraphCard(Direction.INVERSE, config, CameraContract(), "a" * 64)
    assert (inverse.multiple, inverse.reach) == (multiple, config.halo)
    tensor = GraphCard(Direction.FORWARD, config, CameraContract(), "a" * 64, form="tensor")
    assert (tensor.multiple, tensor.reach) == (squeeze, config.halo)
    assert forward.reach % multiple == inverse.reach % multiple == 0


def test_a_graph_has_the_table_as_inputs() -> None:
    card = GraphCard(Direction.FORWARD, NetworkConfig(1, 4, 1), CameraContract(), "a" * 64)
    inputs, outputs = graph_specs(card)
    assert [str(spec) for spec in (*inputs, *outputs)] == [
        "`mosaic` uint8 (1, any, any, 2)",
        "`black` float32 (4)",
        "`white` float32 (1)",
        "`gains` float32 (3)",
        "`cfa` int32 (4)",
        "`rgb` uint8 (1, any, any, 3)",
        "`mean` float32 (1)",
    ]


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
