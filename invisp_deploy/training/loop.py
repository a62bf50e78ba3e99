"""The training loop: bidirectional L1 through the JPEG simulator (paper, eq. 8)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import CheckpointError, TrainingError
from invisp_deploy.files import whole_file
from invisp_deploy.network.checkpoint import Checkpoint, save_checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.training.data import Pair, sample_batch
from invisp_deploy.training.jpeg_simulator import JpegSimulator
from invisp_deploy.training.options import TrainOptions
from invisp_deploy.training.start import Start

__all__ = ["AVERAGE_DECAY", "GRADIENT_NORM", "WARMUP_STEPS", "Report", "bidirectional_loss", "train"]

WARMUP_STEPS: Final = 50
GRADIENT_NORM: Final = 1.0
AVERAGE_DECAY: Final = 0.999


@dataclass(frozen=True)
class Report:
    """Where a run stands: step, means of both losses since the last report, learning rate."""

    step: int
    rgb_loss: float
    raw_loss: float
    learning_rate: float


def bidirectional_loss(network: InvISP, simulator: JpegSimulator, raw: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """|f(x) - y|_1 and |f^-1(jpeg(clamp(f(x)))) - x|_1, means over all elements."""
    rendered = network(raw)
    recovered = network.inverse(simulator(rendered.clamp(0, 1)))
    return functional.l1_loss(rendered, target), functional.l1_loss(recovered, raw)


def train(
    pairs: Sequence[Pair],
    config: NetworkConfig,
    contract: CameraContract,
    options: TrainOptions,
    folder: Path,
    *,
    start: Start | None = None,
    resume: bool = False,
    report_every: int = 100,
    save_every: int = 500,
    on_report: Callable[[Report], None] = lambda report: None,
) -> Checkpoint:
    """Train and return the averaged weights; `folder` holds `state.pt` (to resume) and `weights.safetensors`.

    The average is an exponential moving one over all weights (0.999). Every step draws its crops from a
    generator seeded with (seed, step), so a resumed run sees what an uninterrupted one would have seen.
    start: weights to go on from instead of new ones, and the arithmetic to train them in.
    Raises RequestError for a start of another configuration or contract; TrainingError when a loss is not finite,
    the last saved state stays as it is; CheckpointError for a state that is damaged or of a run with other options,
    configuration, contract or start.
    """
    torch.manual_seed(options.seed)
    network = InvISP(config)
    if start is not None:
        start.check(config, contract)
        start.fill(network)
    averaged = copy.deepcopy(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    facts = {} if start is None else start.facts
    identity = {**options.to_dict(), **config.to_dict(), **contract.to_dict(), **facts}
    card = {"options": options.to_dict(), **({"fine_tuned": facts} if facts else {})}
    first = _resumed(folder / "state.pt", network, averaged, optimiser, identity) if resume else 0
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    averaged.to(device)
    _move_optimiser(optimiser, device)
    computing = network if start is None else start.computing(network)
    simulator = JpegSimulator(options.quality, options.subsampling).to(device)
    losses: list[tuple[float, float]] = []
    for step in range(first, options.steps):
        for group in optimiser.param_groups:
            group["lr"] = _learning_rate(step, options)
        rng = np.random.default_rng((options.seed, step))
        raw, target = (tensor.to(device) for tensor in sample_batch(pairs, contract, options.patch, options.batch, rng))
        rgb_loss, raw_loss = bidirectional_loss(computing, simulator, raw, target)
        if not math.isfinite(rgb_loss.item() + raw_loss.item()):
            raise TrainingError(
                f"The loss is not finite at step {step} (RGB {rgb_loss.item()}, RAW {raw_loss.item()}): the last good "
                f"state is {folder / 'state.pt'}; start a new run with a lower --learning-rate."
            )
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(rgb_loss + options.raw_weight * raw_loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), GRADIENT_NORM)
        optimiser.step()
        _average(averaged, network, step)
        losses.append((rgb_loss.item(), raw_loss.item()))
        done = step + 1
        if done % report_every == 0 or done == options.steps:
            rgb_mean, raw_mean = np.mean(losses, axis=0).tolist()
            on_report(Report(done, rgb_mean, raw_mean, _learning_rate(step, options)))
            losses.clear()
        if done % save_every == 0 or done == options.steps:
            _save(folder, network, Checkpoint(averaged, contract, {**card, "steps": done}), optimiser, identity)
    averaged.cpu().eval()
    return Checkpoint(averaged, contract, {**card, "steps": options.steps})


def _learning_rate(step: int, options: TrainOptions) -> float:
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    return options.learning_rate * warm * max(1 - step / options.steps, 0.0)


@torch.no_grad()
def _average(averaged: InvISP, network: InvISP, step: int) -> None:
    decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
    for mean, current in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(current, 1 - decay)


def _save(
    folder: Path,
    network: InvISP,
    checkpoint: Checkpoint,
    optimiser: torch.optim.Optimizer,
    identity: Mapping[str, Any],
) -> None:
    state = {
        "step": checkpoint.card["steps"],
        "identity": dict(identity),
        "network": network.state_dict(),
        "averaged": checkpoint.network.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    with whole_file(folder / "state.pt") as part:
        torch.save(state, part)
    save_checkpoint(folder / "weights.safetensors", checkpoint)


def _resumed(
    path: Path, network: InvISP, averaged: InvISP, optimiser: torch.optim.Optimizer, identity: Mapping[str, Any]
) -> int:
    """Fill all three from the state and return its step; a run goes on only as what it began as."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = dict(state["identity"])
        if found == identity:
            network.load_state_dict(state["network"])
            averaged.load_state_dict(state["averaged"])
            optimiser.load_state_dict(state["optimiser"])
            return int(state["step"])
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no state to resume: {path} does not exist; start without --resume.") from error
    except Exception as error:  # damaged bytes make the unpickler raise IndexError, AssertionError, struct.error, ...
        raise CheckpointError(f"{path} is damaged and cannot be resumed: start without --resume.") from error
    changed = [name for name in {**identity, **found} if found.get(name) != identity.get(name)]
    raise CheckpointError(f"{path} was trained with another {', '.join(changed)}: pass the same options to resume.")


def _move_optimiser(optimiser: torch.optim.Optimizer, device: torch.device) -> None:
    for state in optimiser.state.values():
        for name, value in state.items():
            if isinstance(value, Tensor) and name != "step":
                state[name] = value.to(device)
