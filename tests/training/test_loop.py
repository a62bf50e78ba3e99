"""The loop: the loss falls, a resumed run is the uninterrupted one, and bad numbers stop it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import CheckpointError, TrainingError
from invisp_deploy.network.checkpoint import load_checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.training.data import Pair, load_pairs
from invisp_deploy.training.jpeg_simulator import JpegSimulator
from invisp_deploy.training.loop import Report, bidirectional_loss, train
from invisp_deploy.training.options import TrainOptions

CONFIG = NetworkConfig(1, 4, 2)
CONTRACT = CameraContract(white="adjusted", white_balance="min", cfa="RGGB")
OPTIONS = TrainOptions(steps=8, patch=32, batch=1, learning_rate=1e-3)


@pytest.fixture(scope="module")
def pairs(small_dng: Path) -> list[Pair]:
    return load_pairs([small_dng], CONTRACT)


def weights(network: InvISP) -> dict[str, Any]:
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}


def interrupt_at(step: int) -> Any:
    def on_report(report: Report) -> None:
        if report.step == step:
            raise KeyboardInterrupt

    return on_report


@pytest.fixture
def interrupted(pairs: list[Pair], tmp_path: Path) -> Path:
    """A run of eight steps, interrupted after the fifth, saved after the fourth."""
    with pytest.raises(KeyboardInterrupt):
        train(pairs, CONFIG, CONTRACT, OPTIONS, tmp_path, report_every=1, save_every=4, on_report=interrupt_at(5))
    return tmp_path


def test_thirty_steps_reduce_the_loss(pairs: list[Pair], tmp_path: Path) -> None:
    reports: list[Report] = []
    options = TrainOptions(steps=30, patch=32, batch=2, learning_rate=4e-3)
    train(pairs, CONFIG, CONTRACT, options, tmp_path, report_every=5, on_report=reports.append)
    assert [report.step for report in reports] == [5, 10, 15, 20, 25, 30]
    assert reports[-1].rgb_loss < 0.7 * reports[0].rgb_loss
    assert all(np.isfinite((report.rgb_loss, report.raw_loss)).all() for report in reports)


def test_the_losses_are_those_of_the_paper(pairs: list[Pair]) -> None:
    torch.manual_seed(0)
    network, simulator = InvISP(CONFIG), JpegSimulator()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    raw, target = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    rgb_loss, raw_loss = bidirectional_loss(network, simulator, raw, target)
    rendered = network(raw)
    through_jpeg = simulator(rendered.clip(0, 1))
    assert rgb_loss.item() == pytest.approx((rendered - target).abs().mean().item())
    assert raw_loss.item() == pytest.approx((network.inverse(through_jpeg) - raw).abs().mean().item())


def test_what_is_returned_is_what_is_saved(pairs: list[Pair], tmp_path: Path) -> None:
    checkpoint = train(pairs, CONFIG, CONTRACT, OPTIONS, tmp_path)
    saved = load_checkpoint(tmp_path / "weights.safetensors", config=CONFIG, contract=CONTRACT)
    assert saved.weights == checkpoint.weights
    assert saved.card["options"] == OPTIONS.to_dict()
    assert saved.card["steps"] == 8
    assert not checkpoint.network.training


def test_a_seed_decides_everything(pairs: list[Pair], tmp_path: Path) -> None:
    runs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        options = replace(OPTIONS, steps=3, seed=seed)
        runs.append(train(pairs, CONFIG, CONTRACT, options, tmp_path / name).weights)
    assert runs[0] == runs[1] != runs[2]


def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(pairs: list[Pair], interrupted: Path) -> None:
    whole_folder = interrupted / "whole"
    whole_folder.mkdir()
    whole = train(pairs, CONFIG, CONTRACT, OPTIONS, whole_folder)
    reports: list[Report] = []
    resumed = train(
        pairs, CONFIG, CONTRACT, OPTIONS, interrupted, resume=True, report_every=1, on_report=reports.append
    )
    assert [report.step for report in reports] == [5, 6, 7, 8]
    assert weights(resumed.network) == weights(whole.network)
    states = [torch.load(folder / "state.pt", weights_only=True) for folder in (interrupted, whole_folder)]
    for name, tensor in states[0]["network"].items():
        assert torch.equal(tensor, states[1]["network"][name]), name


def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_state(pairs: list[Pair], interrupted: Path) -> None:
    before = {path.name: path.read_bytes() for path in interrupted.iterdir()}
    poisoned = [replace(pair, levels=replace(pair.levels, gains=(float("nan"), 1.0, 1.0))) for pair in pairs]
    with pytest.raises(TrainingError, match=r"not finite at step 4 .*state\.pt"):
        train(poisoned, CONFIG, CONTRACT, OPTIONS, interrupted, resume=True, save_every=1)
    assert {path.name: path.read_bytes() for path in interrupted.iterdir()} == before
    assert set(before) == {"state.pt", "weights.safetensors"}


@pytest.mark.parametrize(
    ("name", "value"), [("steps", 9), ("learning_rate", 2e-3), ("seed", 1), ("subsampling", "4:4:4"), ("patch", 64)]
)
def test_changed_options_are_refused_by_name(pairs: list[Pair], interrupted: Path, name: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=f"another {name}:"):
        train(pairs, CONFIG, CONTRACT, replace(OPTIONS, **{name: value}), interrupted, resume=True)


def test_another_configuration_or_contract_is_refused_by_name(pairs: list[Pair], interrupted: Path) -> None:
    with pytest.raises(CheckpointError, match="another growth:"):
        train(pairs, replace(CONFIG, growth=5), CONTRACT, OPTIONS, interrupted, resume=True)
    with pytest.raises(CheckpointError, match="another white_balance:"):
        train(pairs, CONFIG, replace(CONTRACT, white_balance="max"), OPTIONS, interrupted, resume=True)


def test_nothing_to_resume_is_a_sentence(pairs: list[Pair], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no state to resume: .*state\.pt does not exist"):
        train(pairs, CONFIG, CONTRACT, OPTIONS, tmp_path, resume=True)


@pytest.mark.parametrize("damage", [b"", b"no state", None])
def test_a_damaged_state_is_a_sentence(pairs: list[Pair], interrupted: Path, damage: bytes | None) -> None:
    state = interrupted / "state.pt"
    state.write_bytes(state.read_bytes()[:-2000] if damage is None else damage)
    with pytest.raises(CheckpointError, match=r"state\.pt is damaged"):
        train(pairs, CONFIG, CONTRACT, OPTIONS, interrupted, resume=True)
