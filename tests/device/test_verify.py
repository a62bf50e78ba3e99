"""Figures of engines against golden files, with engines that err by a known amount."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from invisp_deploy.runtimes.callable_ import CallableRuntime

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.device.verify import Figure, Reference, Subject, Verification, read_reference, verify
from invisp_deploy.errors import ContractError, EngineError
from invisp_deploy.files import write_whole
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.runtimes.base import Array
from invisp_deploy.runtimes.golden import make_golden, natural_planes, npz_bytes
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt.engine_card import golden_path
from tests.graphs import Graphs, write_graphs

SHAPE = (1, 3, 16, 20)
CARDS = {way: GraphCard(way, NetworkConfig(2, 8, 1), CameraContract(), "a" * 64) for way in Direction}


def subject(way: Direction, function: Callable[[Array], Array], card: GraphCard | None = None) -> Subject:
    """An engine whose reference halves on the way there and doubles on the way back."""
    tensor = natural_planes(SHAPE, 3)
    factor = np.float32(0.5 if way is Direction.FORWARD else 2)
    reference = Reference(tensor, tensor * factor, lambda output: output, "by hand", "nowhere")
    return Subject(CallableRuntime(function, card or CARDS[way]), reference, "onnxruntime")


def halve(x: Array) -> Array:
    return x * np.float32(0.5)


def double(x: Array) -> Array:
    return x * np.float32(2)


def figures(done: Verification) -> dict[str, Figure]:
    return {figure.name: figure for figure in done.figures}


def test_right_engines_pass() -> None:
    done = verify(subject(Direction.FORWARD, halve), subject(Direction.INVERSE, double), runs=3)
    assert done.ok
    assert list(figures(done)) == [
        "forward PSNR",
        "forward largest error",
        "forward NaN or infinite",
        "inverse PSNR",
        "inverse largest error",
        "inverse NaN or infinite",
        "round trip PSNR",
        "round trip NaN or infinite",
    ]
    assert figures(done)["round trip PSNR"].value == 200, "equal arrays"


def test_figures_are_those_of_a_known_error() -> None:
    done = verify(subject(Direction.FORWARD, lambda x: halve(x) + np.float32(0.01)), None, runs=1)
    found = figures(done)
    assert found["forward PSNR"].value == pytest.approx(40, abs=1e-3)
    assert found["forward largest error"].value == pytest.approx(0.01, abs=1e-6)
    assert not done.ok
    assert [name for name, figure in found.items() if not figure.ok] == ["forward PSNR", "forward largest error"]


def test_nan_never_passes() -> None:
    def damaged(x: Array) -> Array:
        y = halve(x)
        y[0, 1, 2, 3] = np.nan
        return y

    done = verify(subject(Direction.FORWARD, damaged), None, runs=1)
    assert not any(figure.ok for figure in done.figures)
    assert figures(done)["forward NaN or infinite"].value == 1
    assert done.to_dict()["figures"][0]["value"] == "nan"


def test_a_round_trip_can_fail_where_both_ways_pass() -> None:
    done = verify(
        subject(Direction.FORWARD, halve),
        subject(Direction.INVERSE, lambda y: double(y) if y.max() > 0.55 else y),
        runs=1,
    )
    assert [figure.name for figure in done.figures if not figure.ok] == ["round trip PSNR"]


def test_the_looser_precision_limits_the_round_trip() -> None:
    low = replace(CARDS[Direction.FORWARD], precision="int8")
    done = verify(subject(Direction.FORWARD, halve, low), subject(Direction.INVERSE, double), runs=1)
    assert figures(done)["round trip PSNR"].limit == 50
    assert figures(done)["inverse PSNR"].limit == 100


def test_latency_is_of_the_size_asked_for() -> None:
    shapes: list[tuple[int, ...]] = []

    def watched(x: Array) -> Array:
        shapes.append(x.shape)
        return halve(x)

    done = verify(subject(Direction.FORWARD, watched), None, runs=4, edge=32)
    (latency,) = done.latencies
    assert (latency.shape, latency.runs) == ((1, 3, 32, 32), 4)
    assert shapes == [SHAPE] + [(1, 3, 32, 32)] * 7, "three to warm up"
    assert 0 < latency.p50 <= latency.p90


def test_what_concerns_one_engine() -> None:
    done = verify(subject(Direction.FORWARD, halve), subject(Direction.INVERSE, double), runs=1)
    mine = done.of(Direction.INVERSE)
    assert {figure.name.split()[0] for figure in mine.figures} == {"inverse", "round"}
    assert [latency.direction for latency in mine.latencies] == ["inverse"]


def test_engines_that_do_not_belong_together_are_refused() -> None:
    other = replace(CARDS[Direction.INVERSE], weights="b" * 64)
    with pytest.raises(ContractError, match="different weights"):
        verify(subject(Direction.FORWARD, halve), subject(Direction.INVERSE, double, other))
    with pytest.raises(ContractError, match="forward engine was expected"):
        verify(subject(Direction.INVERSE, double), None)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 8, 2), CameraContract())


def test_a_graph_is_measured_against_the_arrays_of_its_export(graphs: Graphs) -> None:
    arrays = {name: natural_planes(SHAPE, seed) for seed, name in enumerate(("raw", "srgb", "raw_back"))}
    write_whole(graphs.forward.parent / "golden.npz", npz_bytes(arrays))
    forward = read_reference(graphs.forward, CARDS[Direction.FORWARD])
    inverse = read_reference(graphs.inverse, CARDS[Direction.INVERSE])
    assert np.array_equal(forward.tensor, arrays["raw"])
    assert np.array_equal(forward.expected, arrays["srgb"])
    assert np.array_equal(inverse.tensor, arrays["srgb"])
    assert np.array_equal(inverse.expected, arrays["raw_back"])


def test_an_engine_is_measured_against_its_own_crops(graphs: Graphs, tmp_path: Path) -> None:
    engine = tmp_path / "forward.trt"
    with OnnxRuntime(graphs.forward) as runtime:
        write_whole(golden_path(engine), make_golden(runtime, 96, 160).to_bytes())
        reference = read_reference(engine, CARDS[Direction.FORWARD])
        assert reference.tensor.shape == (1, 3, 96, 160)
        done = verify(Subject(runtime, reference, "tensorrt"), None, runs=1)
        wrong = verify(
            Subject(runtime, replace(reference, expected=reference.expected[::-1]), "tensorrt"), None, runs=1
        )
    assert done.ok
    assert not wrong.ok


def test_camera_graphs_are_measured_in_codes_and_dn(tmp_path: Path) -> None:
    config, engine = NetworkConfig(1, 4, 1), tmp_path / "forward.trt"
    made = write_graphs(tmp_path, config, CameraContract(), interface="camera-bytes")
    with OnnxRuntime(made.forward) as forward, OnnxRuntime(made.inverse) as inverse:
        subjects = []
        for runtime in (forward, inverse):
            write_whole(golden_path(engine), make_golden(runtime, 64, 96).to_bytes())
            subjects.append(Subject(runtime, read_reference(engine, runtime.card), "tensorrt"))
        done = verify(subjects[0], subjects[1], runs=1, edge=32)
        assert done.ok, done.figures
        assert [figure.limit for figure in done.figures if figure.unit == "dB"] == [70, 70, 30]
        assert [latency.shape for latency in done.latencies] == [(1, 1, 32, 32), (1, 3, 32, 32)]
        off = replace(subjects[0].reference, expected=subjects[0].reference.expected ^ np.uint8(1))
        wrong = verify(replace(subjects[0], reference=off), None, runs=1)
        found = figures(wrong)
        assert found["forward PSNR"].value == pytest.approx(20 * np.log10(255), abs=0.5)
        assert not wrong.ok
        with pytest.raises(ContractError, match="One of the engines is a camera graph's"):
            card = replace(CARDS[Direction.INVERSE], weights=forward.card.weights)
            verify(subjects[0], subject(Direction.INVERSE, double, card), runs=1)


@pytest.mark.parametrize("content", [None, b"no archive", npz_bytes({"raw": np.zeros(3)})])
def test_missing_and_damaged_golden_files(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "golden.npz").write_bytes(content)
        (tmp_path / "forward.trt.npz").write_bytes(content)
    with pytest.raises(EngineError, match=r"golden\.npz does not hold"):
        read_reference(tmp_path / "forward.onnx", CARDS[Direction.FORWARD])
    with pytest.raises(EngineError, match=r"forward\.trt\.npz does not hold"):
        read_reference(tmp_path / "forward.trt", CARDS[Direction.FORWARD])
