"""Camera graphs in the runtimes: one kind of planes for every layout, and only what the graph takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import EngineError, GraphError
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.runtimes.base import NO_LEVELS, TensorSpec, graph_specs
from invisp_deploy.runtimes.golden import kind_of, natural_levels, natural_planes
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt.engine_card import Profile
from invisp_deploy.runtimes.tensorrt.runtime import TensorRTRuntime
from tests.graphs import Graphs, write_graphs
from tests.simulated_tensorrt import simulate, square, write_engine

CONFIG = NetworkConfig(1, 4, 1)
LEVELS = natural_levels("mosaic")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Graphs]:
    return {
        interface: write_graphs(tmp_path_factory.mktemp(interface), CONFIG, CameraContract(), interface=interface)
        for interface in ("camera", "camera-bytes")
    }


def card(interface: str, direction: Direction, squeeze: int = 1) -> GraphCard:
    config = NetworkConfig(1, 4, squeeze)
    return GraphCard(direction, config, CameraContract(), "a" * 64, config.halo, interface=interface)


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("interface", ["camera", "camera-bytes"])
def test_planes_are_the_same_in_every_layout(graphs: dict[str, Graphs], interface: str, direction: Direction) -> None:
    path = getattr(graphs[interface], direction.value)
    session = onnxruntime.InferenceSession(path)
    with OnnxRuntime(path) as runtime:
        planes = natural_planes(kind_of(runtime.card), 24, 32, 1)
        made = runtime.apply(planes, LEVELS)
    numbers = np.moveaxis(planes, 1, -1)
    if direction is Direction.FORWARD:
        given = planes if interface == "camera" else np.concatenate([numbers & 255, numbers >> 8], -1).astype(np.uint8)
        (raw,) = session.run(None, {"mosaic": given, **LEVELS})
        expected = np.moveaxis(raw, -1, 1)
    else:
        (raw,) = session.run(None, {"rgb": numbers, **LEVELS})
        expected = raw if interface == "camera" else (raw[..., 0] + 256 * raw[..., 1].astype(np.uint16))[:, None]
    assert made.dtype == (np.uint8 if direction is Direction.FORWARD else np.uint16)
    np.testing.assert_array_equal(made, expected)
    assert made.std() > 5


@pytest.mark.parametrize("shape", [(1, 1, 4, 6), (2, 1, 2, 2)])
def test_bytes_are_little_endian_and_come_back(shape: tuple[int, ...]) -> None:
    spec = TensorSpec("mosaic", "uint8", (None, None, None, 2), rows=1)
    planes = np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)
    held = spec.from_planes(planes)
    assert held.shape == (shape[0], *shape[2:], 2)
    assert held[0, 0, 0].tolist() == [planes[0, 0, 0, 0] & 255, planes[0, 0, 0, 0] >> 8]
    np.testing.assert_array_equal(spec.to_planes(held), planes)
    np.testing.assert_array_equal(spec.from_planes(planes.astype(">u2")), held)


def test_what_does_not_fit_is_named(graphs: dict[str, Graphs]) -> None:
    mosaic = natural_planes("mosaic", 24, 32, 1)
    with OnnxRuntime(graphs["camera-bytes"].forward) as runtime:
        for planes, levels, message in (
            (mosaic, NO_LEVELS, "got tensors named mosaic"),
            (mosaic.astype(np.float32), LEVELS, r"`mosaic` uint8 \(1, any, any, 2\), got float32"),
            (mosaic[:, :, 1:], LEVELS, r"multiples of 2, got \(23, 32\)"),
            (mosaic, {**LEVELS, "cfa": LEVELS["cfa"].astype(np.int64)}, r"`cfa` int32 \(4\), got int64"),
            (mosaic, {**LEVELS, "gains": np.ones(4, np.float32)}, r"`gains` float32 \(3\), got float32 \(4,\)"),
        ):
            with pytest.raises(EngineError, match=message):
                runtime.apply(planes, levels)
    with OnnxRuntime(graphs["camera"].inverse) as runtime, pytest.raises(EngineError, match="got uint16"):
        runtime.apply(np.repeat(mosaic, 3, 1), LEVELS)


def test_metadata_that_promises_another_interface_is_refused(graphs: dict[str, Graphs], tmp_path: Path) -> None:
    model = onnx.load(graphs["camera"].forward)
    entry = next(item for item in model.metadata_props if item.key == "invisp.interface")
    entry.value = "camera-bytes"
    onnx.save(model, tmp_path / "wrong.onnx")
    with pytest.raises(GraphError, match="does not have the tensors that its metadata promises"):
        OnnxRuntime(tmp_path / "wrong.onnx")


@pytest.mark.parametrize(("squeeze", "step", "halo"), [(1, 2, 12), (2, 2, 22), (3, 6, 36), (4, 4, 44)])
def test_sides_and_reach_keep_the_phase(squeeze: int, step: int, halo: int) -> None:
    forward = card("camera", Direction.FORWARD, squeeze)
    assert (forward.step, forward.reach) == (step, halo)
    inverse = card("camera-bytes", Direction.INVERSE, squeeze)
    assert (inverse.step, inverse.reach) == (step, inverse.config.halo)
    tensor = card("tensor", Direction.FORWARD, squeeze)
    assert (tensor.step, tensor.reach) == (squeeze, tensor.config.halo)
    assert forward.reach % step == inverse.reach % step == 0


def test_a_camera_graph_has_the_levels_as_inputs() -> None:
    inputs, outputs = graph_specs(card("camera-bytes", Direction.FORWARD))
    assert [str(spec) for spec in (*inputs, *outputs)] == [
        "`mosaic` uint8 (1, any, any, 2)",
        "`black` float32 (4)",
        "`white` float32 (1)",
        "`gains` float32 (3)",
        "`cfa` int32 (4)",
        "`rgb` uint8 (1, any, any, 3)",
    ]


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("profile", [square(32), Profile((16, 16), (24, 24), (32, 40))], ids=["fixed", "ranged"])
def test_engines_take_several_inputs_of_several_types(
    monkeypatch: pytest.MonkeyPatch, graphs: dict[str, Graphs], tmp_path: Path, profile: Profile, direction: Direction
) -> None:
    trt = simulate(monkeypatch)
    path = getattr(graphs["camera-bytes"], direction.value)
    write_engine(tmp_path / "e.trt", path, profile)
    reference = OnnxRuntime(path, threads=1)
    kind = kind_of(reference.card)
    with TensorRTRuntime(tmp_path / "e.trt") as engine:
        assert engine.inputs[0].limits == (profile.smallest, profile.largest)
        for size in (profile.smallest, profile.largest):
            planes = natural_planes(kind, *size, 3)
            for levels in (LEVELS, {**LEVELS, "cfa": np.array([1, 0, 2, 1], np.int32)}):
                np.testing.assert_array_equal(engine.apply(planes, levels), reference.apply(planes, levels))
        with pytest.raises(EngineError, match=r"takes `(mosaic|rgb)` uint8 \(1, .*--tile or --profile covers it"):
            engine.apply(natural_planes(kind, 44, 44, 3), LEVELS)
    assert trt.cuda.launches == (4 if profile.fixed else 0)
    assert trt.cuda.live == 0
