"""invisp calibrate: RAW files to a record of scales."""

from __future__ import annotations

import importlib
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invisp_deploy.cli.common import (
    INVISP,
    InvispCommand,
    needs_extra,
    print_json,
    progress,
    result_line,
)
from invisp_deploy.cli.options import json_option, version_option
from invisp_deploy.errors import RequestError
from invisp_deploy.files import check_output, output_folder

if TYPE_CHECKING:
    from invisp_deploy.calibration.calibrate import Calibration


@click.command(cls=InvispCommand, context_settings=INVISP)
@click.argument("raws", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--checkpoint", required=True, type=click.Path(path_type=Path), help="Weights of invisp train, .safetensors."
)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Record of scales, a JSON file.")
@click.option(
    "--method",
    type=click.Choice(["maximum", "percentile", "entropy", "mse"]),
    default="mse",
    show_default=True,
    help="How a range is chosen from what was seen.",
)
@click.option("--percentile", type=float, default=99.99, show_default=True, help="For the method percentile.")
@click.option("--max-tiles", type=int, default=48, show_default=True, help="Over all files.")
@click.option("--tile", type=int, default=256, show_default=True, help="Edge of a tile, pixels.")
@click.option("--max-drop", type=float, help="dB of RAW PSNR that int8 may lose; the fewest layers stay fp16 for it.")
@click.option(
    "--held-out", "held", multiple=True, type=click.Path(path_type=Path),
    help="RAW file or folder to measure losses on; default: other places of the same files.",
)  # fmt: skip
@click.option("--held-tiles", type=int, default=12, show_default=True, help="Tiles that losses are measured on.")
@click.option("--held-size", type=int, default=128, show_default=True, help="Edge of such a tile, pixels.")
@click.option("--quality", default=90, show_default=True, type=click.IntRange(1, 100), help="Of the JPEG.")
@click.option("--subsampling", default="4:2:2", show_default=True, type=click.Choice(["4:4:4", "4:2:2", "4:2:0"]))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Equal seeds give equal tiles.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for report.md with pictures; made if absent.")
@click.option("--overwrite", is_flag=True, help="Replace an existing record and report.")
@json_option
@version_option
def main(
    raws: tuple[Path, ...],
    checkpoint: Path,
    output: Path,
    held: tuple[Path, ...],
    report: Path | None,
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
    from invisp_deploy.calibration.calibrate import calibrate
    from invisp_deploy.calibration.files import raw_files
    from invisp_deploy.calibration.options import CalibrationOptions
    from invisp_deploy.calibration.record import write_record
    from invisp_deploy.calibration.report import REPORT_FILES, report_facts, write_report
    from invisp_deploy.network.checkpoint import load_checkpoint

    settings = CalibrationOptions(**options)
    files = raw_files(raws)
    held_files = raw_files(held) if held else []
    check_output(output, overwrite=overwrite)
    if report is not None and not overwrite and (there := [n for n in REPORT_FILES if (report / n).exists()]):
        raise RequestError(f"{report / there[0]} exists already: pass --overwrite, or name another folder.")
    loaded = load_checkpoint(checkpoint)

    def stage(total: int, description: str) -> Any:
        return progress(total, description, quiet=as_json)

    with ExitStack() as stack:
        if report is not None:
            stack.enter_context(output_folder(report))
        calibration = calibrate(loaded, files, settings, held_files, stage)
        text = write_report(report, calibration) if report is not None else None
        write_record(output, calibration.record)
    if as_json:
        print_json({"record": output, "report": text, **report_facts(calibration)})
        return
    _print(calibration, len(files), output, text, checkpoint)


def _print(calibration: Calibration, listed: int, output: Path, report: Path | None, checkpoint: Path) -> None:
    record = calibration.record
    tiles = sum(file.tiles for file in record.files)
    if listed > len(record.files):
        click.echo(f"looked at {len(record.files)} of {listed} files, evenly spread: pass --max-tiles {listed} for all")
    click.echo(f"{'RAW through JPEG':16} dB lost against fp32, {len(calibration.held)} held-out tiles")
    for name, drop in record.drops.items():
        click.echo(f"{name:16} {drop:7.3f}")
    if calibration.search is not None:
        share = (
            f", {calibration.share:.1%} of the work of F, G and H:" if record.kept else ": every convolution is lowered"
        )
        click.echo(f"{len(record.kept)} layers stay fp16{share}")
        for layer in record.kept:
            click.echo(f"  {layer}")
        if calibration.search.drop > record.options["max_drop"]:
            click.echo(
                f"Warning: even all fp16 loses {calibration.search.drop:.3f} dB on these tiles, more than asked for.",
                err=True,
            )
    if report is not None:
        result_line(report, "tables and pictures")
    result_line(
        output,
        f"{len(record.tensors)} scales by {record.method} over {tiles} tiles of {len(record.files)} files",
        f"invisp-export onnx --checkpoint {checkpoint} --precision int8 --scales {output} -o graphs",
    )
