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
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.training.data import Pair, sample_batch
from invisp_deploy.training.jpeg_simulator import draw_jpegs
from invisp_deploy.training.objective import Objective
from invisp_deploy.training.processes import Processes
from invisp_deploy.training.run import Run
from invisp_deploy.training.start import Start

__all__ = ["Optimisation", "check_possible"]

_HALF: Final = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def check_possible(run: Run, processes: Processes, start: Start | None) -> None:
    """Raise RequestError for fp16 without a GPU, half precision with a record of scales, a batch of unequal shares."""
    processes.share_of(run.data.batch)
    precision = run.optimiser.precision
    if precision == "fp16" and processes.device.type == "cpu":
        raise RequestError("`precision` fp16 is for GPUs: a CPU has no fast fp16; use bf16 or fp32.")
    if precision != "fp32" and start is not None and start.arithmetic.precision != "fp32":
        raise RequestError("`quantize` trains in the arithmetic of its record: leave `precision` at fp32.")


class Optimisation:
    """Adam on the bidirectional losses, gradients clipped, weights averaged (exponential moving average).

    network: the method; it is moved to the processes' device and changed. start: the arithmetic to train in.
    Every step draws its crops and JPEG parameters from generators seeded with (seed, step), so a resumed run sees
    what an uninterrupted one would have seen, and every process draws the same and takes its share.
    Raises RequestError as `check_possible`.
    """

    def __init__(self, network: nn.Module, run: Run, processes: Processes, start: Start | None = None) -> None:
        check_possible(run, processes, start)
        self.run = run
        self.processes = processes
        device = processes.device
        half = _HALF[run.optimiser.precision]
        self.network = network.train().to(device)
        self.averaged = copy.deepcopy(self.network)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=run.optimiser.learning_rate)
        self.scaler = torch.amp.GradScaler(device.type, enabled=half is torch.float16)
        computing = network if start is None or not isinstance(network, InvISP) else start.computing(network)
        spined = isinstance(computing, InvISP)
        if isinstance(computing, InvISP):
            computing.autocast(half)
        objective = Objective(computing, run.loss, run.jpeg, None if spined else half).to(device)
        self.objective = processes.wrapped(objective)

    def step(self, index: int, pairs: Sequence[Pair], state: Path) -> tuple[float, float]:
        """Take one step and give both losses before it. state: where the last good state is, for the message.

        Raises TrainingError, the weights as they were, when a loss or a gradient is not finite; DatasetError for a
        damaged file. All processes raise the same.
        """
        run, processes = self.run, self.processes
        with processes.together():
            rng = np.random.default_rng((run.optimiser.seed, index))
            share = (processes.rank, processes.world)
            raw, target = sample_batch(pairs, run.contract, run.data.patch, run.data.batch, rng, share=share)
        rng = np.random.default_rng((run.optimiser.seed, index, 1))
        jpegs = draw_jpegs(run.jpeg, run.data.batch, rng)[processes.share_of(run.data.batch)]
        rgb_loss, raw_loss = self.objective(raw.to(processes.device), target.to(processes.device), jpegs)
        rgb, recovered = processes.mean(torch.stack((rgb_loss, raw_loss)).detach()).tolist()
        self._check(rgb + recovered, f"The loss is not finite at step {index} (RGB {rgb}, RAW {recovered})", state)
        for group in self.optimiser.param_groups:
            group["lr"] = run.optimiser.learning_rate_at(index)
        self.optimiser.zero_grad(set_to_none=True)
        self._backward(rgb_loss + run.loss.raw_weight * raw_loss, index, state)
        self._average(index)
        return rgb, recovered

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
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.run.optimiser.clip_norm)
        if not self.scaler.is_enabled():  # in fp16 the scaler leaves such a step out, and scales less from then on
            self._check(norm.item(), f"The gradient is not finite at step {index}", state)
        self.scaler.step(self.optimiser)
        self.scaler.update()

    @torch.no_grad()
    def _average(self, index: int) -> None:
        decay = min(self.run.optimiser.ema_decay, (1 + index) / (10 + index))
        for mean, current in zip(self.averaged.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(current, 1 - decay)

    def _check(self, value: float, what: str, state: Path) -> None:
        if not math.isfinite(value):
            kept = f"the last good state is {state}" if state.is_file() else "nothing had been saved yet"
            raise TrainingError(f"{what}: {kept}; start a new run with a lower `learning_rate`.")
