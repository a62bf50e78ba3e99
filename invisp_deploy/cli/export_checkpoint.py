"""`invisp export checkpoint`: the authors' .pth to weights that say what they are."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import click

from invisp_deploy.cli.common import InvispCommand, needs_extra, print_json, result_line
from invisp_deploy.cli.options import PATH, json_option, output_option, overwrite_option
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import MissingFileError, RequestError
from invisp_deploy.files import check_output
from invisp_deploy.plain_json import parse_json


@click.command("checkpoint", cls=InvispCommand)
@click.argument("weights", type=PATH)
@click.option("--contract", type=PATH, help="Camera contract of the weights, a JSON file.")
@output_option("Weights with their network and contract, .safetensors.")
@overwrite_option
@json_option
def checkpoint_command(weights: Path, contract: Path | None, output: Path, overwrite: bool, as_json: bool) -> None:
    """Convert a checkpoint of the authors' code, once, for everything here that takes weights.

    Blocks, growth and squeeze are those of its tensors. What it expects of a RAW file is in no tensor: the camera
    contract says it (docs/contract.md).

    \b
      invisp-export checkpoint canon.pth --contract canon.json -o canon.safetensors
    """
    meant = _read_contract(contract)
    if output.suffix != ".safetensors":
        raise RequestError(f"Weights are a .safetensors file, got {output}: name the output so.")
    check_output(output, overwrite=overwrite)
    for package in ("torch", "safetensors"):
        with needs_extra(package, "export"):
            importlib.import_module(package)
    from invisp_deploy.network.checkpoint import load_authors, save_checkpoint

    loaded = load_authors(weights, meant)
    save_checkpoint(output, loaded)
    if as_json:
        facts = {"config": loaded.config.to_dict(), "contract": meant.to_dict(), "weights": loaded.weights}
        print_json({"path": output, **facts})
        return
    camera = meant.camera or "tied to no camera"
    what = f"{loaded.config}, {camera}, weights {loaded.weights[:12]}"
    result_line(output, what, f"invisp-export onnx --checkpoint {output} -o {output.with_suffix('')}")


def _read_contract(path: Path | None) -> CameraContract:
    if path is None:
        example = json.dumps(CameraContract("Canon", "Canon EOS 5D").to_dict())
        raise RequestError(
            "--contract is missing: the file says what the weights expect of a RAW file (levels, white balance, gamma, "
            f"CFA), which no tensor tells and nothing guesses. Write down how they were trained, such as {example}; "
            "docs/contract.md explains each field."
        )
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingFileError(f"There is no camera contract {path}.") from error
    except OSError as error:
        raise RequestError(f"The camera contract {path} could not be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise RequestError(f"The camera contract {path} is not JSON: {error}.") from error
    if not isinstance(data, dict):
        raise RequestError(f"The camera contract {path} must be a JSON object, got {type(data).__name__}.")
    return CameraContract.from_dict(data)
