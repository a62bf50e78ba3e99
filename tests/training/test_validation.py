"""Validation goes through real files: its figures are those of the files, its checks come before training."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rawpy
from PIL import Image

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import ContractError, RawFileError, RequestError
from invisp_deploy.evaluation.roundtrip import report_round_trip
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.graph_card import Direction
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.rendering.model import Model
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.render import render
from invisp_deploy.runtimes.around import StepsAround
from invisp_deploy.runtimes.torch_ import TorchRuntime
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.training.validation import check_held_out, validate
from tests.graphs import CANON_30D, gentle_network

OPTIONS = RunOptions(quality=80, subsampling="4:2:0", raw_budget=RawBudget(0))


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(gentle_network(NetworkConfig(1, 4, 2)), CANON_30D)


@pytest.fixture(scope="module")
def odd(small_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that needs a border on all sides."""
    path = tmp_path_factory.mktemp("odd") / "odd.dng"
    write_dng(path, replace(small_frame, mosaic=np.ascontiguousarray(small_frame.mosaic[1:100, 1:132]), cfa="BGGR"))
    return path


def test_figures_are_those_of_a_round_trip(checkpoint: Checkpoint, small_dng: Path, odd: Path, tmp_path: Path) -> None:
    told: list[Path] = []
    figures = validate(checkpoint, [small_dng, odd], OPTIONS, told.append)
    assert told == [small_dng, odd]
    assert list(figures) == ["small.dng", "odd.dng"]
    model = Model.of("torch", *(StepsAround(TorchRuntime(checkpoint, direction)) for direction in Direction))
    for path in (small_dng, odd):
        (tmp_path / path.stem).mkdir()
        trip = report_round_trip(path, tmp_path / path.stem, model, OPTIONS)
        assert figures[path.name] == pytest.approx(trip.metrics, abs=1e-6)


def test_the_picture_is_compared_without_its_border(checkpoint: Checkpoint, odd: Path, tmp_path: Path) -> None:
    figure = validate(checkpoint, [odd], OPTIONS)["odd.dng"]["rgb-psnr"]
    runtime = StepsAround(TorchRuntime(checkpoint, Direction.FORWARD))
    render(read_raw(odd), runtime).save(tmp_path / "a.jpg", quality=OPTIONS.quality, subsampling=OPTIONS.subsampling)
    with rawpy.imread(str(odd)) as raw:
        target = raw.postprocess(use_camera_wb=True, no_auto_bright=True).astype(float)
    with Image.open(tmp_path / "a.jpg") as picture:
        error = np.asarray(picture)[1:100, 1:132] - target
    assert figure == pytest.approx(20 * math.log10(255) - 10 * math.log10(np.square(error).mean()), abs=1e-9)


def test_files_of_one_name_are_told_apart(checkpoint: Checkpoint, small_frame: RawFrame, tmp_path: Path) -> None:
    paths = [tmp_path / name / "a.dng" for name in ("one", "two")]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        write_dng(path, replace(small_frame, mosaic=np.ascontiguousarray(small_frame.mosaic[number * 64 :][:64, :64])))
    figures = validate(checkpoint, paths, OPTIONS)
    assert list(figures) == [str(path) for path in paths]
    assert figures[str(paths[0])] != figures[str(paths[1])]


def test_held_out_files_are_checked_by_name(small_dng: Path, small_frame: RawFrame, tmp_path: Path) -> None:
    check_held_out([small_dng], CANON_30D)
    other, bad = tmp_path / "other.dng", tmp_path / "bad.dng"
    write_dng(other, replace(small_frame, make="Maker", model="Other 1"))
    bad.write_bytes(b"nothing" * 300)
    with pytest.raises(ContractError, match=r"held-out .*other\.dng is from Maker Other 1, .* for Canon EOS 30D"):
        check_held_out([small_dng, other], CANON_30D)
    with pytest.raises(RawFileError, match=r"bad\.dng"):
        check_held_out([small_dng, bad], CANON_30D)
    with pytest.raises(RequestError, match=r"absent\.dng"):
        check_held_out([tmp_path / "absent.dng"], CANON_30D)
