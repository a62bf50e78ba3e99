"""Methods by their files, UPI by the camera, and what may stand in one table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.dataset.open import Dataset
from invisp_deploy.errors import CheckpointError, ContractError, RequestError
from invisp_deploy.network.checkpoint import Checkpoint, save_checkpoint
from invisp_deploy.research.areas import Terms
from invisp_deploy.research.methods import Method, check_alike, open_method, upi_method
from invisp_deploy.research.protocol import judge
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
        method = upi_method("UPI", photo_set, CANON_30D, curve)
        assert (method.renders, method.kind) == (False, "upi")
        figures.append(judge(method, photo_set, CANON_30D, Terms(tiles=1, tile_size=96)).correct["raw-psnr"])
    assert method.notes["digital gain"] == pytest.approx(1, abs=0.1)
    assert 25 < figures[0] < figures[1] - 3


def test_one_table_has_one_contract(photo_set: Dataset, method: Callable[..., Method]) -> None:
    ours = method("ours", Exact())
    free = replace(ours, label="free", contract=replace(CANON_30D, cfa="any"))
    assert check_alike([free, ours], photo_set) == CANON_30D
    assert check_alike([free], photo_set) == replace(CANON_30D, cfa="any")
    for other in (replace(CANON_30D, white="file"), replace(CANON_30D, cfa="BGGR")):
        with pytest.raises(ContractError, match=r"'other' has the contract .*train them alike"):
            check_alike([ours, replace(ours, label="other", contract=other)], photo_set)
    with pytest.raises(ContractError, match="'nikon' is of NIKON D700, the dataset of Canon EOS 30D"):
        nikon = replace(CANON_30D, make="NIKON", model="NIKON D700")
        check_alike([replace(ours, label="nikon", contract=nikon)], photo_set)
