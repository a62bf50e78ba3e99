"""invisp train: RAW files of one camera to weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invisp_deploy.cli.common import INVISP, InvispCommand, needs_extra
from invisp_deploy.cli.options import version_option
from invisp_deploy.cli.train_options import check_against, given_options, new_contract, new_run, run_options
from invisp_deploy.cli.train_show import one_voice, showing
from invisp_deploy.cli.train_source import TrainingFiles, open_files
from invisp_deploy.cli.tuning import TUNING, refuse_settings, starting_point
from invisp_deploy.errors import RequestError
from invisp_deploy.files import output_folder
from invisp_deploy.training.run import RUN_FILE, Run, read_run

if TYPE_CHECKING:
    from invisp_deploy.training.start import Start


@click.command(cls=InvispCommand, context_settings=INVISP)
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the run; made if absent."
)
@click.option("--run", "run_file", type=click.Path(path_type=Path), help="run.json of another run, to repeat it.")
@click.option("--from", "weights", type=click.Path(path_type=Path), help="Weights to fine-tune instead of new ones.")
@click.option("--quantize", type=click.Path(path_type=Path), help="Record of scales: train every convolution in int8.")
@click.option("--keep", is_flag=True, help="With --quantize: layers that the record keeps in fp16 stay there.")
@run_options
@click.option(
    "--validate", "held", multiple=True, type=click.Path(path_type=Path), help="RAW file or folder, held out."
)
@click.option("--sample-every", type=click.IntRange(1), help="Steps between pictures.  [default: a tenth of the run]")
@click.option("--tensorboard", is_flag=True, help="Write the log for TensorBoard too.")
@click.option("--resume", is_flag=True, help="Go on from the state in the output folder.")
@version_option
def main(
    sources: tuple[Path, ...],
    output: Path,
    run_file: Path | None,
    weights: Path | None,
    quantize: Path | None,
    keep: bool,
    held: tuple[Path, ...],
    sample_every: int | None,
    tensorboard: bool,
    resume: bool,
    **options: Any,
) -> None:
    """Train on a prepared dataset, or on RAW files (or folders of them) of one camera.

    \b
    invisp train dataset/ -o run/
    invisp train dngs/ -o run/ --validate held-out/
    invisp train dngs/ -o tuned/ --from run/weights.safetensors --quantize scales.json
    torchrun --nproc-per-node 2 -m invisp_deploy train dataset/ -o run/ --batch 2
    """
    with needs_extra("torch", "train"), needs_extra("safetensors", "train"):
        from invisp_deploy.training.loop import seconds_per_step, train
        from invisp_deploy.training.method import new_method, saver
        from invisp_deploy.training.optimisation import check_possible
        from invisp_deploy.training.processes import joined, rank_of
        from invisp_deploy.training.validation import check_held_out

    from invisp_deploy.cli.train_finish import finish

    with one_voice(first=rank_of() == 0), joined() as processes:
        quiet = not processes.first
        with processes.together():
            refuse_settings(weights, quantize, keep=keep)
            given = given_options(options)
            files = open_files(sources, held)
            start, record = (None, None) if weights is None else starting_point(weights, quantize, keep=keep)
            run = _described(given, files, start, run_file)
            if files.held and run.config is None:
                raise RequestError(
                    "--validate renders whole files, which only invisp does: prepare a dataset, which holds files out."
                )
            _check_run(output, resume=resume)
            check_possible(run, processes, start)
            network = new_method(run, files.first_frame())
        with output_folder(output):
            with processes.together():
                pairs = files.pairs(run.contract, quiet=quiet)
                check_held_out(files.held, run.contract)
                held_out = files.held_out(pairs, run.contract, run.data.patch)
                said, run = run, replace(run, source=files.source(pairs))
            if said.source.digest not in ("", run.source.digest):
                _say(f"the files are not those of {run_file}: {said.source} then, {run.source} now", quiet=quiet)
            if run.minutes is not None and resume:
                run = _with_steps(run, _steps_of(output / RUN_FILE, run.minutes))
            elif run.minutes is not None and run_file is None:
                seconds = seconds_per_step(pairs, network, run, start=start, processes=processes)
                run = _with_steps(run, max(1, round(run.minutes * 60 / seconds)))
                _say(f"{seconds:.3g} s a step: {run.optimiser.steps} steps in {run.minutes:g} minutes", quiet=quiet)
            camera = run.contract.camera or "an unnamed camera"
            what, steps = run.config or run.method, run.optimiser.steps
            _say(f"{len(pairs)} files of {camera}; {what}, {steps} steps", quiet=quiet)
            with showing(steps, output, first=processes.first, tensorboard=tensorboard) as display:
                trained = train(
                    pairs, network, run, output, save=saver(run.contract), start=start, resume=resume,
                    held_out=held_out, sample_every=sample_every, processes=processes,
                    on_report=display.report, on_measured=display.measured,
                )  # fmt: skip
        if processes.first:
            finish(output, run, trained, files, start, record, display.last)


def _described(given: Mapping[str, Any], files: TrainingFiles, start: Start | None, run_file: Path | None) -> Run:
    """The run as a file, the weights to start from, and the given options describe it; its source is still open."""
    facts = None if start is None else start.facts
    if run_file is not None:
        run = read_run(run_file)
        check_against(run_file, run, given)
        if run.start != facts:
            what = "new weights" if run.start is None else f"the weights {run.start['start'][:12]}"
            raise RequestError(f"{run_file} starts from {what}: give --from and --quantize as that run had them.")
        return run
    if start is not None:
        defaults = {name: value for name, value in TUNING.items() if name != "steps" or "minutes" not in given}
        run = new_run({**defaults, **given}, start.checkpoint.contract, start.checkpoint.config)
        return replace(run, start=facts)
    frame = files.first_frame()
    return new_run(given, new_contract(given, frame.make, frame.model, frame.cfa))


def _with_steps(run: Run, steps: int) -> Run:
    return replace(run, optimiser=replace(run.optimiser, steps=steps))


def _steps_of(path: Path, minutes: float) -> int:
    """The steps that a run began with when it was asked for that time: they are not measured again."""
    earlier = read_run(path)
    if earlier.minutes != minutes:
        raise RequestError(f"{path} was asked for {earlier.minutes} minutes, not {minutes:g}: resume it as it began.")
    return earlier.optimiser.steps


def _check_run(output: Path, *, resume: bool) -> None:
    """Refuse, before the files are read, to overwrite a run or to go on with none."""
    if resume and not (output / "state.pt").is_file():
        raise RequestError(f"There is no run to resume in {output}: start without --resume.")
    if not resume and output.is_dir() and any(output.iterdir()):
        raise RequestError(f"The run {output} exists already: pass --resume to go on, or name another folder.")


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        click.echo(text)


if __name__ == "__main__":
    main()
