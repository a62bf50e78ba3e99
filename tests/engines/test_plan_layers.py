"""Every precision through NVIDIA's parser and builder: the built plan computes what was asked for, or none is built."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from invisp_deploy import contract, models
from invisp_deploy.arithmetic import Arithmetic
from invisp_deploy.calibration.record import read_record
from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.engines.plan_layers import PlanLayer, convolution_types, read_layers
from invisp_deploy.engines.targets import RTX_TARGETS
from invisp_deploy.errors import EngineError
from invisp_deploy.graph_card import Direction
from invisp_deploy.network.checkpoint import Checkpoint, load_checkpoint
from invisp_deploy.runtimes.tensorrt.engine_card import Profile
from tests.engines.parsed import parse
from tests.engines.precisions import made, made_arithmetic, write_precise
from tests.engines.test_build import RANGE, build

TILE = Profile((128, 128), (128, 128), (128, 128))
PAPER, UNIVERSAL = NetworkConfig(2, 32, 1), CONFIGURATIONS["universal"]
KEPT = frozenset({"block0.F.conv1", "block0.G.conv2", "block1.F.conv2", "block1.G"})
TYPES = {"fp32": "Float", "fp16": "Half", "int8": "Int8", "fp8": "FP8"}


CONFIGS = {"two of universal": replace(UNIVERSAL, blocks=2), "edge": CONFIGURATIONS["edge"], "paper": PAPER}


@pytest.fixture(scope="module", params=CONFIGS, ids=str)
def network(request: pytest.FixtureRequest) -> Checkpoint:
    return made(CONFIGS[request.param])


def convolutions(config: NetworkConfig) -> list[str]:
    return [
        f"block{block}.{part}.conv{layer}"
        for block in range(config.blocks)
        for part in config.functions
        for layer in range(1, config.depth + 1)
    ]


@pytest.mark.parametrize("precision", ["fp16", "int8", "fp8"])
def test_a_plan_convolves_in_the_precision_asked_for(network: Checkpoint, tmp_path: Path, precision: str) -> None:
    paths = write_precise(tmp_path, network, made_arithmetic(network, precision))
    for direction in Direction:
        found = build(paths[direction], TILE, ("sm89",)).convolutions
        assert found == dict.fromkeys(convolutions(network.config), TYPES[precision])


@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_a_plan_keeps_the_layers_that_were_kept(network: Checkpoint, tmp_path: Path, precision: str) -> None:
    arithmetic = made_arithmetic(network, precision, KEPT)
    paths = write_precise(tmp_path, network, arithmetic)
    expected = {name: TYPES[arithmetic.of(name)] for name in convolutions(network.config)}
    assert Counter(expected.values())["Half"] == 3 + network.config.depth
    for direction in Direction:
        assert build(paths[direction], TILE, ("sm89",)).convolutions == expected


def test_a_plan_of_the_shipped_scales_computes_as_they_say(tmp_path: Path) -> None:
    shipped = Path(models.__file__).parent / "universal"
    network = load_checkpoint(shipped / "weights.safetensors")
    arithmetic = read_record(shipped / "scales.json").arithmetic("int8")
    expected = {name: TYPES[arithmetic.of(name)] for name in convolutions(network.config)}
    assert set(expected.values()) == {"Int8"}, "none is kept"
    for path in write_precise(tmp_path, network, arithmetic).values():
        assert build(path, TILE, ("sm89",)).convolutions == expected


@pytest.mark.parametrize("direction", Direction)
def test_a_plan_for_a_range_of_sizes_and_two_targets_too(tmp_path: Path, direction: Direction) -> None:
    network = made(UNIVERSAL)
    paths = write_precise(tmp_path, network, made_arithmetic(network, "int8"))
    found = build(paths[direction], RANGE, ("sm86", "sm120")).convolutions
    assert found == dict.fromkeys(convolutions(network.config), "Int8")


@pytest.mark.parametrize("direction", Direction)
def test_half_precision_moves_less(tmp_path: Path, direction: Direction) -> None:
    """For a pixel at least what stands between the convolutions of F, G and H, at most what docs/deployment.md has; the
    one kernel at each end moves the picture and the numbers beside it, half the resolution's.
    """
    network = replace(made(UNIVERSAL), contract=contract.UNIVERSAL)
    large = Profile((1024, 1024), (1024, 1024), (1024, 1024))  # what is of one size, as sums of the mean, hardly counts
    moved, ends = {}, {}
    for precision in ("fp32", "fp16"):
        layers = build(
            write_precise(tmp_path, network, made_arithmetic(network, precision))[direction], large, ("sm89",)
        ).layers
        sizes = [layer.moved for layer in layers]
        assert None not in sizes
        moved[precision] = sum(filter(None, sizes)) / 1024**2
        ends[precision] = [
            sum(layer.moved or 0 for layer in layers if any(node.startswith(step) for node in layer.nodes)) / 1024**2
            for step in ("samples", "codes")
        ]
    inner = (
        UNIVERSAL.blocks * len(UNIVERSAL.functions) * (UNIVERSAL.depth - 1) * UNIVERSAL.growth / UNIVERSAL.squeeze**2
    )
    assert 2 * 2 * inner < moved["fp16"] < 200
    assert 2 * 4 * inner < moved["fp32"]
    assert moved["fp16"] < 0.85 * moved["fp32"]
    if direction is Direction.FORWARD:
        assert ends["fp16"] == pytest.approx([6, 15], abs=0.3)


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_target_takes_the_steps_of_a_mosaic_graph(tmp_path: Path, precision: str, direction: Direction) -> None:
    """Turing (sm75), too, which the builder has no fp32 matrix product for."""
    network = made(UNIVERSAL)
    path = write_precise(tmp_path, network, made_arithmetic(network, precision))[direction]
    assert len(build(path, TILE, RTX_TARGETS).plan) > path.stat().st_size


def test_the_plan_tells_a_scale_that_is_no_scalar(tmp_path: Path) -> None:
    """ONNX's checker and the parser take such a scale, ONNX Runtime computes the same: only the plan shows it."""
    network = made(UNIVERSAL)
    path = write_precise(tmp_path, network, made_arithmetic(network, "int8"))[Direction.FORWARD]
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name.endswith((".x2.scale", ".y1.scale")):
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).reshape(1), tensor.name))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    assert set(build(path, TILE, ("sm89",)).convolutions.values()) == {"Float"}


def test_an_fp32_plan_is_float(tmp_path: Path) -> None:
    paths = write_precise(tmp_path, made(PAPER), Arithmetic())
    for direction in Direction:
        found = build(paths[direction], TILE, ("sm89",)).convolutions
        assert found == dict.fromkeys(convolutions(PAPER), "Float")


def test_a_line_of_the_log_is_read_for_what_it_says() -> None:
    tensor = "{{ Name: {}, Dimensions: [1,16,64,64], StrideOrder: [3,0,2,1], Datatype: {}, Format: (NHWC) Channel }}"
    (layer,) = read_layers(
        f"Layers:\nName: __myl_CorrCastAdd_0, LayerType: runtime_fusion, Inputs: [ {tensor.format('a', 'Float')}, "
        f"{tensor.format('b', 'Half')}], Constants: [ {tensor.format('w', 'Half')}], Outputs: "
        f"[ {tensor.format('c', 'Float')}], TacticName: , StreamId: 0, Metadata: [ONNX Layer: block0.F.conv5]"
        "[ONNX Layer: block0.y1]"
    )
    assert layer == PlanLayer(
        "runtime_fusion", ("block0.F.conv5", "block0.y1"), ("Float", "Half"), ("Half",), ("Float",), 65536 * 12
    )
    open_sides = tensor.replace("[1,16,64,64]", "[1,16,-1,64]").format("a", "Half")
    twice = f"{tensor.format('a', 'Half')}, {tensor.format('a', 'Half')}"
    lines = [
        f"Name: x, LayerType: kgen, Inputs: [ {x}], Constants: [], Outputs: [ ], TacticName: , Metadata: "
        for x in (open_sides, twice)
    ]
    assert [layer.moved for layer in read_layers("\n".join(lines))] == [None, 65536 * 2]
    assert list(read_layers("Name: x, LayerType: CaskConvolution, Inputs: [ { Name: raw, Location: Device }]")) == []
    mixed = PlanLayer("correlation", ("block0.G.conv1", "block0.mix"), ("Float",), ("Int8", "Float"), ("Float",))
    bias = PlanLayer("kgen", ("block0.F.conv5",), ("Float",), (), ("Float",))
    assert convolution_types([layer, mixed, bias]) == {"block0.F.conv5": "Half", "block0.G.conv1": "Float x Int8"}


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("precision", ["fp16", "int8", "fp8"])
def test_the_spine_is_float(tmp_path: Path, precision: str, direction: Direction) -> None:
    paper = made(PAPER)
    parsed = parse(write_precise(tmp_path, paper, made_arithmetic(paper, precision))[direction])
    exponentials = parsed.of("UNARY", ".exp")
    assert [(layer.inputs, layer.outputs) for layer in exponentials] == [(("FLOAT",), ("FLOAT",))] * 2
    spine = [layer for layer in parsed.of("ELEMENTWISE") if layer.name.startswith("block")]
    spine += [layer for layer in parsed.of("CONVOLUTION") if "mix" in layer.name]
    assert len(spine) > 10
    assert {kind for layer in spine for kind in (layer.inputs[0], *layer.outputs)} == {"FLOAT"}


def test_the_builder_itself_refuses_fp8_below_sm89(tmp_path: Path) -> None:
    paper = made(PAPER)
    path = write_precise(tmp_path, paper, made_arithmetic(paper, "fp8"))[Direction.FORWARD]
    with pytest.raises(EngineError, match="Cannot compile for target.*sm86.*fp8"):
        build(path, targets=("sm86",))
