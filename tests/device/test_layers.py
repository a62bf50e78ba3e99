"""Layer by layer, with faults put into graphs at known places."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from invisp_deploy.arithmetic import Arithmetic
from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.device.layers import Layer, comparable, compare_layers, gains_of, relative_psnr, summarize
from invisp_deploy.errors import ContractError, EngineError, GraphError, RequestError
from invisp_deploy.files import sha256_file, write_whole
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt.cuda_device import find_device
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard, Profile, sidecar_path
from tests.engines.precisions import made, made_arithmetic, write_precise
from tests.graphs import Graphs, write_graphs

CPU = "CPUExecutionProvider"


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 8, 2), CameraContract())


def with_steps(source: Path, target: Path, steps: dict[str, float]) -> Path:
    """A copy whose weights of the convolutions whose names contain a key are rounded to so many parts of their peak."""
    model = onnx.load(source)
    for constant in model.graph.initializer:
        for part, count in steps.items():
            if part in constant.name and constant.name.endswith(".weight"):
                array = numpy_helper.to_array(constant)
                step = np.abs(array).max() / count
                constant.CopyFrom(numpy_helper.from_array((np.round(array / step) * step).astype("f4"), constant.name))
    onnx.save(model, target)
    return target


def test_a_graph_does_not_stray_from_itself(graphs: Graphs) -> None:
    layers = compare_layers(graphs.forward, graphs.forward, provider=CPU)
    names = [name for node in onnx.load(graphs.forward).graph.node for name in node.output]
    ours = [layer.name for layer in layers]
    assert ours == [name for name in names if name in ours], "in order of computation"
    for name in ("raw", "block0.mix", "block0.F.conv1", "block1.G.conv5", "block1.exp", "block1.y1", "srgb"):
        assert name in ours
    assert summarize(layers).parted is None
    assert all(layer.error == 0 for layer in layers)


def test_figures_are_those_of_the_tensors(graphs: Graphs, tmp_path: Path) -> None:
    low = with_steps(graphs.forward, tmp_path / "low.onnx", {"block0.F.conv1": 8})
    layers = {layer.name: layer for layer in compare_layers(low, graphs.forward, provider=CPU)}
    from onnx.reference import ReferenceEvaluator

    from invisp_deploy.runtimes.golden import natural_feeds

    card = OnnxRuntime(graphs.forward).card
    outputs = []
    for path in (low, graphs.forward):
        model = onnx.load(path)
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info("block0.F.conv1"))
        (value,) = ReferenceEvaluator(model).run(["block0.F.conv1"], dict(natural_feeds(card, 64, 64)))
        outputs.append(value.astype(np.float64))
    difference, peak = outputs[0] - outputs[1], np.abs(outputs[1]).max()
    expected = 20 * np.log10(peak / np.sqrt(np.mean(difference**2)))
    found = layers["block0.F.conv1"]
    assert found.psnr == pytest.approx(expected, abs=1e-3)
    assert found.error == pytest.approx(np.abs(difference).max() / peak, rel=1e-3)
    assert found.peak == pytest.approx(peak, rel=1e-5)
    assert layers["block0.mix"].error == 0


def test_a_fault_is_found_where_it_was_put(graphs: Graphs, tmp_path: Path) -> None:
    low = with_steps(graphs.forward, tmp_path / "low.onnx", {".F.": 3000, "block1.G.conv3": 6})
    summary = summarize(compare_layers(low, graphs.forward, provider=CPU))
    assert summary.parted is not None
    assert summary.strayed is not None
    assert summary.parted.name == "block0.F.conv1"
    assert summary.strayed.name == "block1.G.conv3"
    assert summary.step > 10
    assert summary.worst.psnr <= summary.strayed.psnr


@pytest.fixture(scope="module", params=["edge", "nano"])
def graphs_of_both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """fp32, and int8 with two convolutions kept in fp16: both directions."""
    kept = frozenset({"block2.G.conv1", "block2.G.conv2"})
    checkpoint, written = made(CONFIGURATIONS[request.param]), {}
    for precision, arithmetic in (("fp32", Arithmetic()), ("int8", made_arithmetic(checkpoint, "int8", kept))):
        written[precision] = write_precise(tmp_path_factory.mktemp(precision), checkpoint, arithmetic)
    return written


@pytest.mark.parametrize("direction", Direction)
def test_nothing_is_wrong_with_an_int8_graph(graphs_of_both: dict[str, dict], direction: Direction) -> None:
    """Its inner tensors are multiplied by gains, so they compare only once these are off."""
    int8, fp32 = (graphs_of_both[precision][direction] for precision in ("int8", "fp32"))
    layers = compare_layers(int8, fp32, provider=CPU)
    assert sum(".conv" in layer.name for layer in layers) in (120, 72), "every convolution"
    assert min(layer.psnr for layer in layers) > 35
    gains = np.concatenate([gain.ravel() for gain in gains_of(onnx.load(int8)).values()])
    assert gains.max() / gains.min() > 2


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("name", ["block1.F.conv1", "block2.G.conv2", "block4.H.conv3"])
def test_the_damaged_layer_of_an_int8_graph_is_named(
    graphs_of_both: dict[str, dict], tmp_path: Path, direction: Direction, name: str
) -> None:
    model = onnx.load(graphs_of_both["int8"][direction])
    bias = next(one for one in model.graph.initializer if one.name == f"{name}.bias")
    array = numpy_helper.to_array(bias)
    bias.CopyFrom(numpy_helper.from_array(array + array.dtype.type(3 * np.abs(array).max()), bias.name))
    onnx.save(model, tmp_path / "damaged.onnx")
    summary = summarize(compare_layers(tmp_path / "damaged.onnx", graphs_of_both["fp32"][direction], provider=CPU))
    assert summary.strayed is not None
    assert summary.strayed.name == name
    assert summary.step > 15


def test_layers_are_compared_in_fp32_where_fp32_was_asked_for(graphs: Graphs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The options of a provider are those of the runtime: on CUDA, no TF32."""
    import onnxruntime

    asked: list[object] = []

    class Session(onnxruntime.InferenceSession):
        def __init__(self, model: object, *, providers: list[object], **rest: object) -> None:
            asked.extend(providers)
            super().__init__(model, providers=[CPU], **rest)

    everything = ["CUDAExecutionProvider", "TensorrtExecutionProvider", CPU]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: everything)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    compare_layers(graphs.forward, graphs.forward, provider="CUDAExecutionProvider")
    tried, reference = asked
    assert tried[0] == "CUDAExecutionProvider"
    assert tried[1]["use_tf32"] == "0"
    assert reference == (CPU, {})
    with pytest.raises(EngineError, match="TensorrtExecutionProvider is not used.*`invisp-export engine`"):
        compare_layers(graphs.forward, graphs.forward, provider="TensorrtExecutionProvider")


def test_the_inverse_too(graphs: Graphs, tmp_path: Path) -> None:
    low = with_steps(graphs.inverse, tmp_path / "low.onnx", {"block1.G.conv5": 6})
    summary = summarize(compare_layers(low, graphs.inverse, provider=CPU))
    assert summary.parted is not None
    assert summary.parted.name == "block1.G.conv5"


def test_only_tensors_that_both_have_are_compared(graphs: Graphs, tmp_path: Path) -> None:
    model = onnx.load(graphs.forward)
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["other" if name == "block0.F.conv2" else name for name in names]
    onnx.save(model, tmp_path / "renamed.onnx")
    assert "block0.F.conv2" in comparable([onnx.load(graphs.forward)])
    assert "block0.F.conv2" not in comparable([onnx.load(graphs.forward), model])
    names = [layer.name for layer in compare_layers(tmp_path / "renamed.onnx", graphs.forward, provider=CPU)]
    assert "block0.F.conv2" not in names
    assert "block0.F.conv3" in names


def test_relative_psnr_knows_no_scale() -> None:
    x = np.random.default_rng(0).normal(size=1000)
    y = x + 0.01
    psnr, error, peak = relative_psnr(y, x)
    assert relative_psnr(1000 * y, 1000 * x)[:2] == pytest.approx((psnr, error))
    assert psnr == pytest.approx(20 * np.log10(peak / 0.01))
    assert relative_psnr(x, x)[:2] == (float("inf"), 0)
    assert relative_psnr(y, 0 * x)[0] == float("-inf")


def layer(name: str, psnr: float) -> Layer:
    return Layer(name, psnr, 0.0, 1.0, (1,))


def test_the_biggest_step_is_below_all_before_it() -> None:
    figures = {"a": float("inf"), "b": 120, "c": 70, "d": 90, "e": 65, "f": 40, "g": 95, "h": 39}
    summary = summarize([layer(name, psnr) for name, psnr in figures.items()])
    assert summary.parted == layer("c", 70)
    assert summary.strayed == layer("f", 40)
    assert summary.step == 25
    assert summary.worst == layer("h", 39)


def test_nan_is_the_worst() -> None:
    summary = summarize([layer("a", 120), layer("b", float("nan")), layer("c", 50)])
    assert summary.worst.name == "b"
    assert summary.parted is not None
    assert summary.parted.name == "b"


def engine_of(graph: Path, folder: Path, backend: str = "tensorrt") -> Path:
    engine = folder / "forward.trt"
    engine.write_bytes(b"plan")
    card = GraphCard.from_metadata({one.key: one.value for one in onnx.load(graph).metadata_props}, "graph")
    profile = Profile((64, 64), (64, 64), (64, 64))
    sidecar = EngineCard(card, backend, "10.3.0", sha256_file(engine), sha256_file(graph), ("sm86",), profile)
    write_whole(sidecar_path(engine), sidecar.to_json())
    return engine


def test_an_engine_needs_its_graph_and_a_device(graphs: Graphs, tmp_path: Path) -> None:
    engine = engine_of(graphs.forward, tmp_path)
    with pytest.raises(RequestError, match="pass the graph that it was built from as `source`"):
        compare_layers(engine, graphs.forward, provider=CPU)
    with pytest.raises(ContractError, match="was not built from"):
        compare_layers(engine, graphs.forward, source=graphs.inverse, provider=CPU)
    if find_device() is None:
        with pytest.raises(EngineError, match="needs an NVIDIA GPU"):
            compare_layers(engine, graphs.forward, source=graphs.forward, provider=CPU)


def test_what_cannot_be_compared(graphs: Graphs, tmp_path: Path) -> None:
    other = write_graphs(tmp_path, NetworkConfig(2, 8, 2), CameraContract(), seed=1)
    for engine in (other.forward, graphs.inverse):
        with pytest.raises(ContractError, match="not the same direction of the same weights"):
            compare_layers(engine, graphs.forward, provider=CPU)
    with pytest.raises(EngineError, match="has no NoSuchExecutionProvider"):
        compare_layers(graphs.forward, graphs.forward, provider="NoSuchExecutionProvider")
    with pytest.raises(RequestError, match="There is no graph"):
        compare_layers(tmp_path / "absent.onnx", graphs.forward, provider=CPU)
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(GraphError, match="not an ONNX graph"):
        compare_layers(tmp_path / "text.onnx", graphs.forward, provider=CPU)


BUILD = """
import sys, onnx
from polygraphy.backend.trt import EngineBytesFromNetwork
from polygraphy.logger import G_LOGGER
from pathlib import Path
from invisp_deploy.device.layers import comparable, marked_network
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.runtimes.golden import natural_feeds
G_LOGGER.module_severity = G_LOGGER.CRITICAL
graph = Path(sys.argv[1])
names = comparable([onnx.load(graph)])
card = GraphCard.from_metadata({one.key: one.value for one in onnx.load(graph).metadata_props}, "graph")
shapes = {name: array.shape for name, array in natural_feeds(card, 64, 64).items()}
network, config = marked_network(graph, names, shapes)
built = network()
print({built[1].get_output(index).name for index in range(built[1].num_outputs)} >= set(names))
print(memoryview(EngineBytesFromNetwork(built, config)()).nbytes > 10000)
"""


@pytest.mark.parametrize("form", ["mosaic", "tensor"])
@pytest.mark.parametrize("direction", Direction)
def test_nvidias_builder_takes_a_graph_with_all_its_tensors_marked(
    tmp_path: Path, direction: Direction, form: str
) -> None:
    """For every target: polygraphy names none, and the builder then builds for Turing, too."""
    graphs = write_graphs(tmp_path, NetworkConfig(2, 8, 2), CameraContract(), form=form)
    graph = graphs.forward if direction is Direction.FORWARD else graphs.inverse
    environment = {**os.environ, "POLYGRAPHY_USE_TENSORRT_RTX": "1"}
    command = [sys.executable, "-c", BUILD, str(graph)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.split() == ["True", "True"], done.stdout + done.stderr
