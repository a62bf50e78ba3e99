"""Figures of engines against golden files, with engines that err by a known amount."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.device.verify import Figure, Subject, Verification, verify
from invisp_deploy.errors import EngineError
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.golden import golden_path, make_golden, read_golden, write_golden
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.tolerances import parity_for
from tests.callable_runtime import computing
from tests.graphs import Graphs, write_graphs

CARDS = {way: GraphCard(way, NetworkConfig(2, 8, 1), CameraContract(), "a" * 64) for way in Direction}
SIDE = 32


def halve(x: Array) -> Array:
    return x * np.float32(0.5)


def double(x: Array) -> Array:
    return x * np.float32(2)


def subject(way: Direction, function: Callable[[Array], Array], card: GraphCard | None = None) -> Subject:
    """An engine whose reference halves on the way there and doubles on the way back; codes of 16 bits."""
    own = replace(card or CARDS[way], bits=16)
    right = computing(halve if way is Direction.FORWARD else double, own)
    return Subject(computing(function, own), make_golden(right, SIDE, SIDE), "onnxruntime")


def figures(done: Verification) -> dict[str, Figure]:
    return {figure.name: figure for figure in done.figures}


def test_right_engines_pass() -> None:
    done = verify(subject(Direction.FORWARD, halve), subject(Direction.INVERSE, double), runs=3)
    assert done.ok
    assert list(figures(done)) == [
        "forward PSNR",
        "forward largest error",
        "inverse PSNR",
        "inverse largest error",
        "round trip PSNR",
    ]
    assert figures(done)["forward PSNR"].value == 200, "equal arrays"


def test_figures_are_those_of_a_known_error() -> None:
    done = verify(subject(Direction.FORWARD, lambda x: halve(x) + np.float32(0.01)), None, runs=1)
    found = figures(done)
    assert found["forward PSNR"].value == pytest.approx(40, abs=0.02)
    assert found["forward largest error"].value == pytest.approx(0.01, abs=2e-5)
    assert not done.ok
    assert [name for name, figure in found.items() if not figure.ok] == ["forward PSNR", "forward largest error"]


def test_values_that_are_not_finite_never_pass() -> None:
    def damaged(x: Array) -> Array:
        y = halve(x)
        y[0, 1, 2, 3] = np.nan
        return y

    with pytest.raises(EngineError, match="computed values that are not finite"):
        verify(subject(Direction.FORWARD, damaged), None, runs=1)


def test_a_figure_that_is_nan_does_not_pass() -> None:
    assert not Figure("PSNR", float("nan"), 30, "dB", True).ok
    assert not Figure("error", float("nan"), 1, "of 1", False).ok


def test_the_looser_precision_limits_the_round_trip() -> None:
    low = replace(CARDS[Direction.FORWARD], precision="int8")
    done = verify(subject(Direction.FORWARD, halve, low), subject(Direction.INVERSE, double), runs=1)
    assert figures(done)["round trip PSNR"].limit == min(
        parity_for(precision, codes=True).round_trip_psnr for precision in ("int8", "fp32")
    )


def test_latency_is_of_the_size_asked_for() -> None:
    shapes: list[tuple[int, ...]] = []

    def watched(x: Array) -> Array:
        shapes.append(x.shape)
        return halve(x)

    done = verify(subject(Direction.FORWARD, watched), None, runs=4, edge=48)
    (latency,) = done.latencies
    assert (latency.shape, latency.runs) == ((48, 48), 4)
    assert shapes == [(1, 3, SIDE, SIDE)] + [(1, 3, 48, 48)] * 7, "three to warm up"
    assert 0 < latency.p50 <= latency.p90


def test_what_concerns_one_engine() -> None:
    done = verify(subject(Direction.FORWARD, halve), subject(Direction.INVERSE, double), runs=1)
    mine = done.of(Direction.INVERSE)
    assert {figure.name.split()[0] for figure in mine.figures} == {"inverse", "round"}
    assert [latency.direction for latency in mine.latencies] == ["inverse"]


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 8, 2), CameraContract())


@pytest.mark.parametrize("suffix", [".onnx", ".trt"])
def test_graphs_and_engines_are_measured_against_the_file_beside_them(
    graphs: Graphs, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"forward{suffix}"
    with OnnxRuntime(graphs.forward) as runtime:
        write_golden(golden_path(path), make_golden(runtime, 96, 160))
        golden = read_golden(golden_path(path))
        done = verify(Subject(runtime, golden, "tensorrt"), None, runs=1)
        wrong = verify(Subject(runtime, replace(golden, crops=golden.crops[::-1]), "tensorrt"), None, runs=1)
    assert done.ok
    assert not wrong.ok
    assert (tmp_path / f"forward{suffix}.npz").is_file()


def test_codes_that_are_one_off_fail(graphs: Graphs) -> None:
    with OnnxRuntime(graphs.forward) as runtime:
        golden = make_golden(runtime, 64, 96)
        wrong = verify(Subject(runtime, replace(golden, crops=golden.crops ^ np.uint8(1)), "tensorrt"), None, runs=1)
    assert figures(wrong)["forward PSNR"].value == pytest.approx(20 * np.log10(255), abs=0.5)
    assert not wrong.ok
