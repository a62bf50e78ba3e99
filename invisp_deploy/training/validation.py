"""Validation as the product is used: whole RAW files through real JPEG files on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import ContractError
from invisp_deploy.evaluation.metrics import Metrics
from invisp_deploy.evaluation.roundtrip import round_trips
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.graph_card import Direction
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.network.lowered import lowered
from invisp_deploy.rendering.model import Model
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.runtimes.around import StepsAround
from invisp_deploy.runtimes.torch_ import TorchRuntime
from invisp_deploy.training.method import Start


def check_held_out(paths: Sequence[Path], contract: CameraContract) -> None:
    """Open every held-out file, so that a bad one is known before hours of training, not after.

    Raises ContractError for a file of another camera, RawFileError for one that does not open.
    """
    for path in paths:
        frame = read_raw(path)
        if not contract.accepts(frame.make, frame.model):
            raise ContractError(
                f"The held-out {path} is from {frame.camera or 'an unknown camera'}, the training is for "
                f"{contract.camera}: take it out."
            )


def validate(
    checkpoint: Checkpoint,
    paths: Sequence[Path],
    options: RunOptions,
    on_file: Callable[[Path], object] = lambda path: None,
) -> dict[str, Metrics]:
    """`evaluation.roundtrip.round_trips` of the checkpoint in PyTorch.

    RGB is compared with LibRaw's rendering whatever the look, for a RAW file has no other.
    """
    forward, inverse = (StepsAround(TorchRuntime(checkpoint, direction)) for direction in Direction)
    with Model.of("in training", forward, inverse) as model:
        return round_trips(paths, model, options, on_file)


def validate_tuned(
    start: Start,
    tuned: Checkpoint,
    paths: Sequence[Path],
    options: RunOptions,
    on_file: Callable[[Path], object] = lambda path: None,
) -> dict[str, dict[str, Metrics]]:
    """What `validate` finds for "fp32 before", "int8 before", "int8 after" and "fp32 after" a fine-tuning in int8.

    "int8" is the precision of the run; one in fp32 has no such columns.
    """
    precision = start.arithmetic.precision
    plain = {"fp32 before": start.checkpoint, "fp32 after": tuned}
    trained = {
        f"{precision} {name.split()[1]}": replace(one, network=lowered(one.network, start.arithmetic))
        for name, one in plain.items()
    }
    order = dict.fromkeys(("fp32 before", f"{precision} before", f"{precision} after", "fp32 after"))
    return {name: validate((trained | plain)[name], paths, options, on_file) for name in order}
