"""Golden crops: the reference's values, wherever they are computed from, and the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import EngineError
from invisp_deploy.runtimes.base import Array, Runtime
from invisp_deploy.runtimes.callable_ import CallableRuntime
from invisp_deploy.runtimes.golden import make_golden, natural_input, psnr, read_golden
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.tolerances import TOLERANCES
from tests.graphs import CANON_30D, write_graphs


@pytest.fixture(scope="module", params=[1, 2], ids=["full", "half"])
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Runtime:
    folder = tmp_path_factory.mktemp("graphs")
    return OnnxRuntime(write_graphs(folder, NetworkConfig(1, 4, request.param), CANON_30D).forward)


@pytest.mark.parametrize("size", [(64, 64), (70, 300), (260, 302), (16, 400)])
def test_crops_are_those_of_the_whole_output(graph: Runtime, size: tuple[int, int]) -> None:
    golden = make_golden(graph, *size)
    whole = graph.apply(golden.input())
    assert (golden.height, golden.width) == size
    assert golden.crops.shape[1:] == (3, min(64, *size), min(64, *size))
    assert np.abs(golden.cut(whole) - golden.crops).max() <= TOLERANCES["tiled"].limit
    assert np.abs(golden.cut(golden.input()) - golden.crops).max() > 0.01


def test_crops_lie_in_every_corner_and_in_the_middle(graph: Runtime) -> None:
    corners = make_golden(graph, 260, 302).corners.tolist()
    assert corners == [[0, 0], [0, 238], [98, 119], [196, 0], [196, 238]]


def test_a_large_golden_is_computed_from_windows_of_it(graph: Runtime) -> None:
    computed: list[tuple[int, ...]] = []

    def apply(tensor: Array) -> Array:
        computed.append(tensor.shape)
        return graph.apply(tensor)

    make_golden(CallableRuntime(apply, graph.card), 600, 400)
    assert len(computed) == 5
    assert sum(height * width for _, _, height, width in computed) < 600 * 400 / 3
    computed.clear()
    make_golden(CallableRuntime(apply, graph.card), 80, 80)
    assert computed == [(1, 3, 80, 80)]


def test_what_is_written_is_read(graph: Runtime, tmp_path: Path) -> None:
    golden = make_golden(graph, 70, 90)
    (tmp_path / "g.npz").write_bytes(golden.to_bytes())
    read = read_golden(tmp_path / "g.npz")
    assert (read.height, read.width, read.seed, read.reference) == (70, 90, golden.seed, graph.name)
    np.testing.assert_array_equal(read.crops, golden.crops)
    np.testing.assert_array_equal(read.corners, golden.corners)
    np.testing.assert_array_equal(read.input(), golden.input())
    assert make_golden(graph, 70, 90).to_bytes() == golden.to_bytes()


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "g.npz"
    with pytest.raises(EngineError, match=r"g.npz does not hold golden crops.*build the engine again"):
        read_golden(path)
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(EngineError, match="does not hold golden crops"):
        read_golden(path)
    with path.open("wb") as stream:
        np.savez(stream, crops=np.zeros(3))
    with pytest.raises(EngineError, match="does not hold golden crops"):
        read_golden(path)


def test_the_input_is_a_picture_in_range_and_the_same_again() -> None:
    first = natural_input((1, 3, 96, 128), 5)
    assert first.dtype == np.float32
    assert 0 <= first.min() < 0.2 < 0.5 < first.max() <= 1
    np.testing.assert_array_equal(first, natural_input((1, 3, 96, 128), 5))
    assert np.abs(first - natural_input((1, 3, 96, 128), 6)).max() > 0.1


def test_psnr_by_hand() -> None:
    zeros = np.zeros((2, 2))
    assert psnr(zeros + 0.1, zeros) == pytest.approx(20)
    assert psnr(zeros, zeros) == float("inf")
