"""Graphs in low precision: what is in them, one table for both directions, and what others compute with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor

from invisp_deploy.arithmetic import Arithmetic, quantised_tensors
from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import GraphError, RequestError
from invisp_deploy.export.graph import LOWERING, OPERATORS, build_graph, operator_counts
from invisp_deploy.export.views import ForwardView, InverseView
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.network.checkpoint import weights_hash
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.network.lowered import lowered
from invisp_deploy.runtimes.golden import natural_planes
from tests.export.conftest import CONTRACT
from tests.quantisation import arithmetic_of

CONFIG = NetworkConfig(blocks=2, growth=8, squeeze=2)
CHAIN = NetworkConfig(blocks=2, growth=10, squeeze=2, depth=5, kind="chain")
ENDS = frozenset(f"block{index}.{part}.conv{layer}" for index in range(2) for part in "FGH" for layer in (1, 5))
ALL = pytest.mark.parametrize(
    ("precision", "kept"),
    [("fp16", frozenset()), ("int8", frozenset()), ("int8", ENDS), ("fp8", frozenset()), ("fp8", ENDS)],
)


@pytest.fixture(scope="module", params=[CONFIG, CHAIN], ids=["dense", "chain"])
def network(request: pytest.FixtureRequest, random_network: Callable[..., InvISP]) -> InvISP:
    return random_network(request.param, spread=0.05)


@pytest.fixture(scope="module")
def raw() -> Tensor:
    return torch.from_numpy(natural_planes((1, 3, 48, 64), 3))


def graphs(network: InvISP, arithmetic: Arithmetic, form: str = "tensor") -> dict[Direction, onnx.ModelProto]:
    built = {}
    for view in (ForwardView(network), InverseView(network)):
        card = GraphCard(
            view.direction, network.config, CONTRACT, weights_hash(network), arithmetic.precision,
            kept=tuple(sorted(arithmetic.kept)), scales=arithmetic.digest, form=form,
        )  # fmt: skip
        built[view.direction] = build_graph(view, card, arithmetic=arithmetic)
    return built


def constants(model: onnx.ModelProto) -> dict[str, bytes]:
    return {tensor.name: tensor.SerializeToString() for tensor in model.graph.initializer}


@ALL
def test_both_graphs_hold_the_same_constants_bit_for_bit(
    network: InvISP, raw: Tensor, precision: str, kept: frozenset[str]
) -> None:
    built = graphs(network, arithmetic_of(network, raw, precision, kept))
    forward, inverse = (constants(built[direction]) for direction in Direction)
    shared = [name for name in forward if any(part in name for part in (".F.", ".G.", ".H.")) or ".scale" in name]
    assert [name for name in shared if inverse.get(name) != forward[name]] == []
    scales = [name for name in shared if name.endswith((".x2.scale", ".y1.scale"))]
    assert len(scales) == (0 if precision == "fp16" else 4)  # two blocks, x2 and y1


@ALL
def test_every_scale_of_the_table_is_in_the_graph(
    network: InvISP, raw: Tensor, precision: str, kept: frozenset[str]
) -> None:
    """The input's scale stands as it is; that of an inner tensor is in the gain of the convolution that makes it."""
    arithmetic = arithmetic_of(network, raw, precision, kept)
    table = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graphs(network, arithmetic)[Direction.FORWARD].graph.initializer
        if tensor.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16)
    }
    for name, scale in arithmetic.scales.items():
        if ".relu" not in name:
            assert table[f"{name}.scale"].shape == ()
            assert table[f"{name}.scale"] == np.float32(scale)
            continue
        convolution = name.replace("relu", "conv")
        block, part, layer = convolution.split(".")
        bias = getattr(getattr(network.blocks()[int(block[5:])], part), layer).bias.detach().numpy()
        source = arithmetic.scales[f"{block}.{'x2' if part == 'F' else 'y1'}"]
        assert table[f"{convolution}.bias"] == pytest.approx(bias * source / scale, rel=2e-3)


@ALL
def test_onnxruntime_rounds_what_the_simulation_rounds(
    network: InvISP, raw: Tensor, precision: str, kept: frozenset[str]
) -> None:
    """As far from fp32 as the simulation, and much nearer to that: a graph that rounds nothing is as far as nothing."""
    arithmetic = arithmetic_of(network, raw, precision, kept)
    low = lowered(network, arithmetic)
    with torch.no_grad():
        srgb = low(raw)
        pairs = {
            Direction.FORWARD: (raw, srgb, network(raw)),
            Direction.INVERSE: (srgb, low.inverse(srgb), network.inverse(srgb)),
        }
    for direction, arrays in pairs.items():
        given, expected, exact = (array.numpy() for array in arrays)
        model = graphs(network, arithmetic)[direction].SerializeToString()
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        (made,) = session.run(None, {direction.input_name: given})
        assert made.dtype == np.float32
        lost, found = psnr(expected, exact), psnr(made, exact)
        if precision == "fp16":  # a CPU rounds weights and tensors to 11 bits, but not the sums between them
            assert lost - 1 < found < lost + 8
        else:  # where layers are kept in fp16, they part from the simulation as in the line above
            assert found == pytest.approx(lost, abs=3 if kept else 0.5)
            assert psnr(made, expected) > lost + (1.5 if kept else 10)


@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_what_saturates_does_so_at_the_same_values(network: InvISP, precision: str) -> None:
    """Scales a quarter of what the values need: int8 ends at -128 and 127, fp8 at 448 to either side."""
    small = torch.from_numpy(natural_planes((1, 3, 8, 12), 3)) * 2 - 1
    whole = arithmetic_of(network, small, precision)
    arithmetic = replace(whole, scales={name: step / 4 for name, step in whole.scales.items()})
    model = graphs(network, arithmetic)[Direction.FORWARD].SerializeToString()
    (made,) = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"raw": small.numpy()})
    with torch.no_grad():
        expected, exact = lowered(network, arithmetic)(small).numpy(), network(small).numpy()
    assert np.abs(expected - exact).max() > 0.02, "something saturates"
    assert np.abs(made - expected).max() < 1e-5


def test_the_reference_evaluator_of_onnx_computes_the_int8_graph_alike(network: InvISP) -> None:
    small = torch.from_numpy(natural_planes((1, 3, 8, 12), 3))
    arithmetic = arithmetic_of(network, small, "int8")
    model = graphs(network, arithmetic)[Direction.FORWARD]
    model.opset_import[0].version = 19  # the evaluator has no older DequantizeLinear; for int8 it did not change
    (made,) = ReferenceEvaluator(model).run(None, {"raw": small.numpy()})
    with torch.no_grad():
        srgb, exact = lowered(network, arithmetic)(small).numpy(), network(small).numpy()
    assert psnr(np.asarray(made), srgb) > psnr(srgb, exact) + 6  # rounding decisions rarely flip


@ALL
def test_operators_types_and_interface(network: InvISP, raw: Tensor, precision: str, kept: frozenset[str]) -> None:
    for direction, model in graphs(network, arithmetic_of(network, raw, precision, kept)).items():
        assert set(operator_counts(model)) <= OPERATORS | LOWERING[precision]
        inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
        types = {value.name: value.type.tensor_type.elem_type for value in inferred}
        types.update({tensor.name: tensor.data_type for tensor in model.graph.initializer})
        for value in (*model.graph.input, *model.graph.output):
            assert value.type.tensor_type.elem_type == TensorProto.FLOAT
        makers = {output: node for node in model.graph.node for output in node.output}
        for node in model.graph.node:
            if node.op_type == "Exp":
                assert types[node.output[0]] == TensorProto.FLOAT
            if node.op_type == "QuantizeLinear":
                assert types[node.input[2]] == types[node.output[0]]  # symmetric: a zero point of 0 in that type
            if node.op_type == "Conv" and node.name.count(".") == 2:
                half = precision == "fp16" or node.name in kept
                assert types[node.input[1]] == (TensorProto.FLOAT16 if half else TensorProto.FLOAT)
                if not half:  # fed with eight bits on both sides, the bias plain float
                    assert [makers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
                    assert types[node.input[2]] == TensorProto.FLOAT
        assert direction.input_name == model.graph.input[0].name
        assert model.opset_import[0].version == (19 if precision == "fp8" else 17)


@pytest.mark.parametrize("form", ["tensor", "mosaic"])
@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_what_must_be_a_scalar_has_no_dimension(network: InvISP, raw: Tensor, precision: str, form: str) -> None:
    """NVIDIA's builder fuses no convolution with a scale of shape [1], and ONNX asks for scalars in Clip."""
    for model in graphs(network, arithmetic_of(network, raw, precision), form).values():
        shapes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
        rounding = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
        activations = [node for node in rounding if node.input[0] not in shapes]
        weights = [node for node in rounding if node.input[0] in shapes]
        assert [shapes[name] for node in activations for name in node.input[1:]] == [[]] * 2 * len(activations)
        assert [shapes[node.input[1]] for node in weights] == [shapes[node.input[0]][:1] for node in weights]
        assert len(activations) > len(weights) == 2 * 3 * network.config.depth
        clips = [node for node in model.graph.node if node.op_type == "Clip"]
        assert [shapes[name] for node in clips for name in node.input[1:]] == [[]] * 2 * len(clips)
        assert bool(clips) == (form == "mosaic")


def test_all_quantisers_of_a_dense_block_share_one_scale(network: InvISP, raw: Tensor) -> None:
    model = graphs(network, arithmetic_of(network, raw, "int8"))[Direction.FORWARD]
    joins = [node for node in model.graph.node if node.op_type == "Concat" and node.name.count(".") == 2]
    makers = {output: node for node in model.graph.node for output in node.output}
    each = 5 if network.config.kind == "dense" else 1  # the first joins the input and its remainder
    assert len(joins) == 2 * 3 * each
    for join in joins:
        quantisers = [makers[name] for name in join.input]
        assert {node.op_type for node in quantisers} == {"QuantizeLinear"}
        assert len({node.input[1] for node in quantisers}) == 1


def test_low_precision_makes_smaller_files(network: InvISP, raw: Tensor) -> None:
    """By its weights: in a network this small, names and nodes of 8-bit graphs take more than they save,
    and a first convolution that reads the remainder has twice its inputs."""
    sizes = {}
    for precision in ("fp32", "fp16", "int8", "fp8"):
        model = graphs(network, arithmetic_of(network, raw, precision))[Direction.FORWARD]
        sizes[precision] = sum(len(tensor.raw_data) for tensor in model.graph.initializer if ".conv" in tensor.name)
    assert sizes["fp16"] < 0.65 * sizes["fp32"]
    assert sizes["int8"] == sizes["fp8"] < 0.85 * sizes["fp16"]


def test_what_does_not_fit_is_refused(network: InvISP, raw: Tensor) -> None:
    view = ForwardView(network)
    plain = GraphCard(Direction.FORWARD, network.config, CONTRACT, weights_hash(network), form="tensor")
    arithmetic = arithmetic_of(network, raw, "int8")
    with pytest.raises(GraphError, match="does not describe the int8 arithmetic"):
        build_graph(view, plain, arithmetic=arithmetic)
    fp8 = arithmetic_of(network, raw, "fp8")
    card = replace(plain, precision="fp8", scales=fp8.digest)
    with pytest.raises(RequestError, match="opset of an fp8 graph must be 19, got 17"):
        build_graph(view, card, 17, fp8)
    missing = Arithmetic("int8", {name: 1.0 for name in quantised_tensors(network.config)[1:]})
    card = replace(plain, precision="int8", scales=missing.digest)
    with pytest.raises(RequestError, match="no scale for block0.x2"):
        build_graph(view, card, None, missing)
