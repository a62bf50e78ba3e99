"""Fine-tuning: it starts from the weights given, trains in their arithmetic, and goes on only as what it began as."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from invisp_deploy.arithmetic import FP32, REMAINDER, Arithmetic, quantised_tensors
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import CheckpointError, RequestError
from invisp_deploy.network.checkpoint import Checkpoint, weights_hash
from invisp_deploy.network.coupling import CouplingFunction
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.network.lowered import LoweredFunction
from invisp_deploy.research.rivals.cycleisp import CycleIsp
from invisp_deploy.training import loop
from invisp_deploy.training.data import Pair, load_pairs
from invisp_deploy.training.loop import Report, Trained
from invisp_deploy.training.method import saver
from invisp_deploy.training.options import DataOptions, OptimiserOptions
from invisp_deploy.training.run import Run
from invisp_deploy.training.start import Start

CONFIG = NetworkConfig(1, 4, 2)
CONTRACT = CameraContract(white="adjusted", white_balance="min", cfa="RGGB")
OPTIONS = OptimiserOptions(steps=8, learning_rate=5e-4)
STEP = 1 / 16
"""Coarse, so that int8 differs from fp32 by more than training does."""


@pytest.fixture(scope="module")
def pairs(small_dng: Path) -> list[Pair]:
    return load_pairs([small_dng], CONTRACT)


@pytest.fixture(scope="module")
def start() -> Start:
    return Start(Checkpoint(random_network(3).eval(), CONTRACT), int8(STEP))


def random_network(seed: int) -> InvISP:
    torch.manual_seed(seed)
    network = InvISP(CONFIG)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".conv" in name:
                parameter.normal_(0, 0.1)
    return network


def int8(step: float, kept: frozenset[str] = frozenset()) -> Arithmetic:
    return Arithmetic("int8", dict.fromkeys(quantised_tensors(CONFIG), step), kept)


def train(
    pairs: list[Pair],
    config: NetworkConfig,
    contract: CameraContract,
    options: OptimiserOptions,
    folder: Path,
    *,
    start: Start | None = None,
    **others: Any,
) -> Trained:
    torch.manual_seed(options.seed)
    facts = None if start is None else start.facts
    run = Run(contract, config, data=DataOptions(32, 1), optimiser=options, start=facts)
    return loop.train(pairs, InvISP(config), run, folder, save=saver(contract), start=start, **others)


def gradients(block: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    block.zero_grad()
    x.grad = None
    (block(x) ** 2).sum().backward()
    assert x.grad is not None
    named = {name: parameter.grad for name, parameter in block.named_parameters()}
    return {"x": x.grad.clone(), **{name: grad.clone() for name, grad in named.items() if grad is not None}}


def dense(gains: tuple[float, ...], step: float = 0.02) -> tuple[CouplingFunction, LoweredFunction]:
    torch.manual_seed(0)
    block = CouplingFunction(3, 2, NetworkConfig(growth=4))
    for parameter in block.parameters():
        nn.init.normal_(parameter, 0, 0.3)
    scales = {"block0.x2": step, **{f"block0.F.relu{i}": step / gain for i, gain in enumerate(gains, 1)}}
    return block, LoweredFunction(block, "block0.F", Arithmetic("int8", scales))


class Faked(nn.Module):
    """The same dense block out of PyTorch's own fake quantisation; one scale for all tensors, so no gains."""

    def __init__(self, block: CouplingFunction, step: float) -> None:
        super().__init__()
        self.block, self.step = block, step

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        layers = [layer for layer in self.block.children() if isinstance(layer, nn.Conv2d)]
        made = x
        value = torch.fake_quantize_per_tensor_affine(x, self.step, 0, -127, 127)
        seen = [x, (x - value) * REMAINDER]
        for layer in layers:
            joined = torch.fake_quantize_per_tensor_affine(torch.cat(seen, 1), self.step, 0, -127, 127)
            first = layer.weight[:, : x.shape[1]]
            whole = torch.cat((first, first / REMAINDER, layer.weight[:, x.shape[1] :]), 1)
            steps = whole.detach().abs().amax((1, 2, 3)) / 127
            zeros = torch.zeros(len(steps), dtype=torch.int32)
            weight = torch.fake_quantize_per_channel_affine(whole, steps, zeros, 0, -127, 127)
            made = functional.conv2d(joined, weight, layer.bias, padding=1)
            seen.append(functional.leaky_relu(made, 0.2))
        return made


@pytest.mark.parametrize("step", [0.05, 0.005])  # 0.005: x beyond 0.64 saturates
def test_values_and_gradients_are_those_of_pytorchs_fake_quantisation(step: float) -> None:
    block, lowered = dense((1.0,) * 4, step)
    x = torch.randn(1, 3, 12, 12).requires_grad_()
    torch.testing.assert_close(lowered(x), Faked(block, step)(x), atol=1e-5, rtol=1e-5)
    ours, theirs = gradients(lowered, x), gradients(Faked(block, step), x)
    assert len(ours) == len(theirs) == 11
    for name, grad in ours.items():
        torch.testing.assert_close(grad, theirs[name if name == "x" else f"block.{name}"], atol=1e-3, rtol=1e-3)
    saturated = x.abs() > (127 + 127.5 / REMAINDER) * step
    assert torch.equal(ours["x"] == 0, saturated), "nothing passes where input and remainder saturate"


def test_with_a_fine_grid_the_gradients_are_those_of_the_plain_block() -> None:
    """Gains change the grid, not the function: the gradient of every parameter comes back through them."""
    block, lowered = dense((2.0, 0.5, 3.0, 1.5), step=0.1)
    fp16 = LoweredFunction(block, "block0.F", replace(lowered.arithmetic, kept=frozenset({"block0.F"})))
    x = torch.rand(1, 3, 8, 8).requires_grad_()
    plain = gradients(block, x)
    for name, grad in gradients(fp16, x).items():
        torch.testing.assert_close(grad, plain[name], atol=0.02 * float(plain[name].abs().max()), rtol=0)


def test_a_run_starts_from_the_weights_given(pairs: list[Pair], start: Start, tmp_path: Path) -> None:
    options = replace(OPTIONS, steps=1, learning_rate=1e-9)
    tuned = train(pairs, CONFIG, CONTRACT, options, tmp_path, start=start)
    given = start.checkpoint.network.state_dict()
    assert weights_hash(tuned.network) != start.checkpoint.weights
    for name, tensor in tuned.network.state_dict().items():
        torch.testing.assert_close(tensor, given[name], atol=1e-7, rtol=0)
    assert tuned.card["run"]["start"] == {
        "start": start.checkpoint.weights, "precision": "int8", "scales": start.arithmetic.digest, "kept": [],
    }  # fmt: skip


def test_the_loss_is_that_of_the_lowered_network(pairs: list[Pair], start: Start, tmp_path: Path) -> None:
    """The first report is a loss before any step: of the arithmetic, not of fp32."""
    losses: dict[str, float] = {}
    for name, arithmetic in (("fp32", FP32), ("int8", int8(STEP)), ("kept", int8(STEP, frozenset({"block0.F"})))):
        (tmp_path / name).mkdir()
        reports: list[Report] = []
        run = replace(start, arithmetic=arithmetic)
        train(pairs, CONFIG, CONTRACT, replace(OPTIONS, steps=1), tmp_path / name, start=run, on_report=reports.append)
        losses[name] = reports[0].rgb_loss
    assert len(set(losses.values())) == 3


def test_a_few_steps_lower_the_loss_of_int8(pairs: list[Pair], start: Start, tmp_path: Path) -> None:
    reports: list[Report] = []
    options = replace(OPTIONS, steps=40, learning_rate=2e-3)
    train(pairs, CONFIG, CONTRACT, options, tmp_path, start=start, report_every=10, on_report=reports.append)
    assert reports[-1].rgb_loss + reports[-1].raw_loss < 0.8 * (reports[0].rgb_loss + reports[0].raw_loss)


def test_a_resumed_run_is_the_uninterrupted_one(pairs: list[Pair], start: Start, tmp_path: Path) -> None:
    def stop(report: Report) -> None:
        if report.step == 5:
            raise KeyboardInterrupt

    runs: dict[str, Any] = {}
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    runs["whole"] = train(pairs, CONFIG, CONTRACT, OPTIONS, tmp_path / "whole", start=start)
    with pytest.raises(KeyboardInterrupt):
        train(
            pairs, CONFIG, CONTRACT, OPTIONS, tmp_path / "broken",
            start=start, report_every=1, save_every=4, on_report=stop,
        )  # fmt: skip
    runs["broken"] = train(pairs, CONFIG, CONTRACT, OPTIONS, tmp_path / "broken", start=start, resume=True)
    assert weights_hash(runs["broken"].network) == weights_hash(runs["whole"].network)
    assert {**runs["broken"].card, "seconds": 0} == {**runs["whole"].card, "seconds": 0}


def test_a_run_goes_on_only_from_its_own_start(pairs: list[Pair], start: Start, tmp_path: Path) -> None:
    train(pairs, CONFIG, CONTRACT, OPTIONS, tmp_path, start=start)
    changed = {
        "start": replace(start, checkpoint=Checkpoint(random_network(4), CONTRACT)),
        "scales": replace(start, arithmetic=int8(STEP / 2)),
        "kept": replace(start, arithmetic=int8(STEP, frozenset({"block0.G"}))),
        "start, precision, scales, kept": None,
    }
    for name, other in changed.items():
        with pytest.raises(CheckpointError, match=f"another {name}:"):
            train(pairs, CONFIG, CONTRACT, OPTIONS, tmp_path, start=other, resume=True)


def test_weights_and_scales_of_something_else_are_refused(pairs: list[Pair], start: Start, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="have the configuration 1 blocks, growth 4"):
        train(pairs, replace(CONFIG, growth=5), CONTRACT, OPTIONS, tmp_path, start=start)
    with pytest.raises(RequestError, match="have the camera contract"):
        train(pairs, CONFIG, replace(CONTRACT, gamma=1.0), OPTIONS, tmp_path, start=start)
    scales = {name: scale for name, scale in start.arithmetic.scales.items() if name != "block0.H.relu3"}
    with pytest.raises(RequestError, match=r"no scale for block0\.H\.relu3"):
        train(pairs, CONFIG, CONTRACT, OPTIONS, tmp_path, start=replace(start, arithmetic=Arithmetic("int8", scales)))
    assert not list(tmp_path.iterdir())


def test_starting_in_fp32_is_plain_training_of_those_weights(pairs: list[Pair], tmp_path: Path) -> None:
    """A run from the weights that a seed gives is to the bit the run that the seed begins."""
    torch.manual_seed(OPTIONS.seed)
    fresh = Start(Checkpoint(InvISP(CONFIG), CONTRACT))
    runs = []
    for name, begun in (("plain", None), ("from", fresh)):
        (tmp_path / name).mkdir()
        runs.append(train(pairs, CONFIG, CONTRACT, OPTIONS, tmp_path / name, start=begun))
    assert weights_hash(runs[0].network) == weights_hash(runs[1].network)
    assert runs[0].card["run"]["start"] is None
    assert runs[1].card["run"]["start"]["precision"] == "fp32"


def test_a_start_that_the_run_does_not_describe_is_refused(pairs: list[Pair], start: Start, tmp_path: Path) -> None:
    run = Run(CONTRACT, CONFIG, data=DataOptions(32, 1), optimiser=OPTIONS)
    with pytest.raises(RequestError, match="describes the start None, it was given"):
        loop.train(pairs, InvISP(CONFIG), run, tmp_path, save=saver(CONTRACT), start=start)
    with pytest.raises(RequestError, match="Only a run of InvISP goes on from given weights"):
        rival = Run(CONTRACT, method="cycleisp", data=DataOptions(32, 1), start=start.facts)
        loop.train(pairs, CycleIsp(4, 1, 1, 2), rival, tmp_path, save=saver(CONTRACT), start=start)
    with pytest.raises(RequestError, match="`quantize` trains in the arithmetic of its record: leave `precision`"):
        train(pairs, CONFIG, CONTRACT, replace(OPTIONS, precision="bf16"), tmp_path, start=start)
