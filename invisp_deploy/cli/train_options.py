"""The options of `invisp train` that describe a run, and the run they describe. What is not given has no value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

import click

from invisp_deploy.config import CONFIGURATIONS, KINDS, NetworkConfig
from invisp_deploy.contract import CFA_PATTERNS, CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.formats.subsampling import SUBSAMPLINGS
from invisp_deploy.training.options import (
    NORMS,
    PRECISIONS,
    ROUNDINGS,
    SCHEDULES,
    DataOptions,
    JpegOptions,
    LossOptions,
    OptimiserOptions,
)
from invisp_deploy.training.run import INVISP, Run

METHODS: Final = (INVISP, "cycleisp", "grayscale", "unet", "upi")
"""The last has nothing to train and is refused with a sentence."""

_SIZES: Final = ("blocks", "growth", "squeeze", "depth", "first", "kind")
_CONTRACT: Final = ("white", "white_balance", "gamma", "cfa")
_FLAGS: Final = {"name": "--config", "norm": "--loss", "ema_decay": "--ema"}


_OPTIONS: Final = (
    click.option("--method", type=click.Choice(METHODS), help="invisp, or a rival of the paper.  [default: invisp]"),
    click.option("--config", "name", type=click.Choice(list(CONFIGURATIONS)), help="Of invisp.  [default: edge]"),
    click.option("--blocks", type=int, help="Instead of the named configuration's."),
    click.option("--growth", type=int, help="Instead of the named configuration's."),
    click.option("--squeeze", type=int, help="Instead of the named configuration's."),
    click.option("--depth", type=int, help="Convolutions in each of F, G and H.  [default: 5]"),
    click.option("--first", type=int, help="Channels of x1 in a coupling.  [default: half]"),
    click.option("--kind", type=click.Choice(KINDS), help="Of F, G and H.  [default: dense]"),
    click.option("--white", help="file, adjusted, or a level in DN.  [default: file]"),
    click.option("--white-balance", type=click.Choice(["max", "min", "none"]), help="[default: max]"),
    click.option("--gamma", type=click.FloatRange(1, 4), help="[default: 2.2]"),
    click.option(
        "--cfa", type=click.Choice(["any", *CFA_PATTERNS]), help="Default: any; with folding the first file's."
    ),
    click.option("--steps", type=int, help="Default: 20000; with --from 1000."),
    click.option("--minutes", type=float, help="Instead of --steps: optimiser time, from the measured time of a step."),
    click.option("--patch", type=int, help="Edge of the crops, pixels.  [default: 128]"),
    click.option("--batch", type=int, help="Crops per step, over all processes.  [default: 1]"),
    click.option("--learning-rate", type=float, help="Peak. Default: 0.0004; with --from 0.00005."),
    click.option("--warmup", type=int, help="Steps of linear rise.  [default: 50]"),
    click.option(
        "--schedule", type=click.Choice(SCHEDULES), help="After it; halve: as the authors' code.  [default: linear]"
    ),
    click.option("--clip-norm", type=float, help="Longest gradient.  [default: 1]"),
    click.option("--ema", "ema_decay", type=float, help="Decay of the averaged weights.  [default: 0.999]"),
    click.option(
        "--precision", type=click.Choice(PRECISIONS), help="Of the convolutions in training.  [default: fp32]"
    ),
    click.option("--seed", type=int, help="[default: 0]"),
    click.option("--loss", "norm", type=click.Choice(NORMS), help="Of both directions.  [default: l1]"),
    click.option("--raw-weight", type=float, help="Lambda of the paper's eq. 8.  [default: 1]"),
    click.option("--clipped-weight", type=float, help="Of the RAW loss where the rendering clips.  [default: 1]"),
    click.option(
        "--rounding", type=click.Choice(ROUNDINGS), help="Of the simulated JPEG; none: no JPEG.  [default: fourier]"
    ),
    click.option("--quality", help="Of the simulated JPEG; 70-98 draws it.  [default: 90]"),
    click.option(
        "--subsampling",
        type=click.Choice(SUBSAMPLINGS),
        multiple=True,
        help="Of the simulated JPEG; several are drawn from.  [default: 4:2:2]",
    ),
)


def run_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe a run."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that were given, checked as far as they need no file."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if "steps" in given and "minutes" in given:
        raise RequestError("--minutes chooses the steps: pass it or --steps, not both.")
    if "minutes" in given and not 0 < given["minutes"] < 1e6:
        raise RequestError(f"--minutes must be a number above 0, got {given['minutes']}.")
    if "white" in given:
        given["white"] = _white(given["white"])
    if "quality" in given:
        given["quality"] = _quality(given["quality"])
    sizes = [name for name in ("name", *_SIZES) if name in given]
    if given.get("method", INVISP) != INVISP and sizes:
        raise RequestError(f"{_flag(sizes[0])} is of {INVISP}, {given['method']} has its own sizes: leave it out.")
    return given


def new_run(given: Mapping[str, Any], contract: CameraContract, config: NetworkConfig | None = None) -> Run:
    """The run that the given options describe. config: of the weights to start from, else the options decide."""
    method = given.get("method", INVISP)
    if method == INVISP and config is None:
        config = _config(given)
    return Run(
        contract,
        config,
        method,
        data=_part(DataOptions, given),
        loss=_part(LossOptions, given),
        jpeg=_part(JpegOptions, given),
        optimiser=_part(OptimiserOptions, given),
        minutes=given.get("minutes"),
    )


def new_contract(given: Mapping[str, Any], make: str, model: str, cfa: str) -> CameraContract:
    """The contract as asked for. make, model, cfa: of the first file, whose phase is the contract's under folding."""
    contract = CameraContract(make, model)
    method = given.get("method", INVISP)
    any_phase = method == "cycleisp" or (method == INVISP and _config(given).squeeze == 1)
    own = {name: given[name] for name in _CONTRACT if name in given}
    return replace(contract, **{"cfa": "any" if any_phase else cfa, **own})


def check_against(path: Path, run: Run, given: Mapping[str, Any]) -> None:
    """Raise RequestError for a given option that says something else than the run of a file."""
    for name, value in given.items():
        if name in _SIZES:
            found: object = getattr(run.config, name, None)
        elif name == "name":
            value, found = CONFIGURATIONS[value], run.config
        elif name in _CONTRACT:
            found = getattr(run.contract, name)
        elif name in ("method", "minutes"):
            found = getattr(run, name)
        else:
            parts = (run.data, run.loss, run.jpeg, run.optimiser)
            found = next(getattr(part, name) for part in parts if name in {field.name for field in fields(part)})
        if value != found:
            raise RequestError(f"{_flag(name)} contradicts {path}, which has {found}: leave it out.")


def _config(given: Mapping[str, Any]) -> NetworkConfig:
    named = CONFIGURATIONS[given.get("name", "edge")]
    return replace(named, **{name: given[name] for name in _SIZES if name in given})


def _part(kind: type[Any], given: Mapping[str, Any]) -> Any:
    return kind(**{field.name: given[field.name] for field in fields(kind) if field.name in given})


def _white(text: str) -> str | int:
    if text in ("file", "adjusted"):
        return text
    try:
        level = int(text)
    except ValueError:
        level = 0
    if not 1 <= level <= 65535:
        raise RequestError(f"--white must be file, adjusted or a level from 1 to 65535, got {text!r}.")
    return level


def _quality(text: str) -> tuple[int, int]:
    """`90`, or `70-98` for a range."""
    low, _, high = text.partition("-")
    try:
        return int(low), int(high or low)
    except ValueError:
        raise RequestError(
            f"--quality must be a number from 1 to 100, or a lowest and a highest as 70-98, got {text!r}."
        ) from None


def _flag(name: str) -> str:
    return _FLAGS.get(name, "--" + name.replace("_", "-"))
