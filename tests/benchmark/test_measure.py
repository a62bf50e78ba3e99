"""A measurement of runtimes whose speed we set: rows, ratios, what is left out."""

import time

import numpy as np
import pytest

from invisp_deploy.benchmark.cases import Case, Key
from invisp_deploy.benchmark.energy import JouleCounter
from invisp_deploy.benchmark.measure import Conditions, base_of, measure_cases
from invisp_deploy.benchmark.timing import Until
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.base import Feeds
from invisp_deploy.runtimes.tensorrt.contexts import Times
from tests.callable_runtime import CallableRuntime

CARD = GraphCard(Direction.FORWARD, NetworkConfig(1, 4, 1), CameraContract(), "a" * 64)
TENSOR = np.zeros((1, 3, 100, 100), np.float32)


class Device(CallableRuntime):
    """One that says how long its parts took."""

    def timed(self, feeds: Feeds) -> tuple[Array, Times] | None:
        return TENSOR, Times(0.001, 0.003, 0.002)


def case(name: str, seconds: float, *, device: bool = False, direction: str = "forward") -> Case:
    def compute(x: Array) -> Array:
        time.sleep(seconds)
        return x

    runtime = (Device if device else CallableRuntime)(compute, CARD)
    key = Key(name, "c", "fp32", "tensor", direction, "100x100")
    return Case(key, runtime, {"raw": TENSOR}, (100, 100))


CONDITIONS = Conditions(1, Until(4), memory=False, rates={"cpu": 50.0, "fp32": 1000.0})


def test_a_row_says_what_was_measured() -> None:
    (row,) = measure_cases([case("R", 0.02)], CONDITIONS)["cases"]
    seconds = [one / 1e3 for turn in row["times_ms"] for one in turn]
    assert len(row["times_ms"]) == 4
    assert row["calls"] == len(seconds)
    assert row["p50_ms"] == pytest.approx(np.median(seconds) * 1e3)
    assert row["max_ms"] == max(seconds) * 1e3
    assert min(seconds) >= 0.02
    assert row["megapixels_per_second"] == pytest.approx(0.01 / np.median(seconds))
    assert row["net_megapixels_per_second"] == pytest.approx(0.0064 / np.median(seconds))
    assert row["gflops"] == pytest.approx(2 * CARD.config.macs_per_pixel * 1e4 / np.median(seconds) / 1e9)
    assert row["share_of_matmul"] == pytest.approx(row["gflops"] / 50)
    assert row["parts_ms"] is row["peak_mb"] is row["joules_per_megapixel"] is row["ratio"] is None
    assert row["warm_up"]["calls"] >= 4


def test_parts_and_rate_of_a_device_are_its_own() -> None:
    (row,) = measure_cases([case("R", 0.02, device=True)], CONDITIONS)["cases"]
    assert row["parts_ms"] == pytest.approx({"in": 1, "compute": 3, "out": 2})
    assert row["share_of_matmul"] == pytest.approx(row["gflops"] / 1000)


def test_ratios_are_to_the_first_or_to_the_named_one() -> None:
    named = [case("A", 0), case("B", 0), case("A", 0, direction="inverse")]
    assert [base_of(index, named, "") for index in range(3)] == [0, 0, 2]
    assert [base_of(index, named, "B") for index in range(3)] == [1, 1, 2]
    first, second = measure_cases([case("A", 0.06), case("B", 0.02)], CONDITIONS)["cases"]
    assert first["ratio"] is None
    assert second["ratio"]["to"].startswith("A ")
    assert second["ratio"]["p10"] <= second["ratio"]["median"] <= second["ratio"]["p90"]
    assert second["ratio"]["median"] > 1.5


def test_energy_is_that_of_one_megapixel() -> None:
    spent = [0.0]

    def read() -> float:
        return spent[0]

    one = case("R", 0.001)
    inner = one.runtime._function  # type: ignore[attr-defined]

    def compute(x: Array) -> Array:
        spent[0] += 0.5
        return inner(x)  # type: ignore[no-any-return]

    one.runtime._function = compute  # type: ignore[attr-defined]
    settings = Conditions(1, Until(1), memory=False, meters=(JouleCounter("board", read),), energy_seconds=0.05)
    result = measure_cases([one], settings)
    assert result["cases"][0]["joules_per_megapixel"] == pytest.approx({"board": 0.5 / 0.01})
    assert result["energy"] == {"board, idle watts": 0}


def test_memory_that_cannot_be_measured_says_why() -> None:
    one = case("R", 0.001)
    one.task.update(kind="tile", graph="nowhere.onnx", provider=None, threads=1, tile=[8, 8])
    (row,) = measure_cases([one], Conditions(1, Until(1)))["cases"]
    assert row["peak_mb"] is None
    assert "There is no engine nowhere.onnx" in row["memory_failed"]


def test_ours_is_compared_with_the_fastest_peer_of_its_precision() -> None:
    cases = [case("slow", 0.03), case("fast", 0.01), case("ours", 0.005), case("ours", 0.005, direction="inverse")]
    rows = measure_cases(cases, CONDITIONS, "slow", {"slow", "fast"})["cases"]
    assert rows[2]["ratio"]["to"].startswith("slow")
    assert rows[2]["ratio_to_fastest"]["to"].startswith("fast")
    assert rows[2]["ratio"]["median"] > 2 * rows[2]["ratio_to_fastest"]["median"] > 2
    assert [row["ratio_to_fastest"] for row in (*rows[:2], rows[3])] == [None] * 3, "peers, and nothing to compare with"
