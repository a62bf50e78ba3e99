"""Methods by their files, UPI by the camera, and what may stand in one table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.dataset.open import Dataset
from invisp_deploy.errors import CheckpointError, ContractError, RequestError
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.steps import Codes
from invisp_deploy.models import model_of_weights, shipped_folder
from invisp_deploy.network.checkpoint import Checkpoint, save_checkpoint
from invisp_deploy.rendering.model import load
from invisp_deploy.research.areas import Terms, apply, areas_of
from invisp_deploy.research.methods import Method, closed_form, common_phase, open_method, upi_method
from invisp_deploy.research.protocol import judge, recover_area
from invisp_deploy.research.rivals.cycleisp import CycleIsp
from invisp_deploy.research.rivals.open import load_rival, save_rival
from tests.graphs import CANON_30D, gentle_network
from tests.research.conftest import Exact


def test_a_run_of_invisp(folder: Path) -> None:
    config = NetworkConfig(2, 4, 2)
    checkpoint = Checkpoint(gentle_network(config), CANON_30D, {"steps": 7})
    save_checkpoint(folder / "weights.safetensors", checkpoint)
    lines = [{"step": 1, "seconds": 2.5}, {"step": 2, "seconds": 61.0, "raw_psnr": 30.0}]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for path in (folder, folder / "weights.safetensors"):
        method = open_method("ours", path)
        assert (method.kind, method.renders, method.weights) == ("invisp", True, checkpoint.weights)
        assert (method.seconds, method.log, method.notes["steps"]) == (61.0, tuple(lines), 7)
        assert method.macs == (pytest.approx(config.macs_per_pixel, rel=0.01),) * 2


def test_a_run_of_a_rival(folder: Path) -> None:
    save_rival(folder / "weights.safetensors", CycleIsp(4, 1, 1, 2), CANON_30D, {})
    method = open_method("CycleISP", folder)
    assert (method.kind, method.renders, method.macs[0]) == ("cycleisp", False, None)
    assert method.weights == load_rival(folder / "weights.safetensors").weights
    assert (method.seconds, method.log) == (0.0, ())


def test_what_is_no_run(folder: Path) -> None:
    with pytest.raises(RequestError, match=r"no weights for 'x': .*weights.safetensors does not exist"):
        open_method("x", folder)
    (folder / "weights.safetensors").write_text("nothing")
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        open_method("x", folder)
    save_rival(folder / "weights.safetensors", CycleIsp(4, 1, 1, 2), CANON_30D, {})
    (folder / "log.jsonl").write_text('{"step": 1}\n{"st')
    with pytest.raises(RequestError, match=r"log.jsonl is damaged"):
        open_method("x", folder)


def test_upi_with_the_camera_s_curve_is_better_than_as_published(photo_set: Dataset) -> None:
    figures = []
    for curve in ("published", "libraw"):
        method = upi_method("UPI", photo_set, "RGGB", curve)
        assert (method.renders, method.kind) == (False, "upi")
        figures.append(judge(method, photo_set, "RGGB", Terms(tiles=1, tile_size=96)).correct["raw-psnr"])
    assert method.notes["digital gain"] == pytest.approx(1, abs=0.1)
    assert 25 < figures[0] < figures[1] - 3


def test_the_closed_form_is_the_shipped_one(photo_set: Dataset) -> None:
    """The same picture and the same mosaic as the graphs of `--model closed-form`, of files of two phases."""
    ours = closed_form()
    assert (ours.macs, ours.renders, model_of_weights(ours.weights)) == ((0, 0), True, "closed-form")
    with TemporaryDirectory() as name, load("closed-form") as model:
        for shot in photo_set.shots("test"):
            (window,) = areas_of(shot, "RGGB", Terms())
            network = ours.network(shot.facts.brightest_frame())
            area = recover_area(network, photo_set, shot, ours.contract, window, Terms(), Path(name), own=True)
            rendered = model.render(replace(shot.frame, orientation=1))
            shown = Codes().forward(apply(network, Direction.FORWARD, area.raw), {})
            # the graph's picture has as many mirrored rows and columns before the first as the area leaves out
            rows, columns = (slice(2 * side.start, side.stop + side.start) for side in window)
            assert np.abs(shown.astype(int) - rendered.pixels[rows, columns]).max() <= 1
            picture = np.zeros_like(rendered.pixels)
            picture[rows, columns] = area.decoded
            back = model.recover(replace(rendered, pixels=picture)).mosaic[window]
            assert np.abs(back.astype(int) - area.recovered).max() <= 1


def test_the_closed_form_is_known_weights_beside_any_other(photo_set: Dataset, folder: Path) -> None:
    """Opened as a run of its shipped weights it has the same figures; and it is near LibRaw's rendering."""
    terms = Terms(tiles=1, tile_size=96)
    opened = open_method("mine", shipped_folder("closed-form") / "weights.safetensors")
    assert opened.macs == (0, 0)
    ours, other = (judge(one, photo_set, "RGGB", terms).correct for one in (closed_form(), opened))
    assert ours == other
    assert ours["rgb-psnr"] > 35


def test_methods_that_see_frames_differently_stand_in_one_table(
    photo_set: Dataset, method: Callable[..., Method]
) -> None:
    ours = method("ours", Exact())
    free = replace(ours, label="free", contract=replace(CANON_30D, cfa="any"))
    assert common_phase([free, closed_form(), ours], photo_set) == "RGGB"
    assert common_phase([free, closed_form()], photo_set) == "any"
    with pytest.raises(ContractError, match=r"'other' is for the phase BGGR, 'ours' for RGGB.*train them alike"):
        common_phase([ours, replace(ours, label="other", contract=replace(CANON_30D, cfa="BGGR"))], photo_set)
    with pytest.raises(ContractError, match="'nikon' is of NIKON D700, the dataset of Canon EOS 30D"):
        nikon = replace(CANON_30D, make="NIKON", model="NIKON D700")
        common_phase([replace(ours, label="nikon", contract=nikon)], photo_set)
