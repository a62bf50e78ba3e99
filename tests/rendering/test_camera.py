"""Camera graphs in place of tensor graphs: the same pictures and mosaics, at every phase, size and tile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import BORDERS, CFA_PATTERNS, CameraContract
from invisp_deploy.errors import ContractError, RequestError
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.isp.alignment import Border, aligned
from invisp_deploy.isp.frame import RawFrame
from invisp_deploy.isp.levels import levels_of
from invisp_deploy.rendering.camera import InGraph, InNumpy
from invisp_deploy.rendering.files import RunOptions, recover_file, render_file
from invisp_deploy.rendering.recover import recover
from invisp_deploy.rendering.render import FrameSource, render
from invisp_deploy.rendering.tiled import plan_for, seam_error
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.tolerances import TOLERANCES
from tests.graphs import CANON_30D, write_graphs

Pair = tuple[Runtime, Runtime]
CODES = TOLERANCES["camera-rgb-codes"].limit
DECIBELS = TOLERANCES["camera-mosaic-psnr"].limit
NETWORKS = {"full": (NetworkConfig(2, 4, 1), CameraContract()), "half": (NetworkConfig(2, 4, 2), CANON_30D)}


@pytest.fixture(scope="module", params=NETWORKS, ids=str)
def pairs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pair]:
    """Forward and inverse of one network by interface."""
    made = {}
    for interface in ("tensor", "camera", "camera-bytes"):
        folder = tmp_path_factory.mktemp(interface)
        graphs = write_graphs(folder, *NETWORKS[request.param], interface=interface)
        made[interface] = (OnnxRuntime(graphs.forward), OnnxRuntime(graphs.inverse))
    return made


def cut(frame: RawFrame, cfa: str, height: int, width: int) -> RawFrame:
    """A part of an RGGB frame that begins with that pattern, with black levels that differ by site."""
    row, column = divmod(CFA_PATTERNS.index(cfa), 2)
    mosaic = np.ascontiguousarray(frame.mosaic[row : row + height, column : column + width])
    return replace(frame, mosaic=mosaic, cfa=cfa, black=(125.0, 127.0, 129.0, 130.0))


def mosaic_psnr(made: RawFrame, expected: RawFrame) -> float:
    error = np.mean(np.square(made.mosaic.astype(float) - expected.mosaic))
    return float("inf") if error == 0 else float(10 * np.log10(made.white**2 / error))


@pytest.mark.parametrize(("size", "interface"), [((64, 80), "camera"), ((63, 81), "camera-bytes")])
@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_every_phase_and_size_is_that_of_the_separate_steps(
    pairs: dict[str, Pair], small_frame: RawFrame, cfa: str, size: tuple[int, int], interface: str
) -> None:
    frame = cut(small_frame, cfa, *size)
    pixels, record = render(frame, pairs[interface][0])
    assert pixels.dtype == np.uint8
    assert record.height % 2 == record.width % 2 == 0, "odd sides get a mirrored border"
    even = Border(0, 0, size[0] % 2, size[1] % 2)
    expected, _ = render(replace(frame, mosaic=aligned(frame.mosaic, even)), pairs["tensor"][0])
    expected = expected[: pixels.shape[0], : pixels.shape[1]]
    if record.border.top == record.border.left == 0:  # else the two mirror another side
        assert pixels.shape == expected.shape
        assert np.abs(pixels.astype(int) - expected).max() <= CODES
    back = recover(Picture(pixels, record), pairs[interface][1])
    steps = recover(Picture(pixels, record), pairs["tensor"][1])
    assert (back.cfa, back.mosaic.shape, back.black) == (cfa, size, frame.black)
    assert mosaic_psnr(back, steps) >= DECIBELS
    assert mosaic_psnr(back, frame) > 30, "it comes back"


def test_tiles_are_the_whole(pairs: dict[str, Pair], small_frame: RawFrame) -> None:
    frame = replace(small_frame, mosaic=np.ascontiguousarray(small_frame.mosaic[:, :230]))
    forward, inverse = pairs["camera"]
    memory = 2 if forward.card.config.squeeze == 2 else 5
    plan = plan_for(forward, 256, 230, memory)
    assert len(plan) > 2
    assert plan.halo == forward.card.halo + 2
    assert all(edge % 2 == 0 for span in (*plan.rows, *plan.columns) for edge in (span.start, span.core_start))
    whole, record = render(frame, forward)
    tiled, _ = render(frame, forward, memory=memory)
    assert np.abs(whole.astype(int) - tiled).max() <= CODES
    assert (whole != tiled).mean() < 1e-3
    back = [recover(Picture(whole, record), inverse, memory=megabytes) for megabytes in (memory, 1000)]
    assert mosaic_psnr(*back) >= DECIBELS


def test_a_smaller_halo_shows_its_cost_in_full_scale(pairs: dict[str, Pair], small_frame: RawFrame) -> None:
    for forward in (pairs["tensor"][0], pairs["camera"][0]):
        source = FrameSource(small_frame, forward)
        memory = 2 if forward.card.config.squeeze == 2 else 5
        costs = [
            seam_error(forward, plan_for(forward, 256, 256, memory, halo), source.read, source.camera.tensors)
            for halo in (0, 12, None)
        ]
        assert 0.5 > costs[0] > costs[1] >= costs[2] == 0, forward.card.interface


def test_files_there_and_back(pairs: dict[str, Pair], small_dng: Path, tmp_path: Path) -> None:
    forward, inverse = pairs["camera"]
    rendered = render_file(small_dng, tmp_path / "a.png", forward, RunOptions())
    assert (rendered.height, rendered.width) == (256, 256)
    recovered = recover_file(tmp_path / "a.png", tmp_path / "a.dng", inverse, RunOptions(halo=4))
    assert recovered.output == tmp_path / "a.dng"
    assert read_raw(recovered.output).mosaic.shape == (256, 256)
    assert read_picture(tmp_path / "a.png").record is not None


def test_sixteen_bits_are_refused_both_ways(pairs: dict[str, Pair], small_dng: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"renders 8 bits and the output holds 16: name it \.jpg or \.png"):
        render_file(small_dng, tmp_path / "a.tif", pairs["camera"][0], RunOptions())
    render_file(small_dng, tmp_path / "a.tif", pairs["tensor"][0], RunOptions())
    with pytest.raises(RequestError, match="takes pictures of 8 bits, this one has 16"):
        recover_file(tmp_path / "a.tif", tmp_path / "a.dng", pairs["camera"][1], RunOptions())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif"]


def test_an_odd_picture_of_a_tensor_graph_goes_back_by_one(pairs: dict[str, Pair], small_frame: RawFrame) -> None:
    frame = cut(small_frame, "RGGB", 63, 81)
    pixels, record = render(frame, pairs["tensor"][0])
    if pairs["tensor"][0].card.config.squeeze == 1:
        with pytest.raises(ContractError, match="is 81x63, this graph takes multiples of 2: recover it with"):
            recover(Picture(pixels, record), pairs["camera"][1])
    else:
        assert recover(Picture(pixels, record), pairs["camera"][1]).mosaic.shape == (63, 81)


def test_another_gamma_than_the_graphs_is_refused(pairs: dict[str, Pair], small_frame: RawFrame) -> None:
    forward = pairs["camera"][0]
    levels = FrameSource(small_frame, forward).levels
    with pytest.raises(ContractError, match=r"has the gamma 1\.8, the camera graph 2\.2"):
        InGraph(replace(levels, gamma=1.8), forward.card)


@pytest.mark.parametrize("border", ["reflect", "constant"])
def test_another_border_than_the_graphs_is_refused(pairs: dict[str, Pair], small_frame: RawFrame, border: str) -> None:
    forward = pairs["camera"][0]
    levels = FrameSource(small_frame, forward).levels
    with pytest.raises(ContractError, match=f"have the border '{border}', camera graphs demosaic with mirrored"):
        InGraph(replace(levels, border=border), forward.card)


@pytest.mark.parametrize("border", BORDERS)
def test_levels_of_every_border_go_both_ways_tile_by_tile(small_frame: RawFrame, border: str) -> None:
    frame = cut(small_frame, "GRBG", 20, 31)
    frame = replace(frame, mosaic=np.maximum(frame.mosaic, 130))
    camera = InNumpy(levels_of(frame, CameraContract(border=border)))
    for rows in (slice(0, 7), slice(7, 20)):
        for columns in (slice(0, 16), slice(16, 31)):
            planes = camera.of_mosaic(frame.mosaic, (rows, columns))
            back = camera.to_mosaic(planes, (rows.start, columns.start), (20, 31))
            np.testing.assert_array_equal(back, frame.mosaic[rows, columns])
