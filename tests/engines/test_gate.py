"""The check of an engine of 8 bits: damaged graphs play the engine and are caught, other right runtimes pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from invisp_deploy.arithmetic import Arithmetic
from invisp_deploy.calibration.record import read_record
from invisp_deploy.config import CONFIGURATIONS
from invisp_deploy.engines.gate import check_engine, nudged, self_psnr
from invisp_deploy.errors import ParityError
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.steps import Array
from invisp_deploy.models import shipped_folder
from invisp_deploy.network.checkpoint import Checkpoint, load_checkpoint
from invisp_deploy.network.lowered import lowered
from invisp_deploy.runtimes.golden import Golden, make_golden
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.openvino_ import OpenVinoRuntime
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard, Profile
from tests.callable_runtime import computing
from tests.engines.precisions import made, made_arithmetic, write_precise

ADA = CudaDevice("NVIDIA RTX 4090", "sm89", "13.0", 24_000_000_000)
EDGE = 128


class Intact:
    """One graph with what an engine of it is held to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with OnnxRuntime(path) as graph:
            self.golden: Golden = make_golden(graph, EDGE, EDGE)
            size = (EDGE, EDGE)
            near = self_psnr(path, graph.card, self.golden)
            profile = Profile(size, size, size)
            self.card = EngineCard(graph.card, "tensorrt-rtx", "1.7", "", "", ("sm89",), profile, self_psnr=near)


@pytest.fixture(scope="module", params=["universal", "edge", "nano"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def network(name: str, precision: str) -> tuple[Checkpoint, Arithmetic]:
    """The shipped weights of `universal` with every layer in 8 bits, made ones of the others."""
    if name == "universal":
        folder = shipped_folder(name)
        record = replace(read_record(folder / "scales.json"), kept=())
        return load_checkpoint(folder / "weights.safetensors"), record.arithmetic(precision)
    checkpoint = made(CONFIGURATIONS[name])
    return checkpoint, made_arithmetic(checkpoint, precision)


@pytest.fixture(scope="module", params=["int8", "fp8"])
def intact(
    request: pytest.FixtureRequest, name: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[Direction, Intact]:
    """Both directions of a network in 8 bits."""
    checkpoint, arithmetic = network(name, request.param)
    paths = write_precise(tmp_path_factory.mktemp(request.param), checkpoint, arithmetic)
    return {direction: Intact(path) for direction, path in paths.items()}


def without_remainder(name: str, array: Array) -> Array:
    return 0 * array if name == "remainder" else array


def four_bits(name: str, array: Array) -> Array:
    """Whole numbers of 4 bits; codes of fp8, one byte each, lose their mantissa, which leaves powers of two."""
    if name.endswith(".weight.fp8"):
        return array & np.uint8(0xF8)
    if not name.endswith(".weight.int8"):
        return array
    return (16 * np.clip(np.rint(array / 16), -8, 7)).astype(np.int8)


def biases_off(name: str, array: Array) -> Array:
    return (1.1 * array).astype(array.dtype) if name.endswith(".conv1.bias") else array


def one_layer_of_zeros(layer: str) -> Callable[[str, Array], Array]:
    return lambda name, array: 0 * array if name.rpartition(".")[0] == f"{layer}.weight" else array


LAST = {"universal": "block0.F.conv2", "nano": "block1.F.conv3", "edge": "block1.F.conv5"}
"""Of a function of each network."""

DAMAGES: tuple[Callable[[str, Array], Array], ...] = (without_remainder, four_bits, biases_off)


def damaged(source: Path, target: Path, damage: Callable[[str, Array], Array]) -> Path:
    model = onnx.load(source)
    changed = 0
    for constant in model.graph.initializer:
        if constant.data_type not in (TensorProto.FLOAT, TensorProto.INT8, TensorProto.FLOAT8E4M3FN):
            continue
        in_bytes = constant.data_type == TensorProto.FLOAT8E4M3FN
        before = np.frombuffer(constant.raw_data, np.uint8) if in_bytes else numpy_helper.to_array(constant)
        after = np.asarray(damage(constant.name, before), order="C")
        if np.array_equal(after, before):
            continue
        changed += 1
        if in_bytes:
            constant.raw_data = after.tobytes()
        else:
            constant.CopyFrom(numpy_helper.from_array(after, constant.name))
    assert changed
    onnx.save(model, target)
    return target


@pytest.mark.parametrize("direction", Direction)
def test_a_damaged_engine_is_caught(
    name: str, intact: dict[Direction, Intact], tmp_path: Path, direction: Direction
) -> None:
    """Every damage, in trained weights. In int8 of made ones, the remainder is worth what another order of sums is."""
    right = intact[direction]
    made_int8 = name != "universal" and right.card.graph.precision == "int8"
    for damage in (*(DAMAGES[1:] if made_int8 else DAMAGES), one_layer_of_zeros(LAST[name])):
        with (
            OnnxRuntime(damaged(right.path, tmp_path / "damaged.onnx", damage)) as engine,
            pytest.raises(ParityError, match="something else than its graph"),
        ):
            check_engine(engine, right.card, right.golden, ADA)


@pytest.mark.parametrize("direction", Direction)
def test_a_right_engine_passes(intact: dict[Direction, Intact], direction: Direction) -> None:
    """Another order of sums is what a device has; a hundredth of what the limit was measured with stands for it."""
    right = intact[direction]
    with OnnxRuntime(right.path, constants=nudged(right.card.graph, 3e-7)) as engine:
        figures = check_engine(engine, right.card, right.golden, ADA)
    assert figures["psnr_limit"] <= figures["psnr"] < 110, "roundings flipped, few in a small network"
    assert right.card.self_psnr is not None
    assert figures["psnr_limit"] == pytest.approx(min(90, right.card.self_psnr - 3.5), abs=0.01)


@pytest.mark.parametrize(
    ("name", "precision"),
    [("universal", "int8"), ("universal", "fp8"), ("edge", "int8"), ("edge", "fp8"), ("nano", "int8"), ("nano", "fp8")],
    indirect=["name"],
)
@pytest.mark.parametrize("direction", Direction)
def test_other_runtimes_are_right_engines(name: str, tmp_path: Path, precision: str, direction: Direction) -> None:
    """OpenVINO, which we did not write, and PyTorch's simulation."""
    checkpoint, arithmetic = network(name, precision)
    right = Intact(write_precise(tmp_path, checkpoint, arithmetic)[direction])
    simulation = lowered(checkpoint.network, arithmetic)

    def simulated(planes: Array) -> Array:
        with torch.no_grad():
            tensor = torch.from_numpy(planes)
            result = simulation(tensor) if direction is Direction.FORWARD else simulation.inverse(tensor)
            array: Array = result.numpy()
            return array

    for engine in (OpenVinoRuntime(right.path), computing(simulated, right.card.graph)):
        with engine:
            psnr = check_engine(engine, right.card, right.golden, ADA)["psnr"]
            assert psnr < 110 or name == "universal", "sums of so few channels are equal in any order"
