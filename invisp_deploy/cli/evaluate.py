"""invisp-eval: how good the round trip is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from invisp_deploy.cli.common import INVISP, InvispGroup, json_option, print_json, progress, version_option
from invisp_deploy.cli.evaluate_tables import rate, table1, table2
from invisp_deploy.cli.shipped import check_one, model_option
from invisp_deploy.errors import RequestError
from invisp_deploy.files import output_folder
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY

__all__ = ["main"]


@click.group(cls=InvispGroup, context_settings=INVISP)
@version_option
def main() -> None:
    """Measure what the pipeline does to real files."""


@main.command()
@click.argument("raw", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="Folder of the report; made if absent."
)
@click.option(
    "--forward", type=click.Path(path_type=Path), help="Forward graph or engine; default: the shipped model's."
)
@click.option(
    "--inverse", type=click.Path(path_type=Path), help="Inverse graph or engine; default: the shipped model's."
)
@model_option
@click.option("--quality", default=90, show_default=True, type=click.IntRange(1, 100), help="JPEG quality.")
@click.option(
    "--subsampling",
    default="4:2:2",
    show_default=True,
    type=click.Choice(["4:4:4", "4:2:2", "4:2:0"]),
    help="Of the JPEG.",
)
@click.option(
    "--memory", default=DEFAULT_MEMORY, show_default=True, type=click.IntRange(min=16), help="MB for one tile."
)
@click.option("--force", is_flag=True, help="Go on with a RAW file of another camera.")
@click.option("--overwrite", is_flag=True, help="Replace an existing report.")
@json_option
def roundtrip(
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
    invisp-eval roundtrip photo.CR2 -o report/
    invisp-eval roundtrip photo.CR2 -o report/ --model nano
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
        raise RequestError(f"There is no file {raw}.")
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


for command in (table1, table2, rate):
    main.add_command(command)


if __name__ == "__main__":
    main()
