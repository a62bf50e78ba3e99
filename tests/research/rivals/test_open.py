"""Checkpoints of rivals: they come back as they went, and everything else is refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors
import torch
from safetensors.torch import load_file, save_file

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import CheckpointError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.research.rivals.cycleisp import CycleIsp
from invisp_deploy.research.rivals.grayscale import InvertibleGrayscale
from invisp_deploy.research.rivals.open import RIVAL_FORMAT, build_rival, load_rival, save_rival
from invisp_deploy.research.rivals.unet import UnetPair
from tests.graphs import CANON_30D


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_rival(path, CycleIsp(4, 1, 1, 2), CANON_30D, {"steps": 3})
    return path


def header(path: Path) -> dict[str, str]:
    with safetensors.safe_open(path, framework="pt") as stream:
        return dict(stream.metadata())


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("cycleisp", CycleIsp(4, 1, 1, 2)),
        ("grayscale", InvertibleGrayscale(4, 5)),
        ("unet", UnetPair("GBRG", 2)),
    ],
)
def test_what_is_saved_comes_back(name: str, network: torch.nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_rival(path, network, CANON_30D, {"steps": 3})
    rival = load_rival(path)
    assert (rival.name, rival.contract, rival.card) == (name, CANON_30D, {"steps": 3})
    assert not rival.network.training
    rgb = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(rival.network.inverse(rgb), network.eval().inverse(rgb))
    again = tmp_path / "again.safetensors"
    save_rival(again, rival.network, rival.contract, rival.card)
    assert load_rival(again).weights == rival.weights
    assert header(again) == header(path)


def test_weights_are_told_apart(saved: Path, tmp_path: Path) -> None:
    network = load_rival(saved).network
    with torch.no_grad():
        next(network.parameters())[0, 0, 0, 0] += 1
    save_rival(tmp_path / "other.safetensors", network, CANON_30D, {})
    assert load_rival(tmp_path / "other.safetensors").weights != load_rival(saved).weights


def test_what_has_no_weights_is_not_saved(small_frame: RawFrame, tmp_path: Path) -> None:
    for network in (build_rival("upi", small_frame, CANON_30D), InvISP(NetworkConfig(1, 2, 2))):
        with pytest.raises(RequestError, match="has no weights of a rival to save"):
            save_rival(tmp_path / "x.safetensors", network, CANON_30D, {})
    assert list(tmp_path.iterdir()) == []


def test_files_of_another_kind(saved: Path, tmp_path: Path) -> None:
    own = tmp_path / "invisp.safetensors"
    save_checkpoint(own, Checkpoint(InvISP(NetworkConfig(1, 2, 2)), CANON_30D))
    with pytest.raises(CheckpointError, match="'invisp-weights-1', expected 'invisp-rival-1'"):
        load_rival(own)
    with pytest.raises(CheckpointError, match=f"format '{RIVAL_FORMAT}'"):
        load_checkpoint(saved)
    with pytest.raises(RequestError, match="There is no checkpoint"):
        load_rival(tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_text("no tensors here")
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_rival(tmp_path / "text.safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rival": "esrgan"}, "damaged header"),
        ({"facts": '{"width": 4, "depth": 3}'}, "damaged header"),
        ({"contract": "{}"}, "damaged header"),
        ({"card": "{"}, "damaged header"),
        ({"facts": json.dumps({"width": 6, "groups": 1, "blocks": 1, "reduction": 2})}, "has shape"),
        ({"facts": json.dumps({"width": 4, "groups": 2, "blocks": 1, "reduction": 2})}, "missing"),
        ({"facts": json.dumps({"width": 4, "groups": 0, "blocks": 1, "reduction": 2})}, "unexpected"),
    ],
)
def test_headers_that_do_not_fit(change: dict[str, str], words: str, saved: Path) -> None:
    save_file(load_file(saved), saved, metadata=header(saved) | change)
    with pytest.raises(CheckpointError, match=words):
        load_rival(saved)


def test_values_that_are_not_finite(saved: Path) -> None:
    state, facts = load_file(saved), header(saved)
    next(iter(state.values())).flatten()[0] = float("nan")
    save_file(state, saved, metadata=facts)
    with pytest.raises(CheckpointError, match="not finite in"):
        load_rival(saved)
