"""invisp train: RAW files of one camera or of many to weights."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from invisp_deploy.cli.common import InvispCommand, needs_extra, print_json, progress, result_line
from invisp_deploy.cli.options import PATH, held_out_option, json_option, output_option, together
from invisp_deploy.config import CONFIGURATIONS, COUPLINGS, KINDS, NetworkConfig
from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.errors import InvispError, RequestError
from invisp_deploy.formats.subsampling import SUBSAMPLINGS
from invisp_deploy.models import MODELS, shipped_folder
from invisp_deploy.report.markdown import number
from invisp_deploy.training.options import (
    NORMS,
    PRECISIONS,
    ROUNDINGS,
    SCHEDULES,
    TUNING,
    ContractOptions,
    DataOptions,
    JpegOptions,
    LossOptions,
    OptimiserOptions,
    TrainingOptions,
)
from invisp_deploy.training.run import Run, read_run

if TYPE_CHECKING:
    from invisp_deploy.training.make import TrainedRun
    from invisp_deploy.training.method import Start, TrainingMethod

Options = TypeVar("Options", ContractOptions, DataOptions, LossOptions, JpegOptions, OptimiserOptions, NetworkConfig)

_SIZES: Final = tuple(field.name for field in fields(NetworkConfig))
_CONTRACT: Final = tuple(field.name for field in fields(ContractOptions))
_FREE: Final = ("bound", "look", "lens_shading")
"""What of a contract is chosen for weights that a run starts from, too."""

_FLAGS: Final = {
    "name": "--config",
    "norm": "--loss",
    "ema_decay": "--ema",
    "white_balance": "--gains",
    "white": "--white-level",
    "bound": "--one-camera",
    "precision": "--autocast",
    "quality": "--qualities",
}

_size_options: Final = together(
    click.option("--config", "name", type=click.Choice(list(CONFIGURATIONS)), help="[default: universal]"),
    click.option("--blocks", type=int, help="Instead of the named configuration's."),
    click.option("--growth", type=int, help="Instead of the named configuration's."),
    click.option("--squeeze", type=int, help="Instead of the named configuration's."),
    click.option("--depth", type=int, help="Convolutions in each of F, G and H; instead of its."),
    click.option("--first", type=int, help="Channels of x1 in a coupling; instead of its."),
    click.option("--kind", type=click.Choice(KINDS), help="Of F, G and H; instead of its."),
    click.option("--coupling", type=click.Choice(COUPLINGS), help="additive: no H; instead of its."),
)

run_options: Final = together(
    output_option("Folder of the run; made if absent."),
    click.option("--repeat", "run_file", type=PATH, help="run.json of another run."),
    click.option(
        "--look", help="Name of what is learned.  [default: libraw; of a dataset of other pictures its folder's]"
    ),
    click.option(
        "--lens-shading",
        is_flag=True,
        default=None,
        help="Estimate what the pictures give back of what the lens took from the corners, and give it back, too.",
    ),
    click.option(
        "--white-level",
        "white",
        help="file, adjusted, or a level in DN.  [default: adjusted; for another look than LibRaw's file]",
    ),
    click.option(
        "--clip/--no-clip",
        "clips",
        default=None,
        help="White-balanced RGB at 1, as LibRaw does.  [default: clip; for another look no-clip]",
    ),
    click.option(
        "--gains",
        "white_balance",
        type=click.Choice(["max", "min", "none"]),
        help="What the as-shot gains are divided by: their largest, or smallest.  [default: min]",
    ),
    click.option(
        "--color",
        type=click.Choice(["srgb", "camera"]),
        help="The network's RGB: linear sRGB by the file's matrix, or the camera's own.  [default: srgb]",
    ),
    click.option("--curve", help="bt709, or a gamma from 1 to 4.  [default: bt709]"),
    click.option(
        "--cfa",
        type=click.Choice(["any", *CFA_PATTERNS]),
        help="Default: any; with folding RGGB, or the one camera's.",
    ),
    click.option(
        "--one-camera/--any-camera",
        "bound",
        default=None,
        help="Weights for the first file's camera alone, or for every one.  [default: any; with --color camera one]",
    ),
    click.option("--steps", type=int, help="[default: 20000; of a fine-tuning 1000]"),
    click.option("--minutes", type=float, help="Instead of --steps: optimiser time, from the measured time of a step."),
    click.option("--patch", type=int, help="Edge of the crops, pixels.  [default: 128]"),
    click.option("--batch", type=int, help="Crops per step, over all processes.  [default: 1]"),
    click.option("--learning-rate", type=float, help="Peak.  [default: 0.0004; of a fine-tuning 0.00005]"),
    click.option("--warmup", type=int, help="Steps of linear rise.  [default: 50]"),
    click.option(
        "--schedule", type=click.Choice(SCHEDULES), help="After it; halve: as the authors' code.  [default: linear]"
    ),
    click.option("--clip-norm", type=float, help="Longest gradient.  [default: 1]"),
    click.option("--ema", "ema_decay", type=float, help="Decay of the averaged weights.  [default: 0.999]"),
    click.option(
        "--autocast", "precision", type=click.Choice(PRECISIONS), help="Of the convolutions.  [default: fp32]"
    ),
    click.option("--seed", type=int, help="[default: 0]"),
    click.option("--loss", "norm", type=click.Choice(NORMS), help="Of both directions.  [default: l1]"),
    click.option("--raw-weight", type=float, help="Lambda of the paper's eq. 8.  [default: 1]"),
    click.option("--clipped-weight", type=float, help="Of the RAW loss where the rendering clips.  [default: 1]"),
    click.option(
        "--rounding", type=click.Choice(ROUNDINGS), help="Of the simulated JPEG; none: no JPEG.  [default: fourier]"
    ),
    click.option("--qualities", "quality", help="Of the simulated JPEG; 70-98 draws one a crop.  [default: 90]"),
    click.option(
        "--subsampling",
        type=click.Choice(SUBSAMPLINGS),
        multiple=True,
        help="Of the simulated JPEG; several are drawn from.  [default: 4:2:2]",
    ),
    click.option("--sample-every", type=click.IntRange(1), help="Steps between pictures.  [default: a tenth]"),
    click.option("--tensorboard", is_flag=True, help="Write the log for TensorBoard too."),
    click.option("--resume", is_flag=True, help="Go on from the state in the output folder."),
    json_option,
)
"""Of every training run, whatever the method."""


@click.command("train", cls=InvispCommand)
@click.argument("sources", nargs=-1, required=True, type=PATH)
@_size_options
@click.option(
    "--from", "weights", type=PATH, help="Weights to fine-tune instead of new ones: a file, or a shipped look's name."
)
@click.option("--quantize", type=PATH, help="Record of scales: train every convolution in int8.")
@click.option("--keep", is_flag=True, help="With --quantize: layers that the record keeps in fp16 stay there.")
@held_out_option
@run_options
def train_command(
    sources: tuple[Path, ...],
    weights: Path | None,
    quantize: Path | None,
    keep: bool,
    held_out: tuple[Path, ...],
    output: Path,
    run_file: Path | None,
    sample_every: int | None,
    tensorboard: bool,
    resume: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train on a prepared dataset, or on RAW files (or folders of them), of one camera or of many.

    \b
    invisp train dataset/ -o run/
    invisp train dngs/ -o run/ --held-out held-out/
    invisp train dngs/ -o tuned/ --from universal --one-camera
    invisp train dngs/ -o tuned/ --from run/weights.safetensors --quantize scales.json
    torchrun --nproc-per-node 2 -m invisp_deploy train dataset/ -o run/ --batch 2
    """
    with training_installed(tensorboard=tensorboard):
        given = given_options(options)
        _check_start(weights, quantize, given, keep=keep)
        start = None if weights is None else _start(weights, quantize, keep=keep)
        asked, method = _asked(given, run_file, start)
        made = trained(
            sources, output, asked, method,
            held_out=held_out, resume=resume, sample_every=sample_every, tensorboard=tensorboard, as_json=as_json,
        )  # fmt: skip
        if made.first and not as_json:
            _print(made, output)


@contextmanager
def training_installed(*, tensorboard: bool) -> Iterator[None]:
    """Say what is missing before anything is read, and let the first of several processes alone say what went wrong.

    The others leave with the same exit code.
    """
    from invisp_deploy.training.processes import rank_of

    try:
        if tensorboard:
            with needs_extra("tensorboard", "tensorboard"):
                import_module("invisp_deploy.training.tensorboard")
        yield
    except InvispError as error:
        if rank_of() == 0:
            raise
        sys.exit(error.exit_code)


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that were given, read and checked as far as they need no file."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if "steps" in given and "minutes" in given:
        raise RequestError("--minutes chooses the steps: pass it or --steps, not both.")
    if "white" in given:
        given["white"] = _white(given["white"])
    if "curve" in given:
        given["curve"] = _curve(given["curve"])
    if "quality" in given:
        given["quality"] = _quality(given["quality"])
    return given


def asked_options(given: Mapping[str, Any], optimiser: OptimiserOptions | None = None) -> TrainingOptions:
    """A new run as the given options describe it. optimiser: what stands where they say nothing."""
    return TrainingOptions(
        _changed(ContractOptions(), given),
        _changed(DataOptions(), given),
        _changed(LossOptions(), given),
        _changed(JpegOptions(), given),
        _changed(optimiser or OptimiserOptions(), given),
        given.get("minutes"),
    )


def repeated_run(path: Path, given: Mapping[str, Any]) -> Run:
    """The run of a file. Raises RequestError for a given option that says something else."""
    run = read_run(path)
    for name, value in given.items():
        if name in _SIZES:
            found: object = getattr(run.config, name, None)
        elif name == "name":
            value, found = CONFIGURATIONS[value], run.config
        elif name in _CONTRACT:
            found = _of_contract(run, name)
        elif name == "minutes":
            found = run.minutes
        else:
            parts = (run.data, run.loss, run.jpeg, run.optimiser)
            found = next(getattr(part, name) for part in parts if name in {field.name for field in fields(part)})
        if value != found:
            raise RequestError(f"{_flag(name)} contradicts {path}, which has {found}: leave it out.")
    return run


def _of_contract(run: Run, name: str) -> object:
    if name == "bound":
        return bool(run.contract.camera)
    return bool(run.contract.shading) if name == "lens_shading" else getattr(run.contract, name)


def trained(
    sources: tuple[Path, ...],
    output: Path,
    asked: TrainingOptions | Run,
    method: TrainingMethod,
    *,
    as_json: bool,
    **rest: Any,
) -> TrainedRun:
    """`training.train` with a bar and lines on standard output, or with its facts as one JSON object at the end."""
    from invisp_deploy.training.make import train

    if not as_json:
        return train(sources, output, asked, method, bars=progress, say=click.echo, **rest)
    made = train(sources, output, asked, method, **rest)
    if made.first:
        print_json({"weights": made.weights, "digest": made.digest, "scales": made.scales, **made.card})
    return made


def crops_line(made: TrainedRun) -> None:
    """Say what was measured on crops at the end of a run."""
    crops = made.card["crops"]
    figures = [f"{name} {crops[name]:.2f} dB" for name in ("rgb_psnr", "raw_psnr") if crops[name] is not None]
    seconds = made.card["seconds"]
    click.echo(f"{', '.join(figures)} on crops of {crops['crops']} files; {seconds:.1f} s of optimiser steps")


def _check_start(weights: Path | None, quantize: Path | None, given: Mapping[str, Any], *, keep: bool) -> None:
    """Raise RequestError for options that go only with others, or that the weights to start from decide."""
    if quantize is not None and weights is None:
        raise RequestError(f"--quantize needs --from WEIGHTS, the weights that {quantize} was measured on.")
    if keep and quantize is None:
        raise RequestError("--keep leaves layers of --quantize RECORD in fp16: pass both or neither.")
    decided = [name for name in ("name", *_SIZES, *_CONTRACT) if name in given and name not in _FREE]
    if weights is not None and decided:
        raise RequestError(f"{_flag(decided[0])} is decided by {weights}, which the run starts from: leave it out.")


def _start(weights: Path, quantize: Path | None, *, keep: bool) -> Start:
    from invisp_deploy.training.method import Start

    if str(weights) in MODELS and not weights.exists():
        weights = shipped_folder(str(weights)) / "weights.safetensors"
    return Start.open(weights, quantize, keep=keep)


def _asked(
    given: Mapping[str, Any], run_file: Path | None, start: Start | None
) -> tuple[TrainingOptions | Run, TrainingMethod]:
    from invisp_deploy.training.method import InvispMethod

    if run_file is not None:
        run = repeated_run(run_file, given)
        if run.config is None:
            raise RequestError(f"{run_file} trains {run.method}: repeat it with `invisp research train`.")
        return run, InvispMethod(run.config, start)
    if start is not None:
        return asked_options(given, TUNING), InvispMethod(start.checkpoint.config, start)
    return asked_options(given), InvispMethod(_changed(CONFIGURATIONS[given.get("name", "universal")], given))


def _print(made: TrainedRun, output: Path) -> None:
    card = made.card
    if "crops" in card:
        crops_line(made)
    files = len(card.get("validation", ()))
    if "compared" in card:
        click.echo("\n".join(_comparison(card["compared"], files)))
    elif "validation" in card:
        from invisp_deploy.evaluation.metrics import mean_metrics

        for name, value in mean_metrics(card["validation"]).items():
            click.echo(f"{name:18} {number(value, 2):>6} dB, mean of {files} held-out files through JPEG files")
    following = f"invisp-export onnx --checkpoint {made.weights}"
    if made.scales is not None:
        result_line(made.scales, f"the scales that weights {made.digest[:12]} were trained with")
        following += f" --precision int8 --scales {made.scales}"
    result_line(made.weights, f"weights {made.digest[:12]}", f"{following} -o {output / 'onnx'}")


def _comparison(columns: Mapping[str, Mapping[str, float | None]], files: int) -> list[str]:
    """Lines of a table, metric by column, in dB."""
    width = max(map(len, columns)) + 2
    lines = [f"mean of {files} held-out files through JPEG files, dB"]
    lines.append(f"{'':18}" + "".join(f"{name:>{width}}" for name in columns))
    for metric in next(iter(columns.values())):
        lines.append(f"{metric:18}" + "".join(f"{number(figures[metric], 2):>{width}}" for figures in columns.values()))
    return lines


def _changed(options: Options, given: Mapping[str, Any]) -> Options:
    """The options with those of their fields that were given."""
    return replace(options, **{field.name: given[field.name] for field in fields(options) if field.name in given})


def _curve(text: str) -> str | float:
    try:
        return text if text == "bt709" else float(text)
    except ValueError:
        raise RequestError(f"--curve must be bt709 or a gamma from 1 to 4, got {text!r}.") from None


def _white(text: str) -> str | int:
    if text in ("file", "adjusted"):
        return text
    try:
        level = int(text)
    except ValueError:
        level = 0
    if not 1 <= level <= 65535:
        raise RequestError(f"--white-level must be file, adjusted or a level from 1 to 65535, got {text!r}.")
    return level


def _quality(text: str) -> tuple[int, int]:
    """`90`, or `70-98` for a range."""
    low, _, high = text.partition("-")
    try:
        return int(low), int(high or low)
    except ValueError:
        raise RequestError(
            f"--qualities must be a number from 1 to 100, or a lowest and a highest as 70-98, got {text!r}."
        ) from None


def _flag(name: str) -> str:
    return _FLAGS.get(name, "--" + name.replace("_", "-"))
