"""`invisp eval look`: how near a look is to what it was learned from, and what RAW its pictures give back."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import click

from invisp_deploy.cli.common import InvispCommand, needs_extra, print_json, progress, sentence
from invisp_deploy.cli.options import (
    PATH,
    force_option,
    json_option,
    memory_option,
    output_option,
    overwrite_option,
    provider_option,
    quality_option,
    subsampling_option,
    threads_option,
)
from invisp_deploy.errors import RequestError


@click.command("look", cls=InvispCommand)
@click.argument("model", metavar="NAME|FOLDER|FILE")
@click.argument("dataset", type=PATH)
@output_option("Folder of report.json, report.md and look.png; made if absent.")
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(("train", "test", "all")),
    help="Files of the dataset to measure on.",
)
@click.option(
    "--fit-on", type=PATH, help="Dataset whose training files the closed form is fitted to.  [default: DATASET]"
)
@click.option(
    "--against",
    default="universal",
    show_default=True,
    metavar="NAME|FOLDER|FILE",
    help="The model that it is compared with, as --model names one.",
)
@provider_option
@threads_option
@quality_option
@subsampling_option
@memory_option
@force_option
@overwrite_option
@json_option
def look_command(
    model: str,
    dataset: Path,
    output: Path,
    split: str,
    fit_on: Path | None,
    against: str,
    provider: str | None,
    threads: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """A look on the files of a prepared dataset: its JPEGs against the dataset's pictures, and its RAW.

    Beside it stand `universal` and the look as a closed form: matrix, curve and 3D table, fitted to the same pairs.

    \b
    invisp prepare raws photos/ -o data/ --target beside
    invisp train data/ -o run/ --from universal
    invisp-export onnx --checkpoint run/weights.safetensors -o look/
    invisp eval look look/ data/ -o report/
    """
    with needs_extra("skimage", "tables"):
        importlib.import_module("skimage")  # before any work
    with needs_extra("scipy", "tables"):
        importlib.import_module("scipy")
    from invisp_deploy.dataset.open import open_dataset
    from invisp_deploy.evaluation.look import LOOK_FILES, LookCase, report_look
    from invisp_deploy.rendering.model import load
    from invisp_deploy.rendering.options import RunOptions
    from invisp_deploy.report.look import look_lines

    def bar(total: int, description: str) -> Any:
        return progress(total, description, quiet=as_json)

    opened = open_dataset(dataset)
    fitted_to = opened if fit_on is None else open_dataset(fit_on)
    if not fitted_to.train:
        raise RequestError(
            f"The closed form is fitted to training files, and {fitted_to.root} has none: pass `fit_on`, a dataset of "
            "the same look that has some."
        )
    with (
        load(model, provider=provider, threads=threads or 0) as look,
        load(against, provider=provider, threads=threads or 0) as rival,
    ):
        case = LookCase(look, rival, fitted_to.train, fitted_to.root.name)
        facts = report_look(opened, split, output, case, RunOptions(**options), bar)
    for row in facts["refused"]:
        row["why"] = sentence(row["why"])
    if as_json:
        print_json(facts)
        return
    click.echo(look_lines(facts))
    click.echo("RAW in dB, by the model alone, and as carried by pictures as `invisp run` writes them; means of files")
    for row in facts["refused"]:
        click.echo(f"refused {row['file']}: {row['why']}")
    click.echo(f"wrote {', '.join(LOOK_FILES)} in {output}")
