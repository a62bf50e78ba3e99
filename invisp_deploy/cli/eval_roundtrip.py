"""`invisp eval roundtrip`: how good the way there and back is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from invisp_deploy.cli.common import InvispCommand, print_json, progress
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
    raw_budget_option,
    subsampling_option,
)
from invisp_deploy.errors import MissingFileError
from invisp_deploy.files import output_folder


@click.command("roundtrip", cls=InvispCommand)
@click.argument("raw", type=PATH)
@output_option("Folder of the report; made if absent.")
@model_option
@provider_option
@quality_option
@subsampling_option
@memory_option
@force_option
@raw_budget_option
@overwrite_option
@json_option
def roundtrip_command(
    raw: Path,
    output: Path,
    model: str | None,
    provider: str | None,
    as_json: bool,
    raw_budget: int | None,
    **options: Any,
) -> None:
    """RAW -> JPEG -> DNG through files on disk: figures with definitions, and a picture.

    \b
    invisp eval roundtrip photo.CR2 -o report/
    invisp eval roundtrip photo.CR2 -o report/ --model closed-form
    invisp eval roundtrip photo.CR2 -o report/ --model graphs/
    """
    from invisp_deploy.evaluation.metrics import DEFINITIONS
    from invisp_deploy.evaluation.roundtrip import report_round_trip
    from invisp_deploy.rendering.model import load
    from invisp_deploy.rendering.options import RunOptions
    from invisp_deploy.report.markdown import number
    from invisp_deploy.sidedata.options import RawBudget

    if not raw.is_file():
        raise MissingFileError(f"There is no file {raw}.")
    run_options = RunOptions(**options, raw_budget=RawBudget(raw_budget))
    bars: list[Any] = []

    def start(total: int) -> Callable[[int], object]:
        bars.append(progress(total, ("render", "recover")[len(bars)], quiet=as_json))
        update: Callable[[int], object] = bars[-1].update
        return update

    try:
        with load(model, provider=provider) as opened, output_folder(output):
            trip = report_round_trip(raw, output, opened, run_options, start)
    finally:
        for bar in bars:
            bar.close()
    if as_json:
        print_json(
            {
                "metrics": trip.metrics,
                "jpeg": trip.jpeg,
                "dng": trip.dng,
                "picture": trip.picture,
                "report": trip.report,
            }
        )
        return
    for name, value in trip.metrics.items():
        click.echo(f"{name:18} {number(value, 2):>6} dB  {DEFINITIONS[name].removeprefix('dB, ')}")
    click.echo(f"wrote {trip.jpeg.name}, {trip.dng.name}, {trip.picture.name}, {trip.report.name} in {output}")
