"""The graphs: what they hold, what they are called, and what other implementations of ONNX compute with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import GraphError, RequestError
from invisp_deploy.export.graph import (
    OPERATORS,
    STEP_OPERATORS,
    build_graph,
    check_graph,
    network_inside,
    operator_counts,
)
from invisp_deploy.export.views import InverseView
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.recipe import graph_inputs
from invisp_deploy.network.checkpoint import weights_hash
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.tolerances import TOLERANCES
from tests.export.conftest import CONTRACT, VIEWS, graph_of

BOTH = pytest.mark.parametrize("direction", list(Direction))
SIMPLE = {"Add", "Concat", "Conv", "DepthToSpace", "Exp", "LeakyRelu", "Mul", "Sigmoid", "SpaceToDepth", "Split", "Sub"}
NOTHING = NetworkConfig(blocks=0, growth=1, squeeze=2)
SRGB = replace(CONTRACT, color="srgb", curve="bt709")


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize(
    ("direction", "source", "target"), [(Direction.FORWARD, "raw", "rgb"), (Direction.INVERSE, "rgb", "raw_from_rgb")]
)
def test_onnxruntime_as_it_comes_computes_what_the_authors_code_computes(
    authors: InvISP, golden_arrays: dict[str, np.ndarray], direction: Direction, source: str, target: str
) -> None:
    session = onnxruntime.InferenceSession(graph_of(authors, direction).SerializeToString())
    (made,) = session.run([direction.output_name], {direction.input_name: golden_arrays[source]})
    assert np.abs(made - golden_arrays[target]).max() < TOLERANCES["golden"].limit


@pytest.mark.parametrize(
    ("config", "opset"),
    [
        *((NetworkConfig(blocks=2, growth=2, squeeze=squeeze), opset) for squeeze in (1, 2, 3) for opset in (17, 18)),
        (NetworkConfig(blocks=2, growth=3, squeeze=2, depth=2, first=4), 17),
        (NetworkConfig(blocks=2, growth=5, squeeze=2, depth=3, kind="chain"), 17),
    ],
    ids=str,
)
def test_the_reference_evaluator_of_onnx_agrees_with_pytorch(
    random_network: Callable[..., InvISP], config: NetworkConfig, opset: int
) -> None:
    network, squeeze = random_network(config, spread=0.05), config.squeeze
    raw = np.random.default_rng(0).random((2, 3, 3 * squeeze, 5 * squeeze), np.float32)
    with torch.no_grad():
        srgb = network(torch.from_numpy(raw))
        raw_back = network.inverse(srgb)
    (made,) = ReferenceEvaluator(graph_of(network, Direction.FORWARD, opset)).run(None, {"raw": raw})
    (back,) = ReferenceEvaluator(graph_of(network, Direction.INVERSE, opset)).run(None, {"srgb": srgb.numpy()})
    np.testing.assert_allclose(np.asarray(made), srgb.numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(np.asarray(back), raw_back.numpy(), rtol=1e-5, atol=1e-5)
    assert np.abs(srgb.numpy() - raw).max() > 0.05  # the network is not the identity


@BOTH
@pytest.mark.parametrize("squeeze", [1, 2])
def test_only_simple_operators(authors: InvISP, squeezed: InvISP, direction: Direction, squeeze: int) -> None:
    counts = operator_counts(graph_of(authors if squeeze == 1 else squeezed, direction))
    assert set(counts) <= SIMPLE == OPERATORS - {"Identity"}
    # per block 3 x (1 + 2 + 3 + 4 + 5) convolutions and the 1x1; the squeezed inverse orders its channels
    assert counts["Conv"] == 2 * 46 + (squeeze == 2 and direction is Direction.INVERSE)
    assert counts["Concat"] == 2  # y1 and y2, no other
    assert counts["Exp"] == counts["Sigmoid"] == counts["Split"] == 2
    assert counts["LeakyRelu"] == 2 * 3 * 4
    assert counts.get("SpaceToDepth", 0) == counts.get("DepthToSpace", 0) == squeeze - 1


@BOTH
@pytest.mark.parametrize("kind", ["chain", "dense"])
def test_an_additive_coupling_is_sums_alone(
    random_network: Callable[..., InvISP], direction: Direction, kind: str
) -> None:
    network = random_network(NetworkConfig(2, 4, 2, depth=3, kind=kind, coupling="additive"), spread=0.05)
    model = graph_of(network, direction)
    assert not {"Exp", "Sigmoid", "Mul"} & set(operator_counts(model))
    assert not [node.name for node in model.graph.node if ".H" in node.name]
    given = np.random.default_rng(0).random((1, 3, 22, 34), np.float32)
    with torch.no_grad():
        apply = network if direction is Direction.FORWARD else network.inverse
        expected = apply(torch.from_numpy(given)).numpy()
    (result,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {direction.input_name: given})
    np.testing.assert_allclose(result, expected, atol=1e-5)


@BOTH
@pytest.mark.parametrize("opset", [17, 18])
def test_file_format(squeezed: InvISP, direction: Direction, opset: int) -> None:
    model = graph_of(squeezed, direction, opset)
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]
    assert model.ir_version == 8
    for value, name in ((model.graph.input, direction.input_name), (model.graph.output, direction.output_name)):
        assert [entry.name for entry in value] == [name]
        tensor = value[0].type.tensor_type
        assert tensor.elem_type == onnx.TensorProto.FLOAT
        sizes = [entry.dim_param or entry.dim_value for entry in tensor.shape.dim]
        assert sizes == ["batch", 3, "height", "width"]
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)


@BOTH
def test_nothing_but_the_card_is_said_beside_the_graph(squeezed: InvISP, direction: Direction) -> None:
    model = graph_of(squeezed, direction)
    card = GraphCard(direction, squeezed.config, CONTRACT, weights_hash(squeezed), form="tensor")
    assert [(entry.key, entry.value) for entry in model.metadata_props] == list(card.to_metadata().items())
    assert not model.doc_string
    assert not model.graph.doc_string
    assert not model.graph.value_info
    for node in model.graph.node:
        assert not node.doc_string
        assert not node.metadata_props


@BOTH
def test_names_are_those_of_the_network(authors: InvISP, direction: Direction) -> None:
    model = graph_of(authors, direction)
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    dense = {f"block{b}.{f}.conv{c}" for b in (0, 1) for f in "FGH" for c in range(1, 6)}
    single = {name for name in dense if name.endswith("1")}
    parts = {f"{name}.part{part}" for name in dense - single for part in range(1, int(name[-1]) + 1)}
    mixing = {f"block{b}.{'mix' if direction is Direction.FORWARD else 'unmix'}" for b in (0, 1)}
    assert {node.name for node in model.graph.node if node.op_type == "Conv"} == parts | single | mixing
    assert dense <= {name for node in model.graph.node for name in node.output}
    state, held = authors.state_dict(), constants(model)
    for name in dense:
        given = f"operations.{name.removeprefix('block')}"
        pieces = (
            [f"{name}.weight"] if name in single else [f"{name}.part{p}.weight" for p in range(1, int(name[-1]) + 1)]
        )
        joined = np.concatenate([held[piece] for piece in pieces], axis=1)
        assert np.array_equal(joined, state[f"{given}.weight"].numpy())
        assert np.array_equal(held[f"{name}.bias"], state[f"{given}.bias"].numpy())


def test_both_directions_hold_the_same_dense_weights(authors: InvISP) -> None:
    forward, inverse = (constants(graph_of(authors, direction)) for direction in Direction)
    names = [name for name in forward if ".conv" in name]
    assert len(names) == 2 * 3 * (15 + 5)
    assert all(np.array_equal(forward[name], inverse[name]) for name in names)
    for block in (0, 1):
        product = inverse[f"block{block}.unmix.weight"][..., 0, 0] @ forward[f"block{block}.mix.weight"][..., 0, 0]
        np.testing.assert_allclose(product, np.eye(3), atol=1e-6)


@BOTH
def test_the_same_weights_give_the_same_bytes(squeezed: InvISP, direction: Direction) -> None:
    assert graph_of(squeezed, direction).SerializeToString() == graph_of(squeezed, direction).SerializeToString()


@BOTH
def test_odd_sides_are_refused_and_not_cut(squeezed: InvISP, direction: Direction) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(graph_of(squeezed, direction).SerializeToString(), options)
    with pytest.raises(InvalidArgument, match="width to be a multiple"):
        session.run(None, {direction.input_name: np.zeros((1, 3, 4, 5), np.float32)})


def test_other_opsets_are_refused(squeezed: InvISP) -> None:
    with pytest.raises(RequestError, match="17 or 18, got 11"):
        graph_of(squeezed, Direction.FORWARD, 11)


def test_the_card_of_another_graph_is_refused(squeezed: InvISP) -> None:
    card = GraphCard(Direction.FORWARD, squeezed.config, CONTRACT, "0" * 64, form="tensor")
    with pytest.raises(GraphError, match=r"card says forward.*view is inverse"):
        build_graph(InverseView(squeezed), card)


def test_foreign_operators_and_outside_data_are_refused(squeezed: InvISP) -> None:
    model = graph_of(squeezed, Direction.FORWARD)
    sigmoid = next(node for node in model.graph.node if node.op_type == "Sigmoid")
    sigmoid.op_type = "Tanh"
    with pytest.raises(GraphError, match="holds Tanh"):
        check_graph(model, form="tensor")
    sigmoid.op_type = "Sigmoid"
    check_graph(model, form="tensor")
    sigmoid.input[0] = "nowhere"
    with pytest.raises(GraphError, match="not valid ONNX"):
        check_graph(model, form="tensor")
    sigmoid.input[0] = "block0.H.conv5"
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    with pytest.raises(GraphError, match="another file"):
        check_graph(model, form="tensor")


@BOTH
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("contract", [CONTRACT, replace(CONTRACT, cfa="any"), SRGB], ids=["camera", "any", "srgb"])
def test_inputs_outputs_and_bytes_of_a_mosaic_graph(
    squeezed: InvISP, direction: Direction, bits: int, contract: CameraContract
) -> None:
    card = GraphCard(direction, squeezed.config, contract, weights_hash(squeezed), bits=bits)
    model = build_graph(VIEWS[direction](squeezed), card)
    ends = ["mosaic", "rgb"] if direction is Direction.FORWARD else ["rgb", "mosaic"]
    names = ["black", "white", "gains"]
    names += ["cfa"] * (contract.cfa == "any")
    names += ["to_srgb" if direction is Direction.FORWARD else "to_camera"] * (contract.color == "srgb")
    assert [value.name for value in model.graph.input] == [ends[0], *names]
    assert [value.name for value in model.graph.output] == [ends[1], "mean"]
    types = {value.name: value.type.tensor_type for value in (*model.graph.input, *model.graph.output)}
    for name, count in (("mosaic", 2), ("rgb", 3 * bits // 8)):
        sizes = [entry.dim_param or entry.dim_value for entry in types[name].shape.dim]
        assert (types[name].elem_type, sizes) == (onnx.TensorProto.UINT8, [1, "height", "width", count])
    for each in graph_inputs(contract, direction.value):
        assert [entry.dim_value for entry in types[each.name].shape.dim] == list(each.shape)
    assert model.ir_version == 8
    assert set(operator_counts(model)) <= OPERATORS | STEP_OPERATORS


@BOTH
@pytest.mark.parametrize("squeeze", [0, 2])
def test_the_network_inside_a_mosaic_graph_computes_what_its_float_graph_does(
    squeezed: InvISP, direction: Direction, squeeze: int
) -> None:
    """At half the resolution, as the steps: the float graph folds by other nodes. squeeze 0: no network."""
    network = squeezed if squeeze else InvISP(NOTHING).eval()
    card = GraphCard(direction, network.config, CONTRACT, weights_hash(network))
    inside = network_inside(build_graph(VIEWS[direction](network), card), direction)
    onnx.checker.check_model(inside, full_check=True)
    given = np.random.default_rng(0).random((2, 3, 10, 14), np.float32)
    made, expected = (
        onnxruntime.InferenceSession(model.SerializeToString()).run(None, {direction.input_name: given})[0]
        for model in (inside, graph_of(network, direction))
    )
    np.testing.assert_allclose(made, expected, atol=1e-6)
    assert (np.abs(made - given).max() > 0.01) == bool(squeeze)


@BOTH
@pytest.mark.parametrize("squeeze", [1, 3])
def test_the_network_inside_a_mosaic_graph_is_its_float_graph(
    random_network: Callable[..., InvISP], direction: Direction, squeeze: int
) -> None:
    network = random_network(NetworkConfig(blocks=2, growth=2, squeeze=squeeze))
    card = GraphCard(direction, network.config, CONTRACT, weights_hash(network))
    inside = network_inside(build_graph(VIEWS[direction](network), card), direction)
    alone = graph_of(network, direction)
    onnx.checker.check_model(inside, full_check=True)
    assert [node.SerializeToString() for node in inside.graph.node] == [
        node.SerializeToString() for node in alone.graph.node
    ]
    held, expected = constants(inside), constants(alone)
    assert held.keys() == expected.keys()
    assert all(np.array_equal(held[name], expected[name]) for name in held)


def test_float_graphs_hold_none_of_the_steps(squeezed: InvISP) -> None:
    card = GraphCard(Direction.FORWARD, squeezed.config, CONTRACT, weights_hash(squeezed))
    model = build_graph(VIEWS[Direction.FORWARD](squeezed), card)
    check_graph(model)
    with pytest.raises(GraphError, match="Pad"):
        check_graph(model, form="tensor")
