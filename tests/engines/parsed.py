"""What NVIDIA's own parser makes of a graph: every layer with the types that go in and come out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from invisp_deploy.engines.build import parse_graph
from invisp_deploy.runtimes.tensorrt.backend import load_backend


@dataclass(frozen=True)
class Layer:
    """kind: such as CONVOLUTION, UNARY, QUANTIZE, CAST. inputs, outputs: types such as FLOAT, HALF, INT8, FP8.

    sources, results: names of the tensors that go in and come out; the parser names most as the graph does.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sources: tuple[str, ...]
    results: tuple[str, ...]


@dataclass(frozen=True)
class Parsed:
    """Layers in the parser's order; inputs and outputs: tensor name -> type."""

    layers: tuple[Layer, ...]
    inputs: dict[str, str]
    outputs: dict[str, str]

    def of(self, kind: str, part: str = "") -> list[Layer]:
        """Layers of a kind whose name holds `part`, such as "block0.F."."""
        return [layer for layer in self.layers if layer.kind == kind and part in layer.name]

    def feeding(self, layer: Layer) -> list[Layer]:
        """The layers that make what goes into `layer`, in the order of its inputs."""
        makers = {name: maker for maker in self.layers for name in maker.results}
        return [makers[name] for name in layer.sources if name in makers]


def parse(onnx: Path, backend: str = "tensorrt-rtx") -> Parsed:
    """Parse strongly typed. Raises GraphError where the parser refuses."""
    module = load_backend(backend)
    logger = module.Logger(module.Logger.INTERNAL_ERROR)
    builder, network = parse_graph(module, onnx, logger)
    layers = tuple(_layer(network.get_layer(index)) for index in range(network.num_layers))
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    parsed = Parsed(layers, *({tensor.name: tensor.dtype.name for tensor in side} for side in (inputs, outputs)))
    del network, builder  # in this order: the builder owns the network
    return parsed


def _layer(layer: object) -> Layer:
    inputs = [layer.get_input(index) for index in range(layer.num_inputs)]  # type: ignore[attr-defined]
    given = [tensor for tensor in inputs if tensor is not None]
    outputs = [layer.get_output(index) for index in range(layer.num_outputs)]  # type: ignore[attr-defined]
    return Layer(
        layer.name,  # type: ignore[attr-defined]
        layer.type.name,  # type: ignore[attr-defined]
        tuple(tensor.dtype.name for tensor in given),
        tuple(tensor.dtype.name for tensor in outputs),
        tuple(tensor.name for tensor in given),
        tuple(tensor.name for tensor in outputs),
    )
