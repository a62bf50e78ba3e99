"""A view written down as an ONNX graph, node by node.

Written with `onnx.helper` and not with `torch.onnx.export`: the network is eleven kinds of operator in a fixed
order, so this module is shorter than the clean-up that an exporter's output would need (names, absolute paths
in node metadata, external data, shape arithmetic around the pixel squares), the bytes do not change with the
version of PyTorch, and every tensor has the name that the network gives it. That the graph computes what
PyTorch computes is measured at every export (`parity`), not assumed.

Names: `block3.F.conv1` is a node, the tensor it makes and, with `.weight` or `.bias`, its constants; numbers
and constants of a block are the same in both graphs. The spine is `fold`, `unfold` and `blockN.*`; what lies
within `blockN.F`, `blockN.G` and `blockN.H` is the work, and the part that stands lower precision.

Mosaic graphs hold planes at half the resolution, as the steps do: a network of squeeze 2 then has nothing to fold.

Pixel squares: ONNX's SpaceToDepth orders channels (row, column, colour), PyTorch's pixel_unshuffle (colour,
row, column). Forward, the permutation is multiplied into the first 1x1 matrix; the inverse begins with a
coupling and has a 1x1 convolution of zeros and ones for it. DepthToSpace in CRD mode is pixel_shuffle. One
strided convolution could do as much, but would drop an odd last row where SpaceToDepth refuses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper
from torch import Tensor

from invisp_deploy import __version__
from invisp_deploy.arithmetic import FP32, Arithmetic
from invisp_deploy.config import SCALE_BOUND
from invisp_deploy.errors import GraphError, RequestError
from invisp_deploy.export.function import write_function
from invisp_deploy.export.nodes import Nodes
from invisp_deploy.export.views import View
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.layout import folded, unfolded
from invisp_deploy.isp.steps import Array, Codes, steps
from invisp_deploy.network.coupling import Coupling, CouplingFunction
from invisp_deploy.runtimes.base import MEAN, TensorSpec, graph_specs

OPERATORS: Final = frozenset(
    {
        "Add", "Concat", "Conv", "DepthToSpace", "Exp", "Identity", "LeakyRelu", "Mul", "Sigmoid", "SpaceToDepth",
        "Split", "Sub",
    }
)  # fmt: skip
"""The only operators that an fp32 graph may hold."""

LOWERING: Final = {
    "fp32": frozenset[str](),
    "fp16": frozenset({"Cast"}),
    "int8": frozenset({"Cast", "DequantizeLinear", "QuantizeLinear"}),
    "fp8": frozenset({"Cast", "DequantizeLinear", "QuantizeLinear"}),
}
"""What a lower precision may add to them."""

STEP_OPERATORS: Final = frozenset(
    {
        "Cast",
        "Clip",
        "Div",
        "Equal",
        "Floor",
        "Gather",
        "Log",
        "Max",
        "Min",
        "Pad",
        "Pow",
        "ReduceMean",
        "ReduceSum",
        "Reshape",
        "Round",
        "Transpose",
    }
)
"""What the steps of `isp` add, and the mean of the result."""

OPSETS: Final = {"fp32": (17, 18), "fp16": (17, 18), "int8": (17, 18), "fp8": (19,)}
"""Operator sets by precision, the default first: TensorRT 10.3 reads up to 20, FP8 came with 19."""

_TYPES: Final = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "uint8": TensorProto.UINT8}

IR_VERSIONS: Final = {17: 8, 18: 8, 19: 9}
"""The file format that came with an operator set, so that whatever reads the one reads the other."""


def build_graph(
    view: View, card: GraphCard, opset: int | None = None, arithmetic: Arithmetic = FP32
) -> onnx.ModelProto:
    """The view as a model of the card's form: a mosaic and its numbers to codes and the mean of the result, or back;
    or float32 (batch, 3, height, width) in and out. All sizes of the picture are dynamic.

    The same weights, card, opset and arithmetic give the same bytes. Raises RequestError for an opset that the
    precision does not have and for scales of another network, GraphError for the card of another view or arithmetic.
    """
    known = OPSETS[arithmetic.precision]
    opset = known[0] if opset is None else opset
    if opset not in known:
        raise RequestError(
            f"The opset of an {arithmetic.precision} graph must be {' or '.join(map(str, known))}, got {opset}."
        )
    if (card.direction, card.config) != (view.direction, view.config):
        raise GraphError(
            f"The card says {card.direction.value}, {card.config}; the view is {view.direction.value}, {view.config}: "
            "pass the card of this view."
        )
    described = (arithmetic.precision, tuple(sorted(arithmetic.kept)), arithmetic.digest)
    if (card.precision, card.kept, card.scales) != described:
        raise GraphError(f"The card does not describe the {arithmetic.precision} arithmetic of this graph.")
    arithmetic.check(view.config)
    graph = _Graph(view, arithmetic)
    inputs, outputs = _interface(graph, card)
    model = helper.make_model(
        helper.make_graph(graph.nodes, card.direction.value, inputs, outputs, list(graph.constants.values())),
        producer_name="invisp-deploy",
        producer_version=__version__,
        ir_version=IR_VERSIONS[opset],
        opset_imports=[helper.make_opsetid("", opset)],
    )
    for key, value in card.to_metadata().items():
        model.metadata_props.add(key=key, value=value)
    check_graph(model, arithmetic.precision, card.form)
    return model


def _interface(graph: _Graph, card: GraphCard) -> tuple[list[ValueInfoProto], list[ValueInfoProto]]:
    """Write all nodes between the inputs and outputs of the card's form."""
    source, target = card.direction.input_name, card.direction.output_name
    if card.form == "tensor":
        graph.build(source, target)
    else:
        contract = card.contract
        for_engine = graph.for_engine
        developing = steps(contract.color, contract.curve, contract.cfa, clips=contract.clips, for_engine=for_engine)
        codes = Codes(card.bits, for_engine)
        if card.direction is Direction.FORWARD:
            _written([step.write_forward for step in developing], graph, "mosaic", _half(graph, source))
            codes.write_forward(graph, _between(graph, source, target), "rgb")
        else:
            codes.write_inverse(graph, "rgb", _half(graph, source))
            made = _between(graph, source, target)
            _written([step.write_inverse for step in reversed(developing)], graph, made, "mosaic")
        shape = graph.constant("mean.shape", np.array([1], np.int64))
        graph.node("Reshape", MEAN, graph.node("ReduceMean", "mean.all", target), shape)
    inputs, outputs = graph_specs(card)
    return [_value(spec) for spec in inputs], [_value(spec) for spec in outputs]


def _half(graph: _Graph, planes: str) -> str:
    """What planes at half the resolution are called: as those of the network, where it computes there."""
    return planes if graph.at_half else f"{planes}.half"


def _between(graph: _Graph, source: str, target: str) -> str:
    """The network between the steps, whose planes are at half the resolution; returns the name of what it makes."""
    if graph.at_half:
        return graph.blocks(source, target)
    unfolded(graph, _half(graph, source), "planes", source)
    graph.build(source, target)
    return folded(graph, target, "result", _half(graph, target))


def _written(writers: Sequence[Callable[..., str]], graph: _Graph, x: str, output: str) -> None:
    for write in writers[:-1]:
        x = write(graph, x)
    writers[-1](graph, x, output)


def _value(spec: TensorSpec) -> ValueInfoProto:
    names = iter(
        ("height", "width") if spec.rows is None or spec.shape[0] is not None else ("batch", "height", "width")
    )
    shape = [size if isinstance(size, int) else next(names) for size in spec.shape]
    return helper.make_tensor_value_info(spec.name, _TYPES[spec.dtype], shape)


def check_graph(model: onnx.ModelProto, precision: str = "fp32", form: str = "mosaic") -> None:
    """Raise GraphError unless ONNX's full check passes, all operators are allowed and all data is inside."""
    allowed = OPERATORS | LOWERING[precision] | (STEP_OPERATORS if form == "mosaic" else frozenset())
    if foreign := sorted(set(operator_counts(model)) - allowed):
        raise GraphError(f"The graph holds {', '.join(foreign)}; only {', '.join(sorted(allowed))} are allowed.")
    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer):
        raise GraphError("The graph keeps weights in another file: write them into the graph.")
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise GraphError(f"The graph is not valid ONNX: {error}") from error


def operator_counts(model: onnx.ModelProto) -> dict[str, int]:
    """How often each operator occurs, by name."""
    return dict(sorted(Counter(node.op_type for node in model.graph.node).items()))


class _Graph(Nodes):
    """The spine: split, couple, mix, block by block."""

    def __init__(self, view: View, arithmetic: Arithmetic) -> None:
        super().__init__()
        self.view = view
        self.arithmetic = arithmetic
        self.forward = view.direction is Direction.FORWARD

    @property
    def at_half(self) -> bool:
        """Whether the network computes at half the resolution, where the steps have their planes; none does so, too."""
        return self.view.config.squeeze == 2 or not self.view.blocks()

    @property
    def for_engine(self) -> bool:
        """Whether the graph is written for NVIDIA's builder: lower precisions are, fp32 is for CPUs as well."""
        return self.arithmetic.precision != "fp32"

    def build(self, source: str, target: str) -> None:
        """From planes (batch, 3, H, W) to such planes."""
        squeeze = self.view.config.squeeze
        if squeeze == 1 or not self.view.blocks():
            self.blocks(source, target)
            return
        x, order = self.node("SpaceToDepth", "fold", source, blocksize=squeeze), _pixel_order(squeeze)
        if self.forward:
            x = self.blocks(x, order=order)
        else:
            x = self.blocks(self.mixing("fold.order", x, order[..., None, None]))
        self.node("DepthToSpace", "unfold", x, output=target, blocksize=squeeze, mode="CRD")

    def blocks(self, x: str, output: str = "", order: Array | None = None) -> str:
        """All blocks, on folded channels. order: of the channels of `x`, where a forward graph's first 1x1 matrix is
        to undo it."""
        blocks = self.view.blocks()
        if not blocks:
            return self.node("Identity", "nothing", x, output=output)
        if not self.forward:
            first, coupling, _ = blocks[0]
            self.split(f"block{first}", coupling.parts, x, (f"block{first}.y1", f"block{first}.y2"))
        for step, (index, coupling, mixing) in enumerate(blocks):
            name, weight = f"block{index}", _array(mixing.weight)
            ends = step == len(blocks) - 1
            if self.forward:
                if order is not None and step == 0:
                    weight = (weight[..., 0, 0] @ order)[..., None, None]
                self.mixed(f"{name}.mix", x, weight, name, coupling)
                x = self.coupling(name, coupling, output if ends else "")
            else:
                x = self.decoupling(name, coupling)
                if ends:
                    x = self.mixing(f"{name}.unmix", x, weight, output)
                else:
                    following, then, _ = blocks[step + 1]
                    self.mixed(f"{name}.unmix", x, weight, f"block{following}", then)
        return x

    def mixed(self, name: str, x: str, weight: Array, block: str, coupling: Coupling) -> None:
        """Write the two parts that a block reads, out of a 1x1 convolution.

        An engine would copy each part out of the whole, so its graphs have a convolution for each.
        """
        letter = "x" if self.forward else "y"
        parts = [f"{block}.{letter}1", f"{block}.{letter}2"]
        if self.for_engine:
            for part, rows in zip(parts, np.split(weight, [coupling.parts[0]]), strict=True):
                self.mixing(f"{name}{part[-1]}", x, rows, part)
        else:
            self.split(block, coupling.parts, self.mixing(name, x, weight), parts)

    def coupling(self, name: str, coupling: Coupling, output: str) -> str:
        x1, x2 = f"{name}.x1", f"{name}.x2"
        y1 = self.node("Add", f"{name}.y1", x1, self.function(f"{name}.F", coupling.F, x2))
        shift, *scale = self.of_y1(name, coupling, y1)
        scaled = self.node("Mul", f"{name}.scaled", x2, self.exponential(name, *scale)) if scale else x2
        y2 = self.node("Add", f"{name}.y2", scaled, shift)
        return self.node("Concat", f"{name}.y", y1, y2, output=output, axis=1)

    def decoupling(self, name: str, coupling: Coupling) -> str:
        y1, y2 = f"{name}.y1", f"{name}.y2"
        shift, *scale = self.of_y1(name, coupling, y1)
        x2 = self.node("Sub", f"{name}.scaled" if scale else f"{name}.x2", y2, shift)
        if scale:
            x2 = self.node("Mul", f"{name}.x2", x2, self.exponential(name, *scale))
        x1 = self.node("Sub", f"{name}.x1", y1, self.function(f"{name}.F", coupling.F, x2))
        return self.node("Concat", f"{name}.x", x1, x2, axis=1)

    def of_y1(self, name: str, coupling: Coupling, y1: str) -> list[str]:
        """G of it and, in an affine coupling, H."""
        blocks = coupling.functions()[1:]
        return [self.function(f"{name}.{letter}", block, y1) for letter, block in zip("GH", blocks, strict=False)]

    def exponential(self, name: str, h: str) -> str:
        """exp(s) forward, exp(-s) inverse, with s = 0.8 (2 sigmoid(h) - 1) = 1.6 sigmoid(h) - 0.8."""
        bound = self.constant("bound", np.array([SCALE_BOUND], np.float32))
        twice = self.constant("twice_bound", np.array([2 * SCALE_BOUND], np.float32))
        sigmoid = self.node("Sigmoid", f"{name}.sigmoid", h)
        spread = self.node("Mul", f"{name}.spread", sigmoid, twice)
        terms = (spread, bound) if self.forward else (bound, spread)
        return self.node("Exp", f"{name}.exp", self.node("Sub", f"{name}.{'s' if self.forward else 'minus_s'}", *terms))

    def function(self, name: str, block: CouplingFunction, x: str) -> str:
        return write_function(self, block, name, x, self.arithmetic)

    def mixing(self, name: str, x: str, weight: Array, output: str = "") -> str:
        return self.convolution(name, x, self.constant(f"{name}.weight", weight), 1, output=output)


def _pixel_order(squeeze: int) -> Array:
    """(C, C) float32 permutation from the channel order of SpaceToDepth to that of pixel_unshuffle."""
    count = 3 * squeeze**2
    depth_first = np.arange(count).reshape(squeeze**2, 3).T.reshape(-1)
    order: Array = np.eye(count, dtype=np.float32)[depth_first]
    return order


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array


def network_inside(model: onnx.ModelProto, direction: Direction) -> onnx.ModelProto:
    """The float graph that a mosaic graph holds between its steps, as a model of its own with the same constants; a
    float graph as it is.

    Planes at half the resolution become (batch, 3, height, width) at both ends.
    """
    source, target = direction.input_name, direction.output_name
    if model.graph.input[0].name == source:
        return model
    made = {name: node for node in model.graph.node for name in node.output}
    needed: set[str] = set()
    pending = [target]
    while pending:
        name = pending.pop()
        if name in needed or name == source:
            continue
        needed.add(name)
        pending += made[name].input if name in made else []
    nodes = [node for node in model.graph.node if needed & set(node.output)]
    constants = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name in needed}
    if source in made and f"{source}.half" not in made:  # what the steps make is what the network reads
        nodes = _folded_ends(nodes, constants, source, target)
    shape = ("batch", 3, "height", "width")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in (source, target)]
    inside = helper.make_graph(nodes, model.graph.name, values[:1], values[1:], list(constants.values()))
    return helper.make_model(inside, ir_version=model.ir_version, opset_imports=list(model.opset_import))


def _folded_ends(
    nodes: Sequence[NodeProto], constants: dict[str, TensorProto], source: str, target: str
) -> list[NodeProto]:
    """Copies of nodes that compute at half the resolution, between a fold and its way back; adds their constants."""
    ends = Nodes()
    folded(ends, source, "ends", "ends.source")
    unfolded(ends, "ends.target", "ends", target)
    constants.update(ends.constants)
    inner = {source: "ends.source", target: "ends.target"}
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    for node in copies:
        for names in (node.input, node.output):
            names[:] = [inner.get(name, name) for name in names]
    return [*ends.nodes[:-1], *copies, ends.nodes[-1]]
