"""Arguments to cases: labels, tiles, keys, and what a case computes."""

from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.benchmark.cases import Candidate, Case, candidates_of, cases_of, feeds_for, open_candidate, tiles_of
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.runtimes.base import Runtime, TensorSpec
from tests.benchmark.conftest import Small
from tests.callable_runtime import CallableRuntime

CARD = GraphCard(Direction.FORWARD, NetworkConfig(2, 4, 2), CameraContract(), "a" * 64)


def runtime(*, low: int = 0, high: int = 0, name: str = "Fast 1.2.3 CPU") -> Runtime:
    """One that doubles; bounded as an engine where asked."""
    made = CallableRuntime(lambda x: 2 * x, CARD)
    made.name = name
    if high:
        side = high if low == high else (low, high)
        made.inputs = (TensorSpec("raw", "float32", (1, 3, side, side)),)
    return made


def cases(*named: tuple[Candidate, Runtime], edges: tuple[int, ...] = (64,)) -> list[Case]:
    return cases_of([source for source, _ in named], [one for _, one in named], edges, 2)


def test_a_folder_is_both_directions_and_each_provider_a_source(small: Small) -> None:
    found = candidates_of([f"mine={small.folder}"], ["A", "B"])
    assert [(one.path.name, one.label, one.provider) for one in found] == [
        ("forward.onnx", "mine", "A"),
        ("forward.onnx", "mine", "B"),
        ("inverse.onnx", "mine", "A"),
        ("inverse.onnx", "mine", "B"),
    ]
    assert [one.provider for one in candidates_of([str(small.folder / "forward.onnx")], [])] == [None]


def test_an_engine_takes_no_provider_and_a_path_may_hold_an_equals_sign(tmp_path: Path) -> None:
    (tmp_path / "a=b.trt").touch()
    assert candidates_of([str(tmp_path / "a=b.trt")], ["A"]) == [Candidate(tmp_path / "a=b.trt")]


@pytest.mark.parametrize("name", ["missing.onnx", "label=missing.onnx", ""])
def test_nothing_to_measure_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"There is no graph|holds no graph"):
        candidates_of([str(tmp_path / name) if "=" not in name else name], [])


def test_keys_have_no_versions_and_no_paths() -> None:
    (case,) = cases((Candidate(Path("x/forward.onnx")), runtime()))
    assert case.key.runtime == "Fast CPU"
    assert (case.key.direction, case.key.tile, case.key.label) == ("forward", "64x64", "")
    newer, elsewhere = runtime(name="Fast 2.0 CPU"), Candidate(Path("y/forward.onnx"))
    assert cases((elsewhere, newer))[0].key == case.key


def test_files_that_are_alike_are_told_apart_by_their_path() -> None:
    first, second = Candidate(Path("x/forward.onnx")), Candidate(Path("y/forward.onnx"))
    found = cases((first, runtime()), (second, runtime()))
    assert [case.key.label for case in found] == ["x/forward.onnx", "y/forward.onnx"]
    with pytest.raises(RequestError, match=r"LABEL=PATH"):
        cases((first, runtime()), (first, runtime()))


def test_an_engine_takes_its_own_tile_or_those_between_its_bounds() -> None:
    assert tiles_of(runtime(low=96, high=96), (64, 128), Path("e.trt")) == [(96, 96)]
    assert tiles_of(runtime(low=64, high=128), (32, 64, 100, 128, 256), Path("e.trt")) == [
        (64, 64),
        (100, 100),
        (128, 128),
    ]
    assert tiles_of(runtime(), (63, 64), Path("e.onnx")) == [(64, 64)]
    with pytest.raises(RequestError, match=r"multiples of 2 pixels within 64x64 to 128x128, got `tiles` 32"):
        tiles_of(runtime(low=64, high=128), (32,), Path("e.trt"))


def test_work_and_pixels_are_those_of_the_configuration() -> None:
    (case,) = cases((Candidate(Path("forward.onnx")), runtime()), edges=(200,))
    assert case.megapixels == 0.04
    assert case.net_megapixels == pytest.approx((200 - 80) ** 2 / 1e6)
    channels, growth, pixels = 6, 4, 100 * 100
    inner = sum((channels + i * growth) * growth for i in range(4)) + (channels + 4 * growth) * channels
    macs = 2 * (3 * 9 * inner + 12 * 12) * pixels
    assert case.gflop == pytest.approx(2 * macs / 1e9)
    (tiny,) = cases((Candidate(Path("forward.onnx")), runtime()), edges=(64,))
    assert tiny.net_megapixels == 0, "the halo leaves nothing"


def test_a_case_runs_the_graph(small: Small) -> None:
    (source,) = candidates_of([str(small.folder / "forward.onnx")], [])
    with open_candidate(source, 1) as opened:
        feeds = feeds_for(opened, 32, 32)
        (case,) = cases_of([source], [opened], [32], 1)
        np.testing.assert_array_equal(case.run(), opened.run(feeds)["srgb"])
        case.contender.call()
        assert case.contender.parts() is None, "a CPU has no copies"
