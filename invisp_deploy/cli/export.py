"""`invisp-export`: checkpoints to ONNX, and the group with `engine`."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from invisp_deploy.arithmetic import QUANTISED, Arithmetic
from invisp_deploy.cli.common import (
    INVISP,
    InvispCommand,
    InvispGroup,
    json_option,
    needs_extra,
    print_json,
    result_line,
    version_option,
)
from invisp_deploy.cli.engine import engine_command
from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.graph_card import FORMS, PRECISIONS

if TYPE_CHECKING:
    from typing import Any

    from invisp_deploy.calibration.record import ScaleRecord

__all__ = ["main"]


@click.group(cls=InvispGroup, context_settings=INVISP)
@version_option
def main() -> None:
    """Write the network as ONNX graphs that need no PyTorch, and such graphs as TensorRT engines."""


main.add_command(engine_command)


@main.command("onnx", cls=InvispCommand, context_settings=INVISP)
@click.option(
    "--checkpoint", type=click.Path(path_type=Path), required=True, help="Weights: .safetensors, or the authors' .pth."
)
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), required=True, help="Folder for graphs and report."
)
@click.option("--config", "name", type=click.Choice(list(CONFIGURATIONS)), help="Network of a .pth by name [paper].")
@click.option("--blocks", type=int, help="Network of a .pth: coupling blocks [8].")
@click.option("--growth", type=int, help="Network of a .pth: channels that each inner convolution adds [32].")
@click.option("--squeeze", type=int, help="Network of a .pth: edge of the pixel square folded into channels [1].")
@click.option(
    "--contract", "contract_file", type=click.Path(path_type=Path), help="Camera contract of a .pth, a JSON file."
)
@click.option(
    "--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True, help="Arithmetic of F, G and H."
)
@click.option("--scales", type=click.Path(path_type=Path), help="Record of invisp-calibrate; int8 and fp8 need it.")
@click.option(
    "--io",
    "form",
    type=click.Choice(FORMS),
    default="mosaic",
    show_default=True,
    help="A camera's mosaic and a picture's codes, or float tensors for training and research.",
)
@click.option("--opset", type=click.Choice(["17", "18", "19"]), help="ONNX operator set [17; fp8: 19].")
@click.option("--overwrite", is_flag=True, help="Replace the files of an earlier export.")
@json_option
def onnx_command(
    checkpoint: Path,
    folder: Path,
    name: str | None,
    blocks: int | None,
    growth: int | None,
    squeeze: int | None,
    contract_file: Path | None,
    precision: str,
    scales: Path | None,
    form: str,
    opset: str | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write forward.onnx, inverse.onnx, golden arrays and a report.

    Nothing is left in the folder unless ONNX Runtime computes with both graphs what PyTorch computes with
    the checkpoint, and the way there and back returns to its start. Checkpoints of invisp-train carry their
    network and camera contract; the authors' .pth files do not, and take them from the options.

    \b
      invisp-export onnx --checkpoint camera.safetensors -o build/camera
      invisp-export onnx --checkpoint camera.safetensors --precision int8 --scales scales.json -o build/int8
      invisp-export onnx --checkpoint canon.pth --config paper --contract canon.json -o build/canon
    """
    config = _config(name, blocks, growth, squeeze)
    arithmetic, record = _arithmetic(precision, scales)
    contract = None if contract_file is None else _contract(contract_file)
    for package in ("torch", "safetensors", "onnx", "onnxruntime"):
        with needs_extra(package, "export"):
            importlib.import_module(package)
    from invisp_deploy.export.write import export_onnx
    from invisp_deploy.network.checkpoint import load_checkpoint

    loaded = load_checkpoint(checkpoint, config=config, contract=contract)
    if record is not None:
        record.check_weights(loaded.weights, str(scales))
    number = None if opset is None else int(opset)
    report = export_onnx(loaded, folder, arithmetic=arithmetic, form=form, opset=number, overwrite=overwrite)
    for warning in report["warnings"]:
        click.echo(f"Warning: {warning}", err=True)
    if as_json:
        print_json({"folder": str(folder), **report})
        return
    _print(folder, report)


def _arithmetic(precision: str, scales: Path | None) -> tuple[Arithmetic, ScaleRecord | None]:
    from invisp_deploy.calibration.record import read_record

    if precision not in QUANTISED:
        if scales is not None:
            raise RequestError(f"--scales belongs to {' and '.join(QUANTISED)}, --precision {precision} has none.")
        return Arithmetic(precision), None
    if scales is None:
        raise RequestError(
            f"--precision {precision} needs --scales, the record that `invisp-calibrate` measures on RAW files."
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


def _config(name: str | None, blocks: int | None, growth: int | None, squeeze: int | None) -> NetworkConfig | None:
    given: dict[str, Any] = {
        key: value for key, value in (("blocks", blocks), ("growth", growth), ("squeeze", squeeze)) if value is not None
    }
    if name is not None and given:
        raise RequestError(f"--config {name} names a whole network: leave out --{' and --'.join(given)}, or --config.")
    if name is not None:
        return CONFIGURATIONS[name]
    return NetworkConfig(**given) if given else None


def _contract(path: Path) -> CameraContract:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"The camera contract {path} could not be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise RequestError(f"The camera contract {path} is not JSON: {error}.") from error
    if not isinstance(data, dict):
        raise RequestError(f"The camera contract {path} must be a JSON object, got {type(data).__name__}.")
    return CameraContract.from_dict(data)


if __name__ == "__main__":
    main()
