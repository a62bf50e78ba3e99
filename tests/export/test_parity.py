"""Parity finds what is wrong with a graph, and says where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from invisp_deploy.arithmetic import Arithmetic
from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import ParityError
from invisp_deploy.export.graph import build_graph
from invisp_deploy.export.parity import check_parity, check_steps, parity_shapes
from invisp_deploy.export.write import export_onnx
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.network.checkpoint import Checkpoint, weights_hash
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.runtimes.golden import natural_planes
from invisp_deploy.tolerances import TOLERANCES
from tests.export.conftest import CONTRACT, VIEWS, graph_of
from tests.quantisation import arithmetic_of

Pair = tuple[onnx.ModelProto, onnx.ModelProto]


def written(network: InvISP) -> Pair:
    return graph_of(network, Direction.FORWARD), graph_of(network, Direction.INVERSE)


def changed(model: onnx.ModelProto, constant: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == constant)
    array = change(numpy_helper.to_array(tensor)).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(array, constant))


def test_good_graphs_pass_at_every_shape(squeezed: InvISP) -> None:
    found = check_parity(squeezed, *written(squeezed))
    assert [entry.shape for entry in found] == [(1, 3, 128, 128), (1, 3, 66, 94), (2, 3, 34, 50), (1, 3, 2, 2)]
    for entry in found:
        assert 0 < entry.forward < TOLERANCES["onnxruntime-parity"].limit
        assert 0 < entry.inverse < TOLERANCES["onnxruntime-parity"].limit
        assert 0 < entry.round_trip < TOLERANCES["round-trip"].limit
        assert entry.peak >= 1


@pytest.mark.parametrize("name", ["forward", "inverse"])
def test_a_slightly_wrong_weight_is_found(small: Checkpoint, name: str) -> None:
    pair = written(small.network)
    changed(pair[name == "inverse"], "block0.G.conv5.bias", lambda bias: bias + 1e-3)
    with pytest.raises(
        ParityError,
        match=rf"the {name} graph differs .* by .*e-0[34] at 1x3x64x64 .*is 2e-05: nothing.* the export is at fault",
    ):
        check_parity(small.network, *pair)


def test_a_wrong_way_back_is_found(small: Checkpoint) -> None:
    """Both graphs agree with PyTorch, but PyTorch's own inverse loses the picture in fp32."""
    small.network.blocks()[0].invconv.set_matrix(torch.diag(torch.tensor([1.0, 1.0, 1e-9], dtype=torch.float64)))
    with pytest.raises(ParityError, match=r"at 1x3x64x64 .*nothing was exported.*condition number 1.0e\+09.*train"):
        check_parity(small.network, *written(small.network))


def test_values_that_are_not_finite_are_found(small: Checkpoint) -> None:
    forward, inverse = written(small.network)
    changed(forward, "block0.F.conv1.bias", lambda bias: bias * np.nan)
    with pytest.raises(ParityError, match=r"the forward graph makes values that are not finite at 1x3x64x64"):
        check_parity(small.network, forward, inverse)
    with torch.no_grad():
        small.network.get_parameter("operations.0.F.conv1.bias").fill_(float("nan"))
    with pytest.raises(ParityError, match="PyTorch itself"):
        check_parity(small.network, forward, inverse)


def test_wrong_names_are_found(small: Checkpoint) -> None:
    forward, inverse = written(small.network)
    with pytest.raises(ParityError, match=r"forward graph has the input and output \['srgb', 'raw'\]"):
        check_parity(small.network, inverse, forward)


def test_a_graph_of_another_size_is_found(small: Checkpoint) -> None:
    forward, inverse = written(small.network)
    conv = next(node for node in forward.graph.node if node.name == "block0.mix")
    next(entry for entry in conv.attribute if entry.name == "pads").ints[:] = [1, 1, 1, 1]
    with pytest.raises(ParityError, match=r"makes 1x3x66x66 of 1x3x64x64"):
        check_parity(small.network, forward, inverse)


def test_a_model_that_does_not_load_is_named(small: Checkpoint) -> None:
    forward, inverse = written(small.network)
    inverse.graph.node[0].op_type = "Nonsense"
    with pytest.raises(ParityError, match=r"does not load the inverse graph"):
        check_parity(small.network, forward, inverse)


@pytest.mark.parametrize("squeeze", [1, 2, 3, 4])
def test_shapes_fit_the_squeeze_and_have_odd_squeezed_sides(squeeze: int) -> None:
    shapes = parity_shapes(squeeze)
    assert all(size % squeeze == 0 for shape in shapes for size in shape[2:])
    assert any(shape[2] // squeeze % 2 and shape[3] // squeeze % 2 for shape in shapes)
    assert any(shape[0] == 2 for shape in shapes)
    assert (1, 3, squeeze, squeeze) in shapes


def test_inputs_look_like_pictures() -> None:
    picture = natural_planes((2, 3, 48, 64), 3)
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert picture.std() > 0.05
    # neighbours resemble each other, as noise's do not
    assert np.abs(np.diff(picture, axis=3)).mean() < picture.std() / 2
    assert np.array_equal(picture, natural_planes((2, 3, 48, 64), 3))
    assert not np.array_equal(picture, natural_planes((2, 3, 48, 64), 4))
    assert not np.array_equal(picture[0], picture[1])


def test_a_network_without_tamed_weights_is_measured_by_its_own_size(random_network: Callable[..., InvISP]) -> None:
    network = random_network(NetworkConfig(blocks=2, growth=8), spread=0.15)
    found = check_parity(network, *written(network))
    assert max(entry.peak for entry in found) > 3


def test_scales_that_are_far_too_small_fail_the_gate_of_their_precision(tmp_path: Path, squeezed: InvISP) -> None:
    raw = torch.from_numpy(natural_planes((1, 3, 32, 32), 0))
    good = arithmetic_of(squeezed, raw, "int8")
    clipping = Arithmetic("int8", {name: scale / 30 for name, scale in good.scales.items()})
    export_onnx(Checkpoint(squeezed, CONTRACT), tmp_path / "good", arithmetic=good)
    with pytest.raises(
        ParityError, match=r"the forward graph reaches \d+\.\d dB against fp32 .* int8 must reach 35 dB"
    ):
        export_onnx(Checkpoint(squeezed, CONTRACT), tmp_path / "clipping", arithmetic=clipping)
    assert not (tmp_path / "clipping").exists()


@pytest.mark.parametrize("phases", [("RGGB",), ("RGGB", "GRBG", "GBRG", "BGGR")], ids=["one", "any"])
@pytest.mark.parametrize(("color", "curve"), [("camera", 2.2), ("srgb", "bt709")])
def test_steps_of_mosaic_graphs_are_those_in_numpy(
    tmp_path: Path, squeezed: InvISP, color: str, curve: float | str, phases: tuple[str, ...]
) -> None:
    contract = replace(CONTRACT, color=color, curve=curve, cfa=phases[0] if len(phases) == 1 else "any")
    raw = torch.from_numpy(natural_planes((1, 3, 32, 32), 0))
    for precision in ("fp32", "fp16", "int8"):
        arithmetic = arithmetic_of(squeezed, raw, precision)
        report = export_onnx(Checkpoint(squeezed, contract), tmp_path / precision, arithmetic=arithmetic)
        assert [(entry["cfa"], entry["bits"]) for entry in report["phases"]] == [
            (cfa, bits) for bits in (8, 16) for cfa in phases
        ]
        assert phases[-1] in (tmp_path / precision / "report.md").read_text()


@pytest.mark.parametrize(("constant", "factor"), [("demosaic.weight", 0.98), ("curve.exponent", 1.01)])
def test_a_wrong_step_fails_the_gate(squeezed: InvISP, constant: str, factor: float) -> None:
    cards = [GraphCard(way, squeezed.config, CONTRACT, weights_hash(squeezed)) for way in Direction]
    forward, inverse = (build_graph(VIEWS[card.direction](squeezed), card) for card in cards)
    check_steps(cards[0], forward, inverse)
    changed(forward, constant, lambda array: array * factor)
    with pytest.raises(
        ParityError, match=r"picture against the steps in numpy at RGGB is \d+ codes of 8 bits, 1 at most"
    ):
        check_steps(cards[0], forward, inverse)
