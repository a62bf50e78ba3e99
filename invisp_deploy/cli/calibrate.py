"""invisp calibrate: RAW files to a record of scales."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invisp_deploy.calibration.options import DEFAULT_METHOD
from invisp_deploy.calibration.record import METHODS
from invisp_deploy.cli.common import (
    InvispCommand,
    needs_extra,
    print_json,
    progress,
    result_line,
)
from invisp_deploy.cli.options import (
    PATH,
    held_out_option,
    json_option,
    output_option,
    overwrite_option,
    pictures_option,
    quality_option,
    seed_option,
    subsampling_option,
)

if TYPE_CHECKING:
    from invisp_deploy.calibration.make import Calibration


@click.command("calibrate", cls=InvispCommand)
@click.argument("raws", nargs=-1, required=True, type=PATH)
@click.option("--checkpoint", required=True, type=PATH, help="Weights of invisp train, .safetensors.")
@output_option("Record of scales, a JSON file.")
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default=DEFAULT_METHOD,
    show_default=True,
    help="How a range is chosen from what was seen.",
)
@click.option("--percentile", type=float, default=99.99, show_default=True, help="For the method percentile.")
@click.option("--max-tiles", type=int, default=48, show_default=True, help="Over all files.")
@click.option("--tile", type=int, default=256, show_default=True, help="Edge of a tile, pixels.")
@click.option("--max-drop", type=float, help="dB of RAW PSNR that int8 may lose; the fewest layers stay fp16 for it.")
@held_out_option
@click.option("--held-tiles", type=int, default=12, show_default=True, help="Tiles that losses are measured on.")
@click.option("--held-size", type=int, default=128, show_default=True, help="Edge of such a tile, pixels.")
@quality_option
@subsampling_option
@seed_option
@pictures_option
@overwrite_option
@json_option
def calibrate_command(
    raws: tuple[Path, ...],
    checkpoint: Path,
    output: Path,
    held_out: tuple[Path, ...],
    pictures: Path | None,
    overwrite: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure the scales of int8 and fp8 on RAW files (or folders of them), both directions, through real JPEG.

    \b
    invisp calibrate --checkpoint run/weights.safetensors raws/ -o scales.json --max-drop 0.1
    """
    for package in ("torch", "safetensors", "onnx", "matplotlib"):
        with needs_extra(package, "export"):
            importlib.import_module(package)
    from invisp_deploy.calibration.make import calibrate
    from invisp_deploy.calibration.options import CalibrationOptions

    def bar(total: int, description: str) -> Any:
        return progress(total, description, quiet=as_json)

    found = calibrate(
        checkpoint, raws, output, CalibrationOptions(**options),
        held_out=held_out, pictures=pictures, overwrite=overwrite, bars=bar,
    )  # fmt: skip
    page = None if pictures is None else pictures / "report.md"
    if as_json:
        print_json({"record": output, "report": page, **found.facts()})
        return
    _print(found, output, page, checkpoint)


def _print(calibration: Calibration, output: Path, report: Path | None, checkpoint: Path) -> None:
    record = calibration.record
    tiles = sum(file.tiles for file in record.files)
    if calibration.listed > len(record.files):
        click.echo(
            f"looked at {len(record.files)} of {calibration.listed} files, evenly spread: pass --max-tiles "
            f"{calibration.listed} for all"
        )
    click.echo(f"{'RAW through JPEG':16} dB lost against fp32, {len(calibration.held)} held-out tiles")
    for name, drop in record.drops.items():
        click.echo(f"{name:16} {drop:7.3f}")
    share = f", {calibration.share:.1%} of the work of F, G and H:" if record.kept else ": every convolution is lowered"
    click.echo(f"{len(record.kept)} layers stay fp16{share}")
    for layer in record.kept:
        click.echo(f"  {layer}")
    if calibration.for_export:
        click.echo(
            f"{', '.join(calibration.for_export)} for the check of export, whose picture leaves the ranges of these "
            "files: more files, with other colours, keep fewer"
        )
    search, limit = calibration.search, record.options["max_drop"]
    if search is not None and search.drop > limit:
        click.echo(f"Warning: even all fp16 loses {search.drop:.3f} dB on these tiles, more than asked for.", err=True)
    if calibration.headroom["fp8"] < 0:
        click.echo(
            f"Warning: export would refuse fp8 with this record, by {-calibration.headroom['fp8']:.1f} dB.", err=True
        )
    if report is not None:
        result_line(report, "tables and pictures")
    result_line(
        output,
        f"{len(record.tensors)} scales by {record.method} over {tiles} tiles of {len(record.files)} files",
        f"invisp-export onnx --checkpoint {checkpoint} --precision int8 --scales {output} -o graphs",
    )
