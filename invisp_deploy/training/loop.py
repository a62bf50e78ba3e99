"""The training loop of every method: steps, reports, pictures, states to resume from."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from invisp_deploy.calibration.codec import JpegCodec
from invisp_deploy.files import write_whole
from invisp_deploy.training.crops import Crops, Measured, measure_crops
from invisp_deploy.training.data import Pair
from invisp_deploy.training.folder import (
    LOG_FILE,
    RUN_FILE,
    STATE_FILE,
    WEIGHTS_FILE,
    Log,
    has_state,
    read_state,
    write_sample,
    write_state,
)
from invisp_deploy.training.method import TrainingMethod
from invisp_deploy.training.optimisation import Optimisation, check_possible
from invisp_deploy.training.processes import Processes, alone
from invisp_deploy.training.run import Run

_WARM, _TIMED = 3, 15


@dataclass(frozen=True)
class Report:
    """Where a run stands: step, seconds of optimiser steps so far, means of both losses since the last report."""

    step: int
    seconds: float
    rgb_loss: float
    raw_loss: float
    learning_rate: float


@dataclass(frozen=True)
class Fitted:
    """network: the averaged weights, on the CPU in eval mode. card: facts of the run, as they lie with the weights.

    seconds: of optimiser steps, reading crops included, measuring and saving not.
    """

    network: nn.Module
    card: dict[str, Any]
    seconds: float


def fit(
    pairs: Sequence[Pair],
    network: nn.Module,
    method: TrainingMethod,
    run: Run,
    folder: Path,
    *,
    resume: bool = False,
    crops: Crops | None = None,
    sample_every: int | None = None,
    report_every: int = 100,
    save_every: int = 500,
    processes: Processes | None = None,
    on_step: Callable[[int, tuple[float, float] | None], object] = lambda step, losses: None,
    on_report: Callable[[Report], object] = lambda report: None,
    on_measured: Callable[[Measured], object] = lambda measured: None,
) -> Fitted:
    """Train a network of the method from the weights it has and return their average.

    network: as `new_network` makes it; it is changed.
    folder: of the run, an existing one; gets `run.json`, `log.jsonl`, `state.pt` (to resume), `weights.safetensors`
    (the average) and `samples/STEP.png`. Only the first of several processes writes and calls back.
    crops, sample_every: what is measured, and after how many steps; a tenth of the run unless given.
    on_step: after every step, with the number of steps taken and the losses, None where they overflowed.

    Raises RequestError as `check_possible`; TrainingError when a loss is not finite, the last saved state stays as it
    is; CheckpointError for a state that is damaged or of another run; OutputError when something cannot be written, the
    state before it stays.
    """
    processes = processes or alone()
    check_possible(run, processes, method)
    state_path = folder / STATE_FILE
    optimisation = Optimisation(network, method, run, processes)
    first, seconds = 0, 0.0
    losses: list[tuple[float, float]] = []
    resume = resume and has_state(folder)  # else from the beginning
    if resume:
        with processes.together():
            first, seconds, losses = read_state(state_path, run.identity(), optimisation.load)
    log = Log(folder / LOG_FILE, first)
    if processes.first and not (resume and (folder / RUN_FILE).is_file()):
        write_whole(folder / RUN_FILE, run.to_json())
    steps = run.optimiser.steps
    every = sample_every or max(1, steps // 10)
    if processes.first:
        on_step(first, None)
    for step in range(first, steps):
        begun = time.perf_counter()
        found = optimisation.step(step, pairs, state_path)
        seconds += time.perf_counter() - begun
        losses += [] if found is None else [found]
        done = step + 1
        last = done == steps
        with processes.together():
            if losses and (done % report_every == 0 or last):
                rgb, raw = np.mean(losses, axis=0).tolist()
                losses.clear()
                report = Report(done, round(seconds, 3), rgb, raw, run.optimiser.learning_rate_at(step))
                if processes.first:
                    log.add(asdict(report))
                    on_report(report)
            if processes.first and crops is not None and (done % every == 0 or last):
                codec = JpegCodec(*run.jpeg.typical)
                measured = measure_crops(optimisation.averaged, crops, codec, done, round(seconds, 3))
                log.add(measured.to_dict())
                write_sample(folder, measured)
                on_measured(measured)
            if processes.first and (done % save_every == 0 or last):
                state = {"step": done, "seconds": seconds, "losses": losses, "identity": run.identity()}
                write_state(state_path, state | optimisation.state())
                method.save(folder / WEIGHTS_FILE, optimisation.averaged, run.contract, _card(run, done, seconds))
            if processes.first:
                on_step(done, found)
    return Fitted(optimisation.averaged.cpu().eval(), _card(run, steps, seconds), seconds)


def seconds_per_step(
    pairs: Sequence[Pair], network: nn.Module, method: TrainingMethod, run: Run, *, processes: Processes | None = None
) -> float:
    """Mean time of 15 steps on a copy of the network, after three that warm up; the run itself sees nothing of them."""
    processes = processes or alone()
    optimisation = Optimisation(copy.deepcopy(network), method, run, processes)
    times = []
    for step in range(_WARM + _TIMED):
        begun = time.perf_counter()
        optimisation.step(step, pairs, Path(STATE_FILE))
        times.append(time.perf_counter() - begun)
    return float(processes.mean(torch.tensor(statistics.mean(times[_WARM:]), device=processes.device)))


def _card(run: Run, steps: int, seconds: float) -> dict[str, Any]:
    """What is stored with the weights."""
    return {"run": run.to_dict(), "steps": steps, "seconds": round(seconds, 3)}
