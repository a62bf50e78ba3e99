"""`invisp eval files`: the way there and back on many RAW files, a model beside a rival."""

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
    model_option,
    output_option,
    overwrite_option,
    provider_option,
    quality_option,
    subsampling_option,
    threads_option,
)
from invisp_deploy.formats.walk import raw_files


@click.command("files", cls=InvispCommand)
@click.argument("raws", nargs=-1, required=True, type=PATH)
@output_option("Folder of files.json, files.md and files.png; made if absent.")
@model_option
@click.option(
    "--against",
    default="closed-form",
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
def files_command(
    raws: tuple[Path, ...],
    output: Path,
    model: str | None,
    against: str,
    provider: str | None,
    threads: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """RAW -> JPEG -> DNG on RAW files (or folders of them): a table and a picture, a model beside a rival.

    A file that is refused gets a line with the reason and ends nothing.

    \b
    invisp eval files raws/ -o table/
    invisp eval files raws/ -o table/ --model graphs/ --against universal
    """
    with needs_extra("matplotlib", "export"):
        importlib.import_module("matplotlib")  # before any work
    from invisp_deploy.evaluation.files import report_files
    from invisp_deploy.rendering.model import load
    from invisp_deploy.rendering.options import RunOptions
    from invisp_deploy.report.files import files_lines

    def bar(total: int, description: str) -> Any:
        return progress(total, description, quiet=as_json)

    paths = raw_files(raws)
    with (
        load(model, provider=provider, threads=threads or 0) as ours,
        load(against, provider=provider, threads=threads or 0) as rival,
    ):
        rows: list[dict[str, Any]] = []
        try:
            facts = report_files(paths, output, ours, rival, RunOptions(**options), bar, rows.append)
        except BaseException:
            if as_json and rows:  # what is done is told
                print_json(_unfinished(rows, len(paths)))
            raise
    for row in facts["refused"]:
        row["why"] = sentence(row["why"])
    if as_json:
        print_json(facts)
        return
    click.echo(files_lines(facts))
    click.echo(f"dB; +/-: against {facts['against']['name']}; clipped: pixels that LibRaw's rendering blows out")
    for row in facts["refused"]:
        click.echo(f"refused {row['file']}: {row['why']}")
    click.echo(f"wrote files.json, files.md, files.png in {output}")


def _unfinished(rows: list[dict[str, Any]], count: int) -> dict[str, Any]:
    refused = [{**row, "why": sentence(row["why"])} for row in rows if "why" in row]
    return {"files": [row for row in rows if "why" not in row], "refused": refused, "left": count - len(rows)}
