"""Every precision through NVIDIA's parser and builder: typed as meant, built for what can run it, refused elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import EngineError
from invisp_deploy.graph_card import Direction
from invisp_deploy.runtimes.tensorrt.engine_card import Profile
from tests.engines.parsed import Layer, Parsed, parse
from tests.engines.precisions import write_precise
from tests.engines.test_build import FIXED, RANGE, build

CONFIGS = {"paper": NetworkConfig(1, 32, 1), "edge": NetworkConfig(1, 16, 2)}
KEPT = frozenset({"block0.F.conv1", "block0.F.conv5", "block0.H.conv3"})
EIGHT_BITS = {"int8": "INT8", "fp8": "FP8"}

Graphs = dict[tuple[str, bool], dict[Direction, Path]]


@pytest.fixture(scope="module", params=CONFIGS, ids=str)
def precise(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    """(precision, whether some layers are kept in fp16) -> both graphs."""
    config = CONFIGS[request.param]
    cases = [("fp16", False), ("int8", False), ("int8", True), ("fp8", False), ("fp8", True)]
    return {
        case: write_precise(tmp_path_factory.mktemp("precise"), config, case[0], KEPT if case[1] else frozenset())
        for case in cases
    }


def check_spine(parsed: Parsed, direction: Direction) -> None:
    assert parsed.inputs == {direction.input_name: "FLOAT"}
    assert parsed.outputs == {direction.output_name: "FLOAT"}
    exponentials = parsed.of("UNARY")
    assert len(exponentials) == 1
    assert (exponentials[0].inputs, exponentials[0].outputs) == (("FLOAT",), ("FLOAT",))
    for layer in parsed.of("ELEMENTWISE", "block0."):
        assert set(layer.inputs + layer.outputs) == {"FLOAT"}, layer
    mixing = [layer for layer in parsed.of("CONVOLUTION") if not is_dense(layer) and ".wide" not in layer.name]
    assert mixing  # what widens the input of a dense block belongs to that, in its precision
    assert {layer.inputs[0] for layer in mixing} == {layer.outputs[0] for layer in mixing} == {"FLOAT"}


def is_dense(layer: Layer) -> bool:
    return any(f".{part}.conv" in layer.name for part in "FGH")


@pytest.mark.parametrize("direction", Direction)
def test_fp16_computes_the_dense_blocks_in_half_and_the_spine_in_float(precise: Graphs, direction: Direction) -> None:
    parsed = parse(precise["fp16", False][direction])
    check_spine(parsed, direction)
    dense = [layer for layer in parsed.of("CONVOLUTION") if is_dense(layer)]
    assert len(dense) == 15
    assert {(layer.inputs[0], layer.outputs[0]) for layer in dense} == {("HALF", "HALF")}
    assert parsed.of("QUANTIZE") == []


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("kept", [False, True], ids=["all", "some kept"])
@pytest.mark.parametrize("precision", EIGHT_BITS)
def test_eight_bit_convolutions_are_fed_by_eight_bits_on_both_sides(
    precise: Graphs, precision: str, kept: bool, direction: Direction
) -> None:
    parsed = parse(precise[precision, kept][direction])
    check_spine(parsed, direction)
    low, half = [], []
    for layer in parsed.of("CONVOLUTION"):
        feeding = parsed.feeding(layer)
        if is_dense(layer) and [maker.kind for maker in feeding] == ["DEQUANTIZE", "DEQUANTIZE"]:
            assert {maker.inputs[0] for maker in feeding} == {EIGHT_BITS[precision]}, layer
            low.append(layer.name)
        elif is_dense(layer):
            assert (layer.inputs[0], layer.outputs[0]) == ("HALF", "HALF"), layer
            half.append(layer.name)
    assert sorted(half) == (sorted(KEPT) if kept else [])
    assert len(low) + len(half) == 15
    if precision == "int8":  # concatenated without going back to float
        joined = [layer for layer in parsed.of("CONCATENATION", ".concat") if "INT8" in layer.inputs]
        assert len(joined) == 15 - (len(KEPT) if kept else 0)  # every int8 convolution reads such a join
        assert all(set(layer.inputs + layer.outputs) == {"INT8"} for layer in joined)


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("profile", [FIXED, RANGE], ids=["fixed", "range"])
@pytest.mark.parametrize("precision", ["fp16", "int8", "fp8"])
def test_every_precision_builds(precise: Graphs, precision: str, profile: Profile, direction: Direction) -> None:
    path = precise[precision, False][direction]
    assert len(build(path, profile, ("sm89", "sm120")).plan) > path.stat().st_size


def test_layers_kept_in_fp16_build_beside_eight_bits(precise: Graphs) -> None:
    for precision in EIGHT_BITS:
        assert build(precise[precision, True][Direction.FORWARD], targets=("sm89",)).plan


def test_the_builder_itself_refuses_fp8_below_sm89(precise: Graphs) -> None:
    with pytest.raises(EngineError, match="Cannot compile for target.*sm86.*fp8"):
        build(precise["fp8", False][Direction.FORWARD], targets=("sm86",))
