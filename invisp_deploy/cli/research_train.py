"""invisp research train: the rivals of the paper, by the loop and with the options of InvISP."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click

from invisp_deploy.cli.common import InvispCommand, result_line
from invisp_deploy.cli.options import PATH
from invisp_deploy.cli.train import (
    asked_options,
    crops_line,
    given_options,
    repeated_run,
    run_options,
    trained,
    training_installed,
)

METHODS: Final = ("cycleisp", "grayscale", "unet", "upi")
"""The last has nothing to train and is refused with a sentence."""

GIVEN_JPEGS: Final = ("cycleisp",)
"""Those that render nothing: they learn from the JPEGs of a dataset, as they are judged, and none is simulated."""


@click.command("train", cls=InvispCommand)
@click.argument("sources", nargs=-1, required=True, type=PATH)
@click.option("--method", required=True, type=click.Choice(METHODS), help="A rival of the paper.")
@click.option("--width", type=int, help="Its channels.  [default: what costs as much as --config edge]")
@run_options
def rival_train_command(
    sources: tuple[Path, ...],
    method: str,
    width: int | None,
    output: Path,
    run_file: Path | None,
    sample_every: int | None,
    tensorboard: bool,
    resume: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a rival on a prepared dataset, or on RAW files (or folders of them) of one camera.

    cycleisp takes a dataset alone, whose JPEGs it inverts (--rounding none).

    \b
    invisp research train --method cycleisp dataset/ -o run/
    invisp research train --method unet dataset/ -o run/ --color camera --curve 2.2
    """
    with training_installed(tensorboard=tensorboard):
        from invisp_deploy.research.rival_training import RivalMethod

        given = given_options(options)
        if run_file is None and method in GIVEN_JPEGS:
            given.setdefault("rounding", "none")
        asked = asked_options(given) if run_file is None else repeated_run(run_file, given)
        made = trained(
            sources, output, asked, RivalMethod(method, width),
            resume=resume, sample_every=sample_every, tensorboard=tensorboard, as_json=as_json,
        )  # fmt: skip
        if made.first and not as_json:
            crops_line(made)
            result_line(
                made.weights,
                f"weights {made.digest[:12]}",
                f"invisp research table1 --help: {made.weights} is its {method}",
            )
