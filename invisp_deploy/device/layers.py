"""Where in the network low precision strays: two graphs, tensor by tensor, run and compared by polygraphy.

Tensors have the name of their node and the same names in every precision, so the ones that both graphs have are
marked as outputs of both. Inner tensors of int8 and fp8 graphs carry a gain for each channel, which the graph notes and
which is taken off before they are compared. Two things to know when reading the figures: a marked tensor cannot be
fused away, so the graph that is measured is not quite the one that runs; and errors add up, so a tensor shows all that
went before it.
"""

from __future__ import annotations

import json
import os
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import (
    ContractError,
    EngineError,
    GraphError,
    MissingExtraError,
    MissingFileError,
    RequestError,
)
from invisp_deploy.files import sha256_file
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.runtimes.golden import natural_feeds
from invisp_deploy.runtimes.onnxruntime_ import provider_with_options
from invisp_deploy.runtimes.tensorrt.cuda_device import require_device
from invisp_deploy.runtimes.tensorrt.engine_card import ENGINE_SUFFIXES, read_engine_card

_TENSORS: Final = re.compile(r"block\d+\.([FGH]\.conv\d+|[A-Za-z_]\w*)|fold(\.order)?|unfold|raw|srgb")
_NONE: Final = np.ones(1)
_EDGE: Final = 64
_PARTED: Final = 100.0  # dB; other sum orders in fp32 stay above it
_CAP: Final = 150.0  # dB; one rounding of fp32


@dataclass(frozen=True)
class Layer:
    """One tensor of both graphs. psnr: dB relative to the reference's own peak. error: largest, of that peak."""

    name: str
    psnr: float
    error: float
    peak: float
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Summary:
    """parted: the first tensor below 100 dB. strayed: of those after it, the one that falls furthest below all
    before it, and by how many dB. worst: the lowest. None where no tensor parts (or none falls further)."""

    parted: Layer | None
    strayed: Layer | None
    step: float
    worst: Layer


def comparable(graphs: Sequence[Any]) -> list[str]:
    """Names of the tensors that all ONNX models make, of convolutions and of the spine, in order of computation."""
    made = [[name for node in graph.graph.node for name in node.output] for graph in graphs]
    common = set(made[0]).intersection(*made[1:])
    return [name for name in made[0] if name in common and _TENSORS.fullmatch(name)]


def gains_of(graph: Any) -> dict[str, npt.NDArray[np.float64]]:
    """What each channel of an inner tensor of an int8 or fp8 ONNX model is multiplied with, (C, 1, 1) by its name."""
    noted = {node.output[0]: node.doc_string for node in graph.graph.node if node.op_type == "Conv" and node.doc_string}
    return {name: np.array(json.loads(text), np.float64)[:, None, None] for name, text in noted.items()}


def relative_psnr(array: npt.NDArray[Any], reference: npt.NDArray[Any]) -> tuple[float, float, float]:
    """PSNR in dB with the reference's own largest magnitude as peak, largest error in units of it, and that peak."""
    exact = reference.astype(np.float64)
    difference = array.astype(np.float64) - exact
    peak = float(np.abs(exact).max())
    mean = float(np.square(difference).mean())
    if mean == 0:
        return float("inf"), 0.0, peak
    if peak == 0:
        return float("-inf"), float("inf"), peak
    return float(10 * np.log10(peak**2 / mean)), float(np.abs(difference).max()) / peak, peak


def summarize(layers: Sequence[Layer]) -> Summary:
    """See `Summary`; `layers` in order of computation, at least one."""
    worst = min(layers, key=lambda layer: layer.psnr if np.isfinite(layer.psnr) or layer.psnr > 0 else float("-inf"))
    start = next((index for index, layer in enumerate(layers) if not layer.psnr >= _PARTED), None)
    if start is None:
        return Summary(None, None, 0.0, worst)
    lowest, strayed, step = min(_CAP, layers[start].psnr), None, 0.0
    for layer in layers[start + 1 :]:
        if lowest - layer.psnr > step:
            strayed, step = layer, lowest - layer.psnr
        lowest = min(lowest, layer.psnr)
    return Summary(layers[start], strayed, step, worst)


def compare_layers(engine: Path, reference: Path, *, source: Path | None = None, provider: str) -> list[Layer]:
    """Run both on one made picture of 64x64 and compare every tensor that both have, in order of computation.

    engine: a graph, run by ONNX Runtime's `provider`; or an engine, for which its `source` graph is built again
    with these tensors as outputs and run by the same backend. reference: a graph, run by ONNX Runtime on the CPU.
    Raises MissingExtraError without polygraphy and onnx, RequestError for an engine without its source,
    ContractError for other weights or another direction, EngineError where the backend has no device or fails.
    """
    card = read_engine_card(engine) if engine.suffix.lower() in ENGINE_SUFFIXES else None
    if card is not None and source is None:
        raise RequestError(
            f"{engine} does not hold the names of its layers: pass the graph that it was built from as `source`."
        )
    if card is not None and source is not None and sha256_file(source) != card.onnx:
        raise ContractError(f"{engine} was not built from {source}: pass the graph whose SHA-256 is {card.onnx[:12]}….")
    if card is not None:
        require_device(f"Comparing the layers of an engine of {card.backend}")
    if card is not None and card.backend == "tensorrt-rtx":
        os.environ["POLYGRAPHY_USE_TENSORRT_RTX"] = "1"  # read when polygraphy is imported
    _needs_polygraphy()
    from polygraphy.comparator import Comparator
    from polygraphy.exception import PolygraphyException
    from polygraphy.logger import G_LOGGER

    graph = engine if source is None else source
    models = [_load(path) for path in (reference, graph)]
    cards = [
        GraphCard.from_metadata({item.key: item.value for item in model.metadata_props}, str(path))
        for model, path in zip(models, (reference, graph), strict=True)
    ]
    if (cards[0].weights, cards[0].direction) != (cards[1].weights, cards[1].direction):
        raise ContractError(f"{graph} and {reference} are not the same direction of the same weights: compare those.")
    if (cards[0].form, cards[0].bits) != (cards[1].form, cards[1].bits):
        raise ContractError(
            f"{graph} has the form {cards[1].form} with {cards[1].bits} bits, {reference} {cards[0].form} with "
            f"{cards[0].bits}: compare graphs of the same form and depth."
        )
    names = comparable(models)
    exact_gains, our_gains = (gains_of(model) for model in models)
    feeds = [dict(natural_feeds(cards[0], _EDGE, _EDGE))]
    G_LOGGER.module_severity = G_LOGGER.CRITICAL
    layers: dict[str, Layer] = {}

    def compare(ours: Mapping[str, Any], exact: Mapping[str, Any]) -> OrderedDict[str, bool]:
        for name in names:
            if name in ours and name in exact and ours[name].dtype.kind == exact[name].dtype.kind == "f":
                tensors = ours[name] / our_gains.get(name, _NONE), exact[name] / exact_gains.get(name, _NONE)
                layers[name] = Layer(name, *relative_psnr(*tensors), tuple(exact[name].shape))
        return OrderedDict((name, True) for name in layers)

    tried = _graph_runner(graph, names, provider) if card is None else _engine_runner(graph, names, feeds[0])
    try:
        results = Comparator.run([tried, _graph_runner(reference, names, "CPUExecutionProvider")], data_loader=feeds)
        Comparator.compare_accuracy(results, compare_func=compare)
    except (PolygraphyException, RuntimeError) as error:
        raise EngineError(f"{engine} could not be run layer by layer: {str(error).splitlines()[0]}") from error
    if not layers:
        raise EngineError(f"{graph} and {reference} have no tensor in common: export both with this version.")
    return [layers[name] for name in names if name in layers]


def _needs_polygraphy() -> None:
    for package in ("polygraphy", "onnx"):
        try:
            __import__(package)
        except ModuleNotFoundError as error:
            if error.name != package:
                raise
            raise MissingExtraError(package, "verify") from error


def _load(path: Path) -> Any:
    import onnx

    if not path.is_file():
        raise MissingFileError(f"There is no graph {path}.")
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's DecodeError, which moved between its versions
        raise GraphError(f"{path} is not an ONNX graph: {error}.") from error


def _graph_runner(path: Path, names: Iterable[str], provider: str) -> Any:
    from onnxruntime import GraphOptimizationLevel
    from polygraphy.backend.onnx import BytesFromOnnx, ModifyOutputs, OnnxFromPath
    from polygraphy.backend.onnxrt import OnnxrtRunner, SessionFromOnnx

    chosen = provider_with_options(provider)
    marked = BytesFromOnnx(ModifyOutputs(OnnxFromPath(str(path)), outputs=list(names)))
    level = GraphOptimizationLevel.ORT_ENABLE_EXTENDED  # nearer to float64 than ALL
    session = SessionFromOnnx(marked, providers=[chosen], graph_optimization_level=level)
    return OnnxrtRunner(session, name=f"{provider} {path}")


def marked_network(path: Path, names: Iterable[str], shapes: Mapping[str, tuple[int, ...]]) -> tuple[Any, Any]:
    """polygraphy's loaders of a strongly typed network with those tensors as outputs, and of its configuration.

    The graph's own outputs stay outputs: the builder takes bytes (codes, samples) nowhere else.
    shapes: of the inputs, the one size that the engine is built for. TensorRT for RTX if the environment says so.
    """
    from polygraphy.backend.trt import CreateConfig, ModifyNetworkOutputs, NetworkFromOnnxPath, Profile

    profile = Profile()
    for name, shape in shapes.items():
        profile.add(name, min=shape, opt=shape, max=shape)
    outputs = dict.fromkeys((*names, *(output.name for output in _load(path).graph.output)))
    network = ModifyNetworkOutputs(NetworkFromOnnxPath(str(path), strongly_typed=True), outputs=list(outputs))
    return network, CreateConfig(profiles=[profile])


def _engine_runner(path: Path, names: Iterable[str], feed: Mapping[str, npt.NDArray[Any]]) -> Any:
    from polygraphy.backend.trt import EngineFromNetwork, TrtRunner

    network, config = marked_network(path, names, {name: tensor.shape for name, tensor in feed.items()})
    return TrtRunner(EngineFromNetwork(network, config), name=f"engine of {path}")
