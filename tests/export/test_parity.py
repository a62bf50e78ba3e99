"""Parity finds what is wrong with a graph, and says where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from invisp_deploy.arithmetic import Arithmetic
from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import ParityError
from invisp_deploy.export.parity import check_parity, parity_shapes
from invisp_deploy.export.write import export_onnx
from invisp_deploy.graph_card import Direction
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.runtimes.golden import natural_input
from invisp_deploy.tolerances import TOLERANCES
from tests.export.conftest import CONTRACT, graph_of
from tests.quantisation import arithmetic_of


def written(folder: Path, network: InvISP) -> tuple[Path, Path]:
    paths = folder / "forward.onnx", folder / "inverse.onnx"
    for path, direction in zip(paths, Direction, strict=True):
        onnx.save(graph_of(network, direction), path)
    return paths


def changed(path: Path, constant: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    model = onnx.load(path)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == constant)
    array = change(numpy_helper.to_array(tensor)).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(array, constant))
    onnx.save(model, path)


def test_good_graphs_pass_at_every_shape(tmp_path: Path, squeezed: InvISP) -> None:
    found = check_parity(squeezed, *written(tmp_path, squeezed))
    assert [entry.shape for entry in found] == [(1, 3, 128, 128), (1, 3, 66, 94), (2, 3, 34, 50), (1, 3, 2, 2)]
    for entry in found:
        assert 0 < entry.forward < TOLERANCES["onnxruntime-parity"].limit
        assert 0 < entry.inverse < TOLERANCES["onnxruntime-parity"].limit
        assert 0 < entry.round_trip < TOLERANCES["round-trip"].limit
        assert entry.peak >= 1


@pytest.mark.parametrize("name", ["forward", "inverse"])
def test_a_slightly_wrong_weight_is_found(tmp_path: Path, small: Checkpoint, name: str) -> None:
    written(tmp_path, small.network)
    changed(tmp_path / f"{name}.onnx", "block0.G.conv5.bias", lambda bias: bias + 1e-3)
    with pytest.raises(
        ParityError,
        match=rf"{name}.onnx differs .* by .*e-0[34] at 1x3x64x64 .*is 2e-05: nothing.* the export is at fault",
    ):
        check_parity(small.network, tmp_path / "forward.onnx", tmp_path / "inverse.onnx")


def test_a_wrong_way_back_is_found(tmp_path: Path, small: Checkpoint) -> None:
    """Both graphs agree with PyTorch, but PyTorch's own inverse loses the picture in fp32."""
    small.network.blocks()[0].invconv.set_matrix(torch.diag(torch.tensor([1.0, 1.0, 1e-9], dtype=torch.float64)))
    with pytest.raises(ParityError, match=r"at 1x3x64x64 .*nothing was exported.*condition number 1.0e\+09.*train"):
        check_parity(small.network, *written(tmp_path, small.network))


def test_values_that_are_not_finite_are_found(tmp_path: Path, small: Checkpoint) -> None:
    forward, inverse = written(tmp_path, small.network)
    changed(forward, "block0.F.conv1.bias", lambda bias: bias * np.nan)
    with pytest.raises(ParityError, match=r"forward.onnx makes values that are not finite at 1x3x64x64"):
        check_parity(small.network, forward, inverse)
    with torch.no_grad():
        small.network.get_parameter("operations.0.F.conv1.bias").fill_(float("nan"))
    with pytest.raises(ParityError, match="PyTorch itself"):
        check_parity(small.network, forward, inverse)


def test_wrong_names_are_found(tmp_path: Path, small: Checkpoint) -> None:
    forward, inverse = written(tmp_path, small.network)
    with pytest.raises(ParityError, match=r"inverse.onnx has the input and output \['srgb', 'raw'\]"):
        check_parity(small.network, inverse, forward)


def test_a_graph_of_another_size_is_found(
    tmp_path: Path, small: Checkpoint, random_network: Callable[..., InvISP]
) -> None:
    forward, inverse = written(tmp_path, small.network)
    model = onnx.load(forward)
    conv = next(node for node in model.graph.node if node.name == "block0.mix")
    next(entry for entry in conv.attribute if entry.name == "pads").ints[:] = [1, 1, 1, 1]
    onnx.save(model, forward)
    with pytest.raises(ParityError, match=r"makes 1x3x66x66 of 1x3x64x64"):
        check_parity(small.network, forward, inverse)


def test_a_file_that_is_no_graph_is_named(tmp_path: Path, small: Checkpoint) -> None:
    forward, inverse = written(tmp_path, small.network)
    inverse.write_text("not a graph")
    with pytest.raises(ParityError, match=r"does not load inverse.onnx"):
        check_parity(small.network, forward, inverse)


@pytest.mark.parametrize("squeeze", [1, 2, 3, 4])
def test_shapes_fit_the_squeeze_and_have_odd_squeezed_sides(squeeze: int) -> None:
    shapes = parity_shapes(squeeze)
    assert all(size % squeeze == 0 for shape in shapes for size in shape[2:])
    assert any(shape[2] // squeeze % 2 and shape[3] // squeeze % 2 for shape in shapes)
    assert any(shape[0] == 2 for shape in shapes)
    assert (1, 3, squeeze, squeeze) in shapes


def test_inputs_look_like_pictures() -> None:
    picture = natural_input((2, 3, 48, 64), 3)
    assert picture.dtype == np.float32
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert picture.std() > 0.05
    # neighbours resemble each other, as noise's do not
    assert np.abs(np.diff(picture, axis=3)).mean() < picture.std() / 2
    assert np.array_equal(picture, natural_input((2, 3, 48, 64), 3))
    assert not np.array_equal(picture, natural_input((2, 3, 48, 64), 4))
    assert not np.array_equal(picture[0], picture[1])


def test_a_network_without_tamed_weights_is_measured_by_its_own_size(
    tmp_path: Path, random_network: Callable[..., InvISP]
) -> None:
    network = random_network(NetworkConfig(blocks=2, growth=8), spread=0.15)
    found = check_parity(network, *written(tmp_path, network))
    assert max(entry.peak for entry in found) > 3


def test_scales_that_are_far_too_small_fail_the_gate_of_their_precision(tmp_path: Path, squeezed: InvISP) -> None:
    raw = torch.from_numpy(natural_input((1, 3, 32, 32), 0))
    good = arithmetic_of(squeezed, raw, "int8")
    clipping = Arithmetic("int8", {name: scale / 30 for name, scale in good.scales.items()})
    export_onnx(Checkpoint(squeezed, CONTRACT), tmp_path / "good", arithmetic=good)
    with pytest.raises(ParityError, match=r"forward.onnx reaches \d+\.\d dB against fp32 .* int8 must reach 35 dB"):
        export_onnx(Checkpoint(squeezed, CONTRACT), tmp_path / "clipping", arithmetic=clipping)
    assert not (tmp_path / "clipping").exists()
