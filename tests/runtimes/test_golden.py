"""Golden crops: the reference's values, wherever they are computed from, and the same bytes every time."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import EngineError
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.recipe import Numbers
from invisp_deploy.isp.steps import Array
from invisp_deploy.models import shipped_folder
from invisp_deploy.runtimes.base import Runtime, graph_specs
from invisp_deploy.runtimes.golden import (
    golden_path,
    make_golden,
    mirrored,
    natural_feeds,
    natural_pixels,
    natural_planes,
    npz_bytes,
    read_golden,
)
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
    whole = graph.apply(golden.input(), golden.numbers)
    assert (golden.height, golden.width) == size
    assert golden.crops.shape[1:] == (min(64, *size), min(64, *size), 3)
    assert np.abs(golden.cut(whole).astype(int) - golden.crops).max() <= TOLERANCES["step-codes-8"].limit
    assert golden.crops.std() > 10


def test_crops_lie_in_every_corner_and_in_the_middle(graph: Runtime) -> None:
    corners = make_golden(graph, 260, 302).corners.tolist()
    assert corners == [[0, 0], [0, 238], [98, 119], [196, 0], [196, 238]]


class Watched(Runtime):
    """A runtime that notes the sizes it is given."""

    def __init__(self, inner: Runtime) -> None:
        self.inner = inner
        self.name, self.card, self.inputs, self.outputs = inner.name, inner.card, inner.inputs, inner.outputs
        self.sizes: list[tuple[int, ...]] = []

    def _run(self, feeds: Numbers) -> dict[str, Array]:
        self.sizes.append(feeds["mosaic"].shape[1:3])
        return self.inner.run(feeds)


def test_a_large_golden_is_computed_from_windows_of_it(graph: Runtime) -> None:
    watched = Watched(graph)
    make_golden(watched, 600, 400)
    assert len(watched.sizes) == 5
    assert sum(height * width for height, width in watched.sizes) < 600 * 400 / 3
    watched.sizes.clear()
    make_golden(watched, 80, 80)
    assert watched.sizes == [(80, 80)]


def test_what_is_written_is_read(graph: Runtime, tmp_path: Path) -> None:
    golden = make_golden(graph, 70, 90)
    (tmp_path / "g.npz").write_bytes(golden.to_bytes())
    read = read_golden(tmp_path / "g.npz")
    assert (read.height, read.width, read.reference) == (70, 90, graph.name)
    np.testing.assert_array_equal(read.crops, golden.crops)
    np.testing.assert_array_equal(read.corners, golden.corners)
    np.testing.assert_array_equal(read.input(), golden.input())
    assert make_golden(graph, 70, 90).to_bytes() == golden.to_bytes()


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "g.npz"
    with pytest.raises(EngineError, match=r"g.npz does not hold the golden input and crops.*copy it from where"):
        read_golden(path)
    path.write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(EngineError, match="does not hold the golden input"):
        read_golden(path)
    with path.open("wb") as stream:
        np.savez(stream, crops=np.zeros(3))
    with pytest.raises(EngineError, match="does not hold the golden input"):
        read_golden(path)


@pytest.mark.parametrize(
    "change", [(b"'shape': (", b"'shape'; ("), (b"{'descr'", b"{'descr("), (b"PK\x01\x02\x14", None)]
)
def test_damage_that_numpys_parsers_raise_other_errors_of(change: tuple[bytes, bytes | None], tmp_path: Path) -> None:
    path = tmp_path / "g.npz"
    data = golden_path(shipped_folder("closed-form") / "forward.onnx").read_bytes()
    old, new = change
    assert old in data
    at = data.index(old)  # without a new value: the method of compression of an archive's entry
    path.write_bytes(data.replace(old, new) if new else data[: at + 10] + b"\x63\0" + data[at + 12 :])
    with pytest.raises(EngineError, match="does not hold the golden input"):
        read_golden(path)


def test_the_patch_is_mirrored_as_numpy_mirrors_and_keeps_the_phase() -> None:
    patch = np.arange(16 * 16, dtype=np.uint16).reshape(16, 16)
    np.testing.assert_array_equal(mirrored(patch, 50, 70), np.pad(patch, ((0, 34), (0, 54)), mode="reflect"))
    np.testing.assert_array_equal(mirrored(patch, 9, 5), patch[:9, :5])
    site = np.tile(np.array([[0, 1], [2, 3]]), (8, 8))
    np.testing.assert_array_equal(mirrored(site, 51, 34), np.tile(np.array([[0, 1], [2, 3]]), (26, 17))[:51])


def test_patches_are_what_a_graph_takes(graph: Runtime) -> None:
    card = graph.card
    mosaic = natural_pixels(card)
    assert (mosaic.shape, mosaic.dtype) == ((64, 64), np.uint16)
    assert 127 <= mosaic.min() < mosaic.max() <= 4095
    for bits, kind in ((8, np.uint8), (16, np.uint16)):
        codes = natural_pixels(replace(card, direction=Direction.INVERSE, bits=bits))
        assert (codes.shape, codes.dtype) == ((64, 64, 3), kind)
        assert codes.std() > 0.1 * np.iinfo(kind).max
    for form in ("mosaic", "tensor"):
        feeds = natural_feeds(replace(card, form=form), 32, 48)
        specs = graph_specs(replace(card, form=form))[0]
        assert list(feeds) == [spec.name for spec in specs]
        assert all(spec.accepts(feeds[spec.name].shape) and feeds[spec.name].dtype == spec.dtype for spec in specs)


def test_planes_look_like_a_picture_and_are_the_same_again() -> None:
    first = natural_planes((1, 3, 96, 128), 5)
    assert first.dtype == np.float32
    assert 0 <= first.min() < 0.2 < 0.5 < first.max() <= 1
    np.testing.assert_array_equal(first, natural_planes((1, 3, 96, 128), 5))
    assert np.abs(first - natural_planes((1, 3, 96, 128), 6)).max() > 0.1


def test_bytes_do_not_tell_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = {"one": np.arange(6, dtype=np.float32).reshape(2, 3), "two": np.zeros((0, 4), np.float32)}
    first = npz_bytes(arrays)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    monkeypatch.setattr(time, "localtime", lambda *_: time.struct_time((2033, 5, 18, 0, 0, 0, 2, 138, 0)))
    assert npz_bytes(arrays) == first
    with np.load(io.BytesIO(first), allow_pickle=False) as loaded:
        assert loaded.files == ["one", "two"]
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded[name], array)


def test_psnr_by_hand() -> None:
    zeros = np.zeros((2, 2))
    assert psnr(zeros + 0.1, zeros) == pytest.approx(20)
    assert psnr(zeros, zeros) == float("inf")
