"""One step of training, and all that a step changes: weights, their average, the optimiser."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from invisp_deploy.errors import RequestError, TrainingError
from invisp_deploy.training.data import Pair, sample_batch
from invisp_deploy.training.jpeg_simulator import draw_compressions
from invisp_deploy.training.method import TrainingMethod
from invisp_deploy.training.objective import HALF
from invisp_deploy.training.processes import Processes
from invisp_deploy.training.run import Run

_MOST_LEFT_OUT: Final = 20
"""Steps in a row that may overflow in fp16. The scale of the gradients is halved each time and begins at 2^16, so after
these it is a sixteenth, and what still overflows is not the scale's fault."""


def check_possible(run: Run, processes: Processes, method: TrainingMethod) -> None:
    """Raise RequestError for fp16 without a GPU, half precision with a record of scales, a batch of unequal shares."""
    processes.share_of(run.data.batch)
    precision = run.optimiser.precision
    if precision == "fp16" and processes.device.type == "cpu":
        raise RequestError("`precision` fp16 is for GPUs: a CPU has no fast fp16; use bf16 or fp32.")
    if precision != "fp32" and method.start is not None and method.start.record is not None:
        raise RequestError("`quantize` trains in the arithmetic of its record: leave `precision` at fp32.")


class Optimisation:
    """Adam on the bidirectional losses, gradients clipped, weights averaged (exponential moving average).

    network: of the method; it is moved to the processes' device and changed.
    Every step draws its crops and JPEG parameters from generators seeded with (seed, step), so a resumed run sees
    what an uninterrupted one would have seen, and every process draws the same and takes its share.
    """

    def __init__(self, network: nn.Module, method: TrainingMethod, run: Run, processes: Processes) -> None:
        self.run = run
        self.processes = processes
        device = processes.device
        self.network = network.train().to(device)
        self.averaged = copy.deepcopy(self.network)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=run.optimiser.learning_rate)
        self.scaler = torch.amp.GradScaler(device.type, enabled=HALF[run.optimiser.precision] is torch.float16)
        self.objective = processes.wrapped(method.objective(network, run).to(device))
        self.left_out = 0

    def step(self, index: int, pairs: Sequence[Pair], state: Path) -> tuple[float, float] | None:
        """Take one step and give both losses before it. state: where the last good state is, for the message.

        None, and nothing is changed, for a step whose loss overflows in fp16; where a gradient does, the losses are
        given and nothing is changed. Raises TrainingError, the weights as they were, after 20 such steps in a row, and
        in other precisions when a loss or a gradient is not finite; DatasetError for a damaged file. All processes
        raise the same.
        """
        run, processes = self.run, self.processes
        with processes.together():
            rng = np.random.default_rng((run.optimiser.seed, index))
            share = (processes.rank, processes.world)
            raw, target = sample_batch(pairs, run.contract, run.data.patch, run.data.batch, rng, share=share)
        rng = np.random.default_rng((run.optimiser.seed, index, 1))
        jpegs = draw_compressions(run.jpeg, run.data.batch, rng)[processes.share_of(run.data.batch)]
        rgb_loss, raw_loss = self.objective(raw.to(processes.device), target.to(processes.device), jpegs)
        rgb, recovered = processes.mean(torch.stack((rgb_loss, raw_loss)).detach()).tolist()
        finite = math.isfinite(rgb + recovered)
        if not finite and not self.scaler.is_enabled():
            raise self._failure(f"The loss is not finite at step {index} (RGB {rgb}, RAW {recovered})", state)
        for group in self.optimiser.param_groups:
            group["lr"] = run.optimiser.learning_rate_at(index)
        self.optimiser.zero_grad(set_to_none=True)
        loss = rgb_loss + run.loss.raw_weight * raw_loss
        self._backward(loss if finite else loss * math.nan, index, state)  # a clamp behind it would hide an overflow
        return (rgb, recovered) if finite else None

    def state(self) -> dict[str, Any]:
        """All of it, to be saved."""
        return {
            "network": self.network.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take a saved state over."""
        self.network.load_state_dict(state["network"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])

    def _backward(self, loss: Tensor, index: int, state: Path) -> None:
        torch.autograd.backward(self.scaler.scale(loss))
        self.scaler.unscale_(self.optimiser)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.run.optimiser.clip_norm).item()
        if not self.scaler.is_enabled() and not math.isfinite(norm):
            raise self._failure(f"The gradient is not finite at step {index}", state)
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.scaler.get_scale() < scale:  # how the scaler says that it found an overflow and left the step out
            self.left_out += 1
            if self.left_out == _MOST_LEFT_OUT:
                raise self._failure(f"fp16 overflows in {_MOST_LEFT_OUT} steps in a row, the last is {index}", state)
            return
        self.left_out = 0
        self._average(index)

    @torch.no_grad()
    def _average(self, index: int) -> None:
        decay = min(self.run.optimiser.ema_decay, (1 + index) / (10 + index))
        for mean, current in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(current, 1 - decay)

    def _failure(self, what: str, state: Path) -> TrainingError:
        kept = f"the last good state is {state}" if state.is_file() else "nothing had been saved yet"
        return TrainingError(f"{what}: {kept}; start a new run with a lower `learning_rate`.")
