"""`invisp eval roundtrip`: how good the way there and back is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from invisp_deploy.cli.common import InvispCommand, print_json, progress
from invisp_deploy.cli.options import (
    PATH,
    check_one,
    force_option,
    json_option,
    memory_option,
    model_option,
    output_option,
    overwrite_option,
    quality_option,
    subsampling_option,
)
from invisp_deploy.errors import MissingFileError, RequestError
from invisp_deploy.files import output_folder


@click.command("roundtrip", cls=InvispCommand)
@click.argument("raw", type=PATH)
@output_option("Folder of the report; made if absent.")
@click.option("--forward", type=PATH, help="Forward graph or engine; default: the shipped model's.")
@click.option("--inverse", type=PATH, help="Inverse graph or engine; default: the shipped model's.")
@model_option
@quality_option
@subsampling_option
@memory_option
@force_option
@overwrite_option
@json_option
def roundtrip_command(
    raw: Path,
    output: Path,
    forward: Path | None,
    inverse: Path | None,
    model: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """RAW -> JPEG -> DNG through files on disk: figures with definitions, and a picture.

    \b
    invisp eval roundtrip photo.CR2 -o report/
    invisp eval roundtrip photo.CR2 -o report/ --model nano
    """
    from invisp_deploy.evaluation.metrics import DEFINITIONS
    from invisp_deploy.evaluation.roundtrip import report_round_trip
    from invisp_deploy.rendering.model import Model, load
    from invisp_deploy.rendering.options import RunOptions
    from invisp_deploy.runtimes.open import open_runtime

    check_one(model, forward=forward, inverse=inverse)
    if (forward is None) != (inverse is None):
        raise RequestError("Pass --forward and --inverse together: both graphs of one export.")
    if not raw.is_file():
        raise MissingFileError(f"There is no file {raw}.")
    bars: list[Any] = []

    def start(total: int) -> Callable[[int], object]:
        bars.append(progress(total, ("render", "recover")[len(bars)], quiet=as_json))
        update: Callable[[int], object] = bars[-1].update
        return update

    try:
        opened = (
            Model.of(str(forward), open_runtime(forward), open_runtime(inverse)) if forward and inverse else load(model)
        )
        with opened, output_folder(output):
            trip = report_round_trip(raw, output, opened, RunOptions(**options), start)
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
        click.echo(f"{name:15} {value:6.2f} dB  {DEFINITIONS[name].removeprefix('dB, ')}")
    click.echo(f"wrote {trip.jpeg.name}, {trip.dng.name}, {trip.picture.name}, {trip.report.name} in {output}")
