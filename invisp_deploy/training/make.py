"""A training run from its files to its weights: what is trained on what, the steps, the figures, the card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from invisp_deploy.bars import Bars, no_bars
from invisp_deploy.calibration.record import write_record
from invisp_deploy.config import CONFIGURATIONS
from invisp_deploy.contract import LIBRAW
from invisp_deploy.device.machine import read_machine
from invisp_deploy.errors import RequestError
from invisp_deploy.evaluation.metrics import mean_metrics
from invisp_deploy.files import output_folder, write_whole
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.shading import Shading, gain_at
from invisp_deploy.network.checkpoint import Checkpoint, weights_hash
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.training.card import card_text
from invisp_deploy.training.crops import Measured
from invisp_deploy.training.folder import LOG_FILE, WEIGHTS_FILE, check_folder, read_log, steps_of
from invisp_deploy.training.lens_shading import fitted_shading
from invisp_deploy.training.loop import Fitted, Report, fit, seconds_per_step
from invisp_deploy.training.method import InvispMethod, TrainingMethod, new_network
from invisp_deploy.training.optimisation import check_possible
from invisp_deploy.training.options import TUNING, ContractOptions, TrainingOptions, check_named
from invisp_deploy.training.processes import Processes, joined
from invisp_deploy.training.run import Run
from invisp_deploy.training.sources import TrainingFiles, open_files, source_of
from invisp_deploy.training.validation import check_held_out, validate, validate_tuned
from invisp_deploy.versions import versions


@dataclass(frozen=True)
class TrainedRun:
    """What a run left in its folder. weights: the file; digest: their SHA-256.

    card: facts that lie with the weights: `run`, `steps`, `seconds`, `files`, and where they were measured `crops`
    (figures of the last crops), `validation` (held-out file -> metric -> dB) and `compared` (of a fine-tuning: fp32
    and int8, before and after -> metric -> mean dB). scales: the record of the new weights, of a run in int8.
    first: whether this process, the first of several, wrote them; in the others the card has no figures.
    """

    weights: Path
    digest: str
    run: Run
    card: Mapping[str, Any]
    scales: Path | None = None
    first: bool = True


def train(
    sources: Sequence[Path],
    folder: Path,
    options: TrainingOptions | Run | None = None,
    method: TrainingMethod | None = None,
    *,
    held_out: Sequence[Path] = (),
    resume: bool = False,
    sample_every: int | None = None,
    tensorboard: bool = False,
    bars: Bars = no_bars,
    say: Callable[[str], object] = lambda line: None,
) -> TrainedRun:
    """Train on a prepared dataset, or on RAW files (or folders of them).

    folder: of the run, made if absent; gets `run.json`, `log.jsonl`, `samples/`, `state.pt`, `weights.safetensors`,
    `CARD.md`, and `scales.json` where the method starts from a record of scales.
    options: of a new run, or the run of another folder, to be repeated. method: InvISP of the default configuration
    (`universal`), or of the run, unless given; `InvispMethod(config, Start.open(weights))` fine-tunes.
    A contract that is tied to a camera takes its files alone, one that is tied to none those of any.
    held_out: RAW files (or folders) that are measured at the end, through JPEG files on disk. resume: go on from the
    state in the folder. sample_every: steps between measurements of crops; a tenth of the run unless given.
    bars: show how far it is. say: is told what is decided before the steps, a line at a time.

    In the processes of `torchrun` all take part, and the first alone writes, shows and says.
    Raises RequestError, ContractError, RawFileError and DatasetError for files and options that cannot be, before the
    first step; TrainingError, CheckpointError and OutputError as `fit`; ModuleNotFoundError for `tensorboard`.
    """
    method = method or _default_method(options)
    if options is None:
        options = TrainingOptions() if method.start is None else TrainingOptions(optimiser=TUNING)
    with joined() as processes:
        if not processes.first:
            bars, say = no_bars, lambda line: None
        with processes.together():
            files = open_files(sources, held_out)
            if files.held_out and method.config is None:
                raise RequestError(
                    f"Whole files are rendered by invisp alone, {method.name} has no figures of them: prepare a "
                    "dataset, which holds files out."
                )
            frame = files.first_frame()
            run = options if isinstance(options, Run) else described(options, method, frame, files.look)
            check_folder(folder, resume=resume)
            check_possible(run, processes, method)
            network = new_network(method, run, frame)
            if files.dataset is None and not network.renders:
                raise RequestError(
                    f"{method.name} renders nothing: it inverts the JPEGs that a prepared dataset stores, and RAW "
                    "files have none; name a dataset."
                )
        with output_folder(folder), ExitStack() as stack:
            with processes.together():
                pairs = files.pairs(run.contract, bars)
                if isinstance(options, TrainingOptions) and options.contract.lens_shading:
                    run = replace(run, contract=replace(run.contract, shading=fitted_shading(pairs)))
                    pairs = files.pairs(run.contract, bars)
                    say(_said_of_shading(run.contract.shading))
                check_held_out(files.held_out, run.contract)
                crops = files.crops(pairs, run.contract, run.data.patch)
                said, run = run, replace(run, source=source_of(pairs))
            if said.source.digest not in ("", run.source.digest):
                say(f"the files are not those of the run that is repeated: {said.source} then, {run.source} now")
            if run.minutes is not None and resume:
                run = _with_steps(run, steps_of(folder, run.minutes))
            elif run.minutes is not None and not isinstance(options, Run):
                seconds = seconds_per_step(pairs, network, method, run, processes=processes)
                run = _with_steps(run, max(1, round(run.minutes * 60 / seconds)))
                say(f"{seconds:.3g} s a step: {run.optimiser.steps} steps in {run.minutes:g} minutes")
            camera = run.contract.camera or "any camera"
            say(f"{len(pairs)} files of {camera}; {run.config or run.method}, {run.optimiser.steps} steps")
            shown = stack.enter_context(_Shown(folder, run.optimiser.steps, bars, processes, tensorboard))
            fitted = fit(
                pairs, network, method, run, folder, resume=resume, crops=crops, sample_every=sample_every,
                processes=processes, on_step=shown.step, on_report=shown.report, on_measured=shown.measured,
            )  # fmt: skip
        if not processes.first:
            digest = weights_hash(fitted.network)
            return TrainedRun(folder / WEIGHTS_FILE, digest, run, fitted.card, first=False)
        return _finished(folder, run, method, fitted, files, shown.last, bars)


def described(options: TrainingOptions, method: TrainingMethod, frame: RawFrame, look: str = LIBRAW) -> Run:
    """The run that is asked for; its source is still open. frame: of the camera. look: of the targets.

    Raises RequestError for a contract that is chosen although the weights to start from have one, and for weights
    tied to a camera without a name.
    """
    if method.start is None:
        contract = options.contract.contract(frame.make, frame.model, "any" if method.any_phase else frame.cfa, look)
    elif replace(options.contract, bound=None, look="", lens_shading=False) == ContractOptions():
        contract = replace(method.start.checkpoint.contract, look=options.contract.look or look)
        if options.contract.bound:
            check_named(frame.make, frame.model)
            contract = replace(contract, make=frame.make, model=frame.model)
    else:
        raise RequestError("The camera contract is that of the weights to start from: leave `contract` out.")
    return Run(
        contract,
        method.config,
        method.name,
        data=options.data,
        loss=options.loss,
        jpeg=options.jpeg,
        optimiser=options.optimiser,
        start=None if method.start is None else method.start.facts,
        minutes=options.minutes,
    )


def _said_of_shading(shading: Shading) -> str:
    gains = gain_at(np.array([0.25, 1.0]), shading)
    return f"lens shading: gains of {gains[0]:.2f} halfway to the corner and {gains[1]:.2f} in it"


class _Shown:
    """What is seen of a run while it goes on: the bar, and TensorBoard where it was asked for.

    last: figures of the crops as they were measured last; those of a run that was finished already are in its log.
    """

    def __init__(self, folder: Path, steps: int, bars: Bars, processes: Processes, tensorboard: bool) -> None:
        log = read_log(folder / LOG_FILE)
        self.last: dict[str, Any] | None = next((line for line in reversed(log) if "crops" in line), None)
        self._context = bars(steps, "training")
        self._done = 0
        self._losses: list[tuple[float, float]] = []
        self._board = None
        if tensorboard:  # in every process, so that a missing package ends all of them
            from invisp_deploy.training.tensorboard import Board

            self._board = Board(folder) if processes.first else None

    def __enter__(self) -> _Shown:
        self._bar = self._context.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._board is not None:
            self._board.close()
        self._context.__exit__(*error)

    def step(self, done: int, losses: tuple[float, float] | None) -> None:
        """The losses beside the bar are means since the last report."""
        if losses is not None:
            self._losses.append(losses)
            rgb, raw = np.mean(self._losses, axis=0)
            self._bar.set_postfix_str(f"rgb {rgb:.4f}, raw {raw:.4f}", refresh=False)
        self._bar.update(done - self._done)
        self._done = done

    def report(self, report: Report) -> None:
        self._losses.clear()
        if self._board is not None:
            self._board.report(report)

    def measured(self, measured: Measured) -> None:
        self.last = measured.to_dict()
        if self._board is not None:
            self._board.measured(measured)


def _default_method(options: TrainingOptions | Run | None) -> TrainingMethod:
    if not isinstance(options, Run):
        return InvispMethod(CONFIGURATIONS["universal"])
    if options.config is None:
        raise RequestError(f"The run trains {options.method}, which is no InvISP: repeat it with its own method.")
    return InvispMethod(options.config)


def _with_steps(run: Run, steps: int) -> Run:
    return replace(run, optimiser=replace(run.optimiser, steps=steps))


def _finished(
    folder: Path,
    run: Run,
    method: TrainingMethod,
    fitted: Fitted,
    files: TrainingFiles,
    crops: dict[str, Any] | None,
    bars: Bars,
) -> TrainedRun:
    """Measure held-out files; write weights with their card, CARD.md and the scales they were trained with."""
    card = {**fitted.card, "files": run.source.files, "camera": files.camera}
    if crops is not None:
        card["crops"] = crops
    if files.held_out and isinstance(fitted.network, InvISP):
        card |= _validated(Checkpoint(fitted.network, run.contract, card), run, files.held_out, method, bars)
    path, digest = folder / WEIGHTS_FILE, weights_hash(fitted.network)
    method.save(path, fitted.network, run.contract, card)
    machine = read_machine().to_dict() | versions()
    text = card_text(run, card, macs=method.macs_per_pixel(fitted.network), weights=digest, machine=machine)
    write_whole(folder / "CARD.md", text)
    record = None if method.start is None else method.start.record
    if record is None:
        return TrainedRun(path, digest, run, card)
    scales = folder / "scales.json"
    write_record(scales, record.for_weights(digest, {"fine_tuned": {**(run.start or {}), "run": run.to_dict()}}))
    return TrainedRun(path, digest, run, card, scales)


def _validated(
    checkpoint: Checkpoint, run: Run, held_out: tuple[Path, ...], method: TrainingMethod, bars: Bars
) -> dict[str, Any]:
    """What the card says of held-out files."""
    quality, subsampling = run.jpeg.typical
    options = RunOptions(quality=quality, subsampling=subsampling)
    start = method.start
    passes = 1 if start is None else 2 if start.record is None else 4
    with bars(len(held_out) * passes, "validating") as bar:
        if start is None:
            return {"validation": validate(checkpoint, held_out, options, lambda path: bar.update(1))}
        compared = validate_tuned(start, checkpoint, held_out, options, lambda path: bar.update(1))
    means = {name: mean_metrics(figures) for name, figures in compared.items()}
    return {"validation": compared["fp32 after"], "compared": means}
