"""`invisp export onnx`: weights to two graphs, golden arrays and a report."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from invisp_deploy.arithmetic import QUANTISED, Arithmetic
from invisp_deploy.cli.common import InvispCommand, needs_extra, print_json, result_line
from invisp_deploy.cli.options import PATH, json_option, output_option, overwrite_option
from invisp_deploy.errors import RequestError
from invisp_deploy.graph_card import FORMS, PRECISIONS

if TYPE_CHECKING:
    from typing import Any

    from invisp_deploy.calibration.record import ScaleRecord


@click.command("onnx", cls=InvispCommand)
@click.option("--checkpoint", type=PATH, required=True, help="Weights, .safetensors.")
@output_option("Folder for graphs and report.")
@click.option(
    "--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True, help="Arithmetic of F, G and H."
)
@click.option("--scales", type=PATH, help="Record of `invisp calibrate`; int8 and fp8 need it.")
@click.option(
    "--io",
    "form",
    type=click.Choice(FORMS),
    default="mosaic",
    show_default=True,
    help="A camera's mosaic and a picture's codes, or float tensors for training and research.",
)
@click.option("--opset", type=click.Choice(["17", "18", "19"]), help="ONNX operator set [17; fp8: 19].")
@overwrite_option
@json_option
def onnx_command(
    checkpoint: Path,
    output: Path,
    precision: str,
    scales: Path | None,
    form: str,
    opset: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write forward.onnx, inverse.onnx, golden arrays and a report.

    Nothing is left in the folder unless ONNX Runtime computes with both graphs what PyTorch computes with
    the weights, and the way there and back returns to its start. The authors' .pth files say nothing of their
    camera: `invisp-export checkpoint` turns them into weights that do.

    \b
      invisp-export onnx --checkpoint camera.safetensors -o build/camera
      invisp-export onnx --checkpoint camera.safetensors --precision int8 --scales scales.json -o build/int8
    """
    arithmetic, record = _arithmetic(precision, scales)
    for package in ("torch", "safetensors", "onnx", "onnxruntime"):
        with needs_extra(package, "export"):
            importlib.import_module(package)
    from invisp_deploy.export.write import export_onnx
    from invisp_deploy.network.checkpoint import load_checkpoint

    loaded = load_checkpoint(checkpoint)
    if record is not None:
        record.check_weights(loaded.weights, str(scales))
    number = None if opset is None else int(opset)
    report = export_onnx(loaded, output, arithmetic=arithmetic, form=form, opset=number, overwrite=overwrite)
    for warning in report["warnings"]:
        click.echo(f"Warning: {warning}", err=True)
    if as_json:
        print_json({"folder": str(output), **report})
        return
    _print(output, report)


def _arithmetic(precision: str, scales: Path | None) -> tuple[Arithmetic, ScaleRecord | None]:
    from invisp_deploy.calibration.record import read_record

    if precision not in QUANTISED:
        if scales is not None:
            raise RequestError(f"--scales belongs to {' and '.join(QUANTISED)}, --precision {precision} has none.")
        return Arithmetic(precision), None
    if scales is None:
        raise RequestError(
            f"--precision {precision} needs --scales, the record that `invisp calibrate` measures on RAW files."
        )
    record = read_record(scales)
    return record.arithmetic(precision), record


def _print(folder: Path, report: dict[str, Any]) -> None:
    exact = report["precision"] == "fp32"
    forward, inverse = folder / "forward.onnx", folder / "inverse.onnx"
    for path, direction, key in ((forward, "RAW -> picture", "forward"), (inverse, "picture -> RAW", "inverse")):
        count = sum(report["operators"][path.name].values())
        worst, decibels = report["worst"][key], report["worst"][f"{key}_psnr"]
        near = f"within {worst:.1e} of PyTorch" if exact else f"at least {decibels:.1f} dB to fp32"
        result_line(path, f"{report['precision']}, {direction}, {count} nodes, {near}")
    if report["kept"]:
        click.echo(f"fp16: {', '.join(report['kept'])}")
    result_line(
        folder / "report.json",
        f"round trip within {report['worst']['round_trip']:.1e} ({report['worst']['round_trip_psnr']:.1f} dB), "
        f"{len(report['parity'])} shapes compared",
        f"invisp-run --engine {forward} photo.CR2 -o photo.jpg",
    )
