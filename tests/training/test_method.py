"""Methods: weights of the seed, or those given and in their arithmetic; crops that fit; files of the right kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from invisp_deploy.arithmetic import REMAINDER, Arithmetic, quantised_tensors
from invisp_deploy.calibration.record import ScaleRecord, TensorScale
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import CheckpointError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.network.checkpoint import Checkpoint, load_checkpoint, weights_hash
from invisp_deploy.network.coupling import CouplingFunction
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.network.lowered import LoweredFunction
from invisp_deploy.research.rival_training import RivalMethod
from invisp_deploy.research.rivals.open import load_rival
from invisp_deploy.training import loop
from invisp_deploy.training.data import Pair, load_pairs
from invisp_deploy.training.loop import Fitted, Report
from invisp_deploy.training.method import InvispMethod, Start, TrainingMethod, new_network
from invisp_deploy.training.options import DataOptions, JpegOptions, OptimiserOptions
from invisp_deploy.training.run import Run

CONFIG = NetworkConfig(1, 4, 2)
CONTRACT = CameraContract(white="adjusted", white_balance="min", cfa="RGGB")
OPTIONS = OptimiserOptions(steps=8, learning_rate=5e-4)
STEP = 1 / 16
"""Coarse, so that int8 differs from fp32 by more than training does."""

FRAME: Any = None
"""InvISP is built without one."""


@pytest.fixture(scope="module")
def pairs(small_dng: Path) -> list[Pair]:
    return load_pairs([small_dng], CONTRACT)


@pytest.fixture(scope="module")
def start() -> Start:
    checkpoint = Checkpoint(random_network(3).eval(), CONTRACT)
    return Start(checkpoint, scales(STEP))


def random_network(seed: int) -> InvISP:
    torch.manual_seed(seed)
    network = InvISP(CONFIG)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".conv" in name:
                parameter.normal_(0, 0.1)
    return network


def scales(step: float, *kept: str) -> ScaleRecord:
    tensors = dict.fromkeys(quantised_tensors(CONFIG), TensorScale(step, 127 * step, 0.0))
    return ScaleRecord("0" * 64, CONFIG, tensors, "maximum", (), kept=kept)


def train(
    pairs: list[Pair], options: OptimiserOptions, folder: Path, start: Start | None = None, **others: Any
) -> Fitted:
    method = InvispMethod(CONFIG, start)
    facts = None if start is None else start.facts
    run = Run(CONTRACT, CONFIG, data=DataOptions(32, 1), optimiser=options, start=facts)
    return loop.fit(pairs, new_network(method, run, FRAME), method, run, folder, **others)


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
        value = torch.fake_quantize_per_tensor_affine(x, self.step, 0, -128, 127)
        seen = [x, (x - value) * REMAINDER]
        for layer in layers:
            joined = torch.fake_quantize_per_tensor_affine(torch.cat(seen, 1), self.step, 0, -128, 127)
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
    saturated = (x > (127 + 127.5 / REMAINDER) * step) | (x < -(128 + 128.5 / REMAINDER) * step)
    assert saturated.any() == (step == 0.005)
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
    tuned = train(pairs, options, tmp_path, start=start)
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
    for name, record in (("fp32", None), ("int8", scales(STEP)), ("kept", scales(STEP, "block0.F"))):
        (tmp_path / name).mkdir()
        reports: list[Report] = []
        run = replace(start, record=record)
        train(pairs, replace(OPTIONS, steps=1), tmp_path / name, start=run, on_report=reports.append)
        losses[name] = reports[0].rgb_loss
    assert len(set(losses.values())) == 3


def test_a_few_steps_lower_the_loss_of_int8(pairs: list[Pair], start: Start, tmp_path: Path) -> None:
    reports: list[Report] = []
    options = replace(OPTIONS, steps=40, learning_rate=2e-3)
    train(pairs, options, tmp_path, start=start, report_every=10, on_report=reports.append)
    assert reports[-1].rgb_loss + reports[-1].raw_loss < 0.8 * (reports[0].rgb_loss + reports[0].raw_loss)


def test_a_resumed_run_is_the_uninterrupted_one(pairs: list[Pair], start: Start, tmp_path: Path) -> None:
    def stop(report: Report) -> None:
        if report.step == 5:
            raise KeyboardInterrupt

    runs: dict[str, Any] = {}
    for name in ("whole", "broken"):
        (tmp_path / name).mkdir()
    runs["whole"] = train(pairs, OPTIONS, tmp_path / "whole", start=start)
    with pytest.raises(KeyboardInterrupt):
        train(
            pairs, OPTIONS, tmp_path / "broken",
            start=start, report_every=1, save_every=4, on_report=stop,
        )  # fmt: skip
    runs["broken"] = train(pairs, OPTIONS, tmp_path / "broken", start=start, resume=True)
    assert weights_hash(runs["broken"].network) == weights_hash(runs["whole"].network)
    assert {**runs["broken"].card, "seconds": 0} == {**runs["whole"].card, "seconds": 0}


def test_a_run_goes_on_only_from_its_own_start(pairs: list[Pair], start: Start, tmp_path: Path) -> None:
    train(pairs, OPTIONS, tmp_path, start=start)
    changed = {
        "start": replace(start, checkpoint=Checkpoint(random_network(4), CONTRACT)),
        "scales": replace(start, record=scales(STEP / 2)),
        "kept": replace(start, record=scales(STEP, "block0.G")),
        "start, precision, scales, kept": None,
    }
    for name, other in changed.items():
        with pytest.raises(CheckpointError, match=f"another {name}:"):
            train(pairs, OPTIONS, tmp_path, start=other, resume=True)


def test_weights_and_scales_of_something_else_are_refused(start: Start) -> None:
    with pytest.raises(RequestError, match="have the configuration 1 blocks, growth 4"):
        InvispMethod(replace(CONFIG, growth=5), start)
    other = Run(replace(CONTRACT, curve=1.0), CONFIG, data=DataOptions(32, 1), start=start.facts)
    with pytest.raises(RequestError, match="have the camera contract"):
        new_network(InvispMethod(CONFIG, start), other, FRAME)
    assert start.record is not None
    some = {name: tensor for name, tensor in start.record.tensors.items() if name != "block0.H.relu3"}
    with pytest.raises(RequestError, match=r"no scale for block0\.H\.relu3"):
        InvispMethod(CONFIG, replace(start, record=replace(start.record, tensors=some)))


def test_starting_in_fp32_is_plain_training_of_those_weights(pairs: list[Pair], tmp_path: Path) -> None:
    """A run from the weights that a seed gives is to the bit the run that the seed begins."""
    torch.manual_seed(OPTIONS.seed)
    fresh = Start(Checkpoint(InvISP(CONFIG), CONTRACT))
    runs = []
    for name, begun in (("plain", None), ("from", fresh)):
        (tmp_path / name).mkdir()
        runs.append(train(pairs, OPTIONS, tmp_path / name, start=begun))
    assert weights_hash(runs[0].network) == weights_hash(runs[1].network)
    assert runs[0].card["run"]["start"] is None
    assert runs[1].card["run"]["start"]["precision"] == "fp32"


def test_a_start_that_the_run_does_not_describe_is_refused(pairs: list[Pair], start: Start, tmp_path: Path) -> None:
    run = Run(CONTRACT, CONFIG, data=DataOptions(32, 1), optimiser=OPTIONS)
    with pytest.raises(RequestError, match="The run starts from new weights: give `weights`"):
        new_network(InvispMethod(CONFIG, start), run, FRAME)
    with pytest.raises(RequestError, match="The run describes invisp, 1 blocks, growth 4, squeeze 2; the method is"):
        new_network(RivalMethod("cycleisp"), run, FRAME)
    with pytest.raises(RequestError, match="`quantize` trains in the arithmetic of its record: leave `precision`"):
        train(pairs, replace(OPTIONS, precision="bf16"), tmp_path, start=start)


@pytest.mark.parametrize("method", [InvispMethod(CONFIG), RivalMethod("cycleisp")])
def test_the_seed_decides_the_weights_and_they_are_written_by_kind(
    method: TrainingMethod, small_frame: RawFrame, tmp_path: Path
) -> None:
    run = Run(CONTRACT, method.config, method.name, jpeg=JpegOptions("none"))
    seeded = [replace(run, optimiser=OptimiserOptions(seed=seed)) for seed in (1, 1, 2)]
    networks = [new_network(method, one, small_frame) for one in seeded]
    hashes = [weights_hash(network) for network in networks]
    assert hashes[0] == hashes[1] != hashes[2]
    path = tmp_path / "weights.safetensors"
    method.save(path, networks[0], CONTRACT, {"steps": 3})
    saved = load_checkpoint(path) if method.config is not None else load_rival(path)
    assert (saved.weights, saved.contract, saved.card) == (hashes[0], CONTRACT, {"steps": 3})


def test_what_cannot_be_trained_is_refused(small_frame: RawFrame) -> None:
    with pytest.raises(RequestError, match="nothing to train in upi"):
        RivalMethod("upi")
    folding = NetworkConfig(1, 4, 3)
    with pytest.raises(RequestError, match="a multiple of the squeeze, 3, got 32"):
        new_network(InvispMethod(folding), Run(CONTRACT, folding, data=DataOptions(32)), small_frame)
    with pytest.raises(RequestError, match="a multiple of what unet needs, 32, got 48"):
        new_network(RivalMethod("unet"), Run(CONTRACT, method="unet", data=DataOptions(48)), small_frame)
    with pytest.raises(RequestError, match="`rounding` fourier they would be compressed twice; pass `rounding` none"):
        new_network(RivalMethod("cycleisp"), Run(CONTRACT, method="cycleisp"), small_frame)
    with pytest.raises(RequestError, match="There is no rival 'nothing'"):
        new_network(RivalMethod("nothing"), Run(CONTRACT, method="nothing"), small_frame)
