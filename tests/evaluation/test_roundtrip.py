"""A round trip through files: the figures, computed again from the files with other code."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rawpy
from PIL import Image

from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import ContractError, InvispError, RawFileError, RequestError
from invisp_deploy.evaluation.metrics import DEFINITIONS
from invisp_deploy.evaluation.roundtrip import RoundTripReport, file_names, report_round_trip
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.rendering.model import Model
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from tests.counted_names import CountedName, counted_files
from tests.graphs import Graphs, write_graphs

# file levels and no folding: what the test computes again needs no rule of ours
CONTRACT = CameraContract("Canon", "Canon EOS 30D", white="file", white_balance="max", cfa="RGGB")
NAMES = ["report.json", "report.md", "roundtrip.png", "small.dng", "small.jpg"]


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 8, 2), CONTRACT)


@pytest.fixture(scope="module")
def trip(graphs: Graphs, small_dng: Path, tmp_path_factory: pytest.TempPathFactory) -> RoundTripReport:
    return measured(small_dng, tmp_path_factory.mktemp("report"), graphs, RunOptions(quality=85, subsampling="4:4:4"))


def measured(raw: Path, folder: Path, graphs: Graphs, options: RunOptions = RunOptions()) -> RoundTripReport:  # noqa: B008
    with Model.of("a pair", OnnxRuntime(graphs.forward), OnnxRuntime(graphs.inverse)) as model:
        return report_round_trip(raw, folder, model, options)


def decibels(difference: np.ndarray, peak: float) -> float:
    return 20 * math.log10(peak) - 10 * math.log10(np.square(difference).mean())


def mosaic_of(path: Path) -> np.ndarray:
    with rawpy.imread(str(path)) as raw:
        return raw.raw_image_visible.astype(np.float64)


def bilinear(mosaic: np.ndarray) -> np.ndarray:
    """(H, W) RGGB -> (3, H, W): means of the nearest sites of each colour, mirrored at the edge."""
    height, width = mosaic.shape
    rows, columns = np.indices(mosaic.shape)
    masks = (
        (rows % 2 + columns % 2 == 0) & (rows % 2 == 0),
        (rows + columns) % 2 == 1,
        (rows % 2 == 1) & (columns % 2 == 1),
    )
    out = []
    for mask in masks:
        known, count = (np.pad(array, 1, mode="reflect") for array in (mosaic * mask, mask.astype(float)))
        near = {(y, x): (known[y : y + height, x : x + width], count[y : y + height, x : x + width])
                for y in range(3) for x in range(3)}  # fmt: skip
        beside = [sum(near[place][i] for place in ((0, 1), (1, 0), (1, 2), (2, 1))) for i in (0, 1)]
        across = [sum(near[place][i] for place in ((0, 0), (0, 2), (2, 0), (2, 2))) for i in (0, 1)]
        with np.errstate(invalid="ignore"):
            filled = np.where(beside[1] > 0, beside[0] / beside[1], across[0] / across[1])
        out.append(np.where(mask, mosaic, filled))
    return np.stack(out)


def test_every_file_is_written_and_nothing_else(trip: RoundTripReport) -> None:
    assert sorted(path.name for path in trip.report.parent.iterdir()) == NAMES
    assert (trip.jpeg.name, trip.dng.name, trip.picture.name) == ("small.jpg", "small.dng", "roundtrip.png")
    with Image.open(trip.picture) as picture:
        assert (picture.format, picture.size) == ("PNG", (2 * 640 + 36, 2 * 666 + 36))


def test_rgb_psnr_is_that_of_the_files(trip: RoundTripReport, small_dng: Path) -> None:
    with rawpy.imread(str(small_dng)) as raw:
        target = raw.postprocess(use_camera_wb=True, no_auto_bright=True).astype(float)
    with Image.open(trip.jpeg) as picture:
        expected = decibels(np.asarray(picture) - target, 255)
    assert trip.metrics["rgb-psnr"] == pytest.approx(expected, abs=1e-9)


def test_raw_psnr_is_that_of_the_files(trip: RoundTripReport, small_dng: Path) -> None:
    black = np.tile([[127, 128], [128, 128]], (128, 128))
    ours, true = ((mosaic_of(path) - black) / (4095 - black) for path in (trip.dng, small_dng))
    assert trip.metrics["raw-psnr"] == pytest.approx(decibels(ours - true, 1), abs=0.01)


def test_raw_psnr_paper_is_that_of_the_files(trip: RoundTripReport, small_dng: Path) -> None:
    black = np.tile([[127, 128], [128, 128]], (128, 128))
    gains = np.tile(np.array([[2009, 1024], [1024, 1713]]) / 2009, (128, 128))

    def domain(path: Path) -> np.ndarray:
        return bilinear(np.clip((mosaic_of(path) - black) / (4095 - black), 0, 1) * gains) ** (1 / 2.2)

    difference = domain(trip.dng) - domain(small_dng)
    patches = [patch for band in np.split(difference, (85, 170), 1) for patch in np.split(band, (85, 170), 2)]
    assert len(patches) == 9
    expected = np.mean([decibels(patch, 1) for patch in patches])
    assert trip.metrics["raw-psnr-paper"] == pytest.approx(expected, abs=0.01)


def test_a_file_that_does_not_clip_has_no_figure_of_clipped_pixels(trip: RoundTripReport) -> None:
    assert trip.metrics["raw-psnr-clipped"] is None
    assert trip.metrics["raw-psnr-unclipped"] == trip.metrics["raw-psnr"]


def test_clipped_pixels_are_those_of_libraws_rendering(graphs: Graphs, small_frame: RawFrame, tmp_path: Path) -> None:
    raw = tmp_path / "bright.dng"
    write_dng(raw, replace(small_frame, mosaic=np.minimum(small_frame.mosaic.astype(int) * 5, 4095).astype(np.uint16)))
    (tmp_path / "report").mkdir()
    metrics = measured(raw, tmp_path / "report", graphs).metrics
    with rawpy.imread(str(raw)) as opened:
        blown = (opened.postprocess(use_camera_wb=True, no_auto_bright=True) > 249).any(-1)
    assert 0.02 < blown.mean() < 0.98
    black = np.tile([[127, 128], [128, 128]], (128, 128))
    ours, true = ((mosaic_of(path) - black) / (4095 - black) for path in (tmp_path / "report" / "bright.dng", raw))
    assert metrics["raw-psnr-clipped"] == pytest.approx(decibels((ours - true)[blown], 1), abs=0.01)
    assert metrics["raw-psnr-unclipped"] == pytest.approx(decibels((ours - true)[~blown], 1), abs=0.01)
    assert json.loads((tmp_path / "report" / "report.json").read_text())["clipped"] == blown.mean()


def test_what_comes_back_exactly_has_no_figure(small_frame: RawFrame, tmp_path: Path) -> None:
    """An infinite one: JSON has no number for it."""
    raw, out = tmp_path / "dark.dng", tmp_path / "report"
    write_dng(raw, replace(small_frame, mosaic=np.full_like(small_frame.mosaic, 128), black=(128.0,) * 4))
    out.mkdir()
    graphs = write_graphs(tmp_path, CONFIGURATIONS["closed-form"], CONTRACT)
    assert set(measured(raw, out, graphs).metrics.values()) == {None}
    assert (mosaic_of(out / "dark.dng") == 128).all()
    facts = json.loads((out / "report.json").read_text(), parse_constant=pytest.fail)
    assert facts["metrics"] == dict.fromkeys(DEFINITIONS)


def test_both_reports_say_the_same_and_define_it(trip: RoundTripReport, graphs: Graphs, small_dng: Path) -> None:
    facts = json.loads((trip.report.parent / "report.json").read_text())
    assert facts["metrics"] == trip.metrics
    assert facts["definitions"] == DEFINITIONS
    assert (facts["file"], facts["camera"], facts["size"]) == ("small.dng", "Canon EOS 30D", [256, 256])
    assert facts["weights"] == graphs.checkpoint.weights
    assert (facts["quality"], facts["subsampling"]) == (85, "4:4:4")
    assert (facts["jpeg_bytes"], facts["raw_bytes"]) == (trip.jpeg.stat().st_size, small_dng.stat().st_size)
    text = trip.report.read_text()
    assert "![RAW, JPEG, recovered RAW, error map](roundtrip.png)" in text
    for name, value in trip.metrics.items():
        shown = "–" if value is None else f"{value:.2f}"
        assert f"| {name} | {shown} | {DEFINITIONS[name]} |" in text


def test_the_options_reach_the_jpeg(trip: RoundTripReport) -> None:
    with Image.open(trip.jpeg) as picture:
        assert [component[1:3] for component in picture.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]
        assert picture.quantization[0][0] == 5  # 16 at quality 50, times 0.3


def test_a_frame_that_needs_a_border_is_measured_without_it(
    graphs: Graphs, small_frame: RawFrame, tmp_path: Path
) -> None:
    raw = tmp_path / "odd.dng"
    mosaic = np.ascontiguousarray(small_frame.mosaic[1:200, 1:154])
    write_dng(raw, replace(small_frame, mosaic=mosaic, cfa="BGGR", black=(128.0, 128.0, 128.0, 127.0)))
    (tmp_path / "report").mkdir()
    trip = measured(raw, tmp_path / "report", graphs)
    assert mosaic_of(trip.dng).shape == mosaic.shape
    black = np.tile([[128, 128], [128, 127]], (100, 77))[:199, :153]
    ours, true = ((array - black) / (4095 - black) for array in (mosaic_of(trip.dng), mosaic))
    assert trip.metrics["raw-psnr"] == pytest.approx(decibels(ours - true, 1), abs=0.01)


def test_graphs_of_two_exports_are_refused(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    other = write_graphs(tmp_path, NetworkConfig(2, 8, 2), CONTRACT, seed=3)
    (tmp_path / "report").mkdir()
    with pytest.raises(ContractError, match="the other direction"):
        measured(small_dng, tmp_path / "report", replace(graphs, inverse=other.inverse))
    assert not list((tmp_path / "report").iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_any_file_of_an_earlier_report_is_kept_unless_told(
    name: str, graphs: Graphs, small_dng: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(RequestError, match=f"{name} exists already"):
        measured(small_dng, tmp_path, graphs)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]


def test_an_earlier_report_is_replaced_when_told(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).write_text("old")
    measured(small_dng, tmp_path, graphs, RunOptions(overwrite=True))
    assert all((tmp_path / name).read_bytes() != b"old" for name in NAMES)


def test_a_report_never_replaces_the_raw_file_it_is_about(graphs: Graphs, small_dng: Path, tmp_path: Path) -> None:
    raw = tmp_path / "photo.dng"
    raw.write_bytes(small_dng.read_bytes())
    with pytest.raises(RequestError, match=r"would replace .*photo\.dng itself"):
        measured(raw, tmp_path, graphs, RunOptions(overwrite=True))
    assert raw.read_bytes() == small_dng.read_bytes()


def test_a_bad_raw_file_is_refused(graphs: Graphs, tmp_path: Path) -> None:
    raw = tmp_path / "bad.CR2"
    raw.write_bytes(b"no RAW file" * 200)
    (tmp_path / "report").mkdir()
    with pytest.raises(RawFileError, match=r"bad\.CR2 is not a RAW file") as caught:
        measured(raw, tmp_path / "report", graphs)
    assert isinstance(caught.value, InvispError)
    assert not list((tmp_path / "report").iterdir())


def test_names_of_many_files_are_found_in_one_pass() -> None:
    CountedName.compared = 0
    files = counted_files(20_000)
    names = file_names(files)
    assert (names[1], names[0], names[-1]) == ("1", str(files[0]), str(files[-1]))
    assert CountedName.compared < 10 * len(files)
