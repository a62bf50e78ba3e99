"""The training loop of every method: steps, reports, pictures, states to resume from."""

from __future__ import annotations

import copy
import io
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import nn

from invisp_deploy.errors import CheckpointError, RequestError
from invisp_deploy.files import output_folder, whole_file, write_whole
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.training.data import Pair
from invisp_deploy.training.held_out import HeldOut, Measured, measure
from invisp_deploy.training.jpeg_simulator import Jpeg
from invisp_deploy.training.log import Log
from invisp_deploy.training.method import Save
from invisp_deploy.training.optimisation import Optimisation
from invisp_deploy.training.processes import Processes, alone
from invisp_deploy.training.run import RUN_FILE, Run
from invisp_deploy.training.start import Start

__all__ = ["Report", "Trained", "seconds_per_step", "train"]

_WARM, _TIMED = 3, 15
_STATE: Final = "state.pt"


@dataclass(frozen=True)
class Report:
    """Where a run stands: step, seconds of optimiser steps so far, means of both losses since the last report."""

    step: int
    seconds: float
    rgb_loss: float
    raw_loss: float
    learning_rate: float


@dataclass(frozen=True)
class Trained:
    """network: the averaged weights, on the CPU in eval mode. card: facts of the run, as they lie with the weights.

    seconds: of optimiser steps, reading crops included, measuring and saving not.
    """

    network: nn.Module
    card: dict[str, Any]
    seconds: float


def train(
    pairs: Sequence[Pair],
    network: nn.Module,
    run: Run,
    folder: Path,
    *,
    save: Save,
    start: Start | None = None,
    resume: bool = False,
    held_out: HeldOut | None = None,
    sample_every: int | None = None,
    report_every: int = 100,
    save_every: int = 500,
    processes: Processes | None = None,
    on_report: Callable[[Report], object] = lambda report: None,
    on_measured: Callable[[Measured], object] = lambda measured: None,
) -> Trained:
    """Train a method from the weights it has and return their average.

    network: `forward` RAW -> sRGB and `inverse`, both (B, 3, H, W); attributes `renders` and `multiple`. It is changed.
    folder: of the run, an existing one; gets `run.json`, `log.jsonl`, `state.pt` (to resume), `weights.safetensors`
    (the average) and `samples/STEP.png`. Only the first of several processes writes and calls back.
    save: writes the weights (training.method). start: weights to go on from, and the arithmetic to train them in.
    held_out, sample_every: the crops that are measured, and after how many steps; a tenth of the run unless given.

    Raises RequestError for a start of another configuration or contract; TrainingError when a loss is not finite, the
    last saved state stays as it is; CheckpointError for a state that is damaged or of another run; OutputError when
    something cannot be written, the state before it stays.
    """
    processes = processes or alone()
    _begin(network, run, start)
    state_path = folder / _STATE
    optimisation = Optimisation(network, run, processes, start)
    with processes.together():
        first, seconds, losses = _resumed(state_path, optimisation, run) if resume else (0, 0.0, [])
    log = Log(folder / "log.jsonl", first)
    if processes.first and not (resume and (folder / RUN_FILE).is_file()):
        write_whole(folder / RUN_FILE, run.to_json())
    steps = run.optimiser.steps
    every = sample_every or max(1, steps // 10)
    for step in range(first, steps):
        begun = time.perf_counter()
        losses.append(optimisation.step(step, pairs, state_path))
        seconds += time.perf_counter() - begun
        done = step + 1
        reporting, last = done % report_every == 0, done == steps
        with processes.together():
            if reporting or last:
                rgb, raw = np.mean(losses, axis=0).tolist()
                losses.clear()
                report = Report(done, round(seconds, 3), rgb, raw, run.optimiser.learning_rate_at(step))
                if processes.first:
                    log.add(asdict(report))
                    on_report(report)
            if processes.first and held_out is not None and (done % every == 0 or last):
                measured = measure(optimisation.averaged, held_out, Jpeg(*run.jpeg.typical), done, round(seconds, 3))
                log.add(measured.to_dict())
                _write_sample(folder / "samples" / f"{done}.png", measured)
                on_measured(measured)
            if processes.first and (done % save_every == 0 or last):
                state = {"step": done, "seconds": seconds, "losses": losses, "identity": run.identity()}
                _write_state(state_path, state | optimisation.state())
                save(folder / "weights.safetensors", optimisation.averaged, _card(run, done, seconds))
    return Trained(optimisation.averaged.cpu().eval(), _card(run, steps, seconds), seconds)


def seconds_per_step(
    pairs: Sequence[Pair],
    network: nn.Module,
    run: Run,
    *,
    start: Start | None = None,
    processes: Processes | None = None,
) -> float:
    """Mean time of 15 steps on a copy of the network, after three that warm up; the run itself sees nothing of them."""
    processes = processes or alone()
    optimisation = Optimisation(copy.deepcopy(network), run, processes, start)
    times = []
    for step in range(_WARM + _TIMED):
        begun = time.perf_counter()
        optimisation.step(step, pairs, Path(_STATE))
        times.append(time.perf_counter() - begun)
    return float(processes.mean(torch.tensor(statistics.mean(times[_WARM:]), device=processes.device)))


def _begin(network: nn.Module, run: Run, start: Start | None) -> None:
    facts = None if start is None else start.facts
    if facts != run.start:
        raise RequestError(f"The run describes the start {run.start}, it was given {facts}: pass the one it describes.")
    if start is not None:
        if not isinstance(network, InvISP):
            raise RequestError("Only a run of InvISP goes on from given weights: start a rival anew.")
        start.check(network.config, run.contract)
        start.fill(network)


def _card(run: Run, steps: int, seconds: float) -> dict[str, Any]:
    """What is stored with the weights."""
    return {"run": run.to_dict(), "steps": steps, "seconds": round(seconds, 3)}


def _write_sample(path: Path, measured: Measured) -> None:
    stream = io.BytesIO()
    Image.fromarray(measured.picture).save(stream, "PNG")
    with output_folder(path.parent):
        write_whole(path, stream.getvalue())


def _write_state(path: Path, state: dict[str, Any]) -> None:
    with whole_file(path) as part, part.open("wb") as stream:  # to a path, PyTorch reports a full disk as RuntimeError
        torch.save(state, stream)


def _resumed(path: Path, optimisation: Optimisation, run: Run) -> tuple[int, float, list[tuple[float, float]]]:
    """Fill the optimisation from the state; its step, seconds and losses. A run goes on only as what it began as."""
    identity = run.identity()
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        found = dict(state["identity"])
        if found == identity:
            optimisation.load(state)
            return int(state["step"]), float(state["seconds"]), list(state["losses"])
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no state to resume: {path} does not exist; start without `resume`.") from error
    except Exception as error:  # damaged bytes make the unpickler raise IndexError, AssertionError, struct.error, ...
        raise CheckpointError(f"{path} is damaged and cannot be resumed: start without `resume`.") from error
    changed = [
        name.partition(".")[2] or name for name in {**identity, **found} if found.get(name) != identity.get(name)
    ]
    raise CheckpointError(f"{path} was trained with another {', '.join(changed)}: pass the same options to resume.")
