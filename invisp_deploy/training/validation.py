"""Validation as the product is used: whole RAW files through real JPEG files on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import ContractError
from invisp_deploy.evaluation.metrics import raw_psnr, raw_psnr_paper, rgb_psnr
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.levels import levels_of
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.rendering.files import RunOptions, recover_file, render_file
from invisp_deploy.runtimes.torch_ import TorchRuntime
from invisp_deploy.training.start import Start

__all__ = ["check_held_out", "mean_metrics", "validate", "validate_tuned"]


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
) -> dict[str, dict[str, float]]:
    """File name -> `rgb-psnr`, `raw-psnr-paper`, `raw-psnr` (see evaluation.metrics) of every RAW file.

    Files that share their name are told apart by their path.
    """
    names = [path.name for path in paths]
    forward = TorchRuntime(checkpoint, Direction.FORWARD)
    inverse = TorchRuntime(checkpoint, Direction.INVERSE)
    figures = {}
    for path in paths:
        with TemporaryDirectory() as folder:
            jpeg, dng = Path(folder) / "photo.jpg", Path(folder) / "photo.dng"
            render_file(path, jpeg, forward, options)
            recover_file(jpeg, dng, inverse, options)
            frame, recovered, picture = read_raw(path), read_raw(dng), read_picture(jpeg)
        levels = levels_of(frame, checkpoint.contract)
        pixels = picture.pixels.astype(np.uint8, copy=False)
        if picture.record is not None:
            pixels = pixels[picture.record.border.cut(*pixels.shape[:2])]
        figures[path.name if names.count(path.name) == 1 else str(path)] = {
            "rgb-psnr": rgb_psnr(pixels, render_libraw(path)),
            "raw-psnr-paper": raw_psnr_paper(recovered.mosaic, frame.mosaic, levels),
            "raw-psnr": raw_psnr(recovered.mosaic, frame.mosaic, levels),
        }
        on_file(path)
    return figures


def validate_tuned(
    start: Start,
    tuned: Checkpoint,
    paths: Sequence[Path],
    options: RunOptions,
    on_file: Callable[[Path], object] = lambda path: None,
) -> dict[str, dict[str, dict[str, float]]]:
    """What `validate` finds for "fp32 before", "int8 before", "int8 after" and "fp32 after" a fine-tuning in int8.

    "int8" is the precision of the run; one in fp32 has no such columns.
    """
    precision = start.arithmetic.precision
    plain = {"fp32 before": start.checkpoint, "fp32 after": tuned}
    lowered = {
        f"{precision} {when}": replace(plain[f"fp32 {when}"], network=start.computing(plain[f"fp32 {when}"].network))
        for when in ("before", "after")
    }
    order = dict.fromkeys(("fp32 before", f"{precision} before", f"{precision} after", "fp32 after"))
    return {name: validate((lowered | plain)[name], paths, options, on_file) for name in order}


def mean_metrics(figures: dict[str, dict[str, float]]) -> dict[str, float]:
    """Mean of each metric over files."""
    names = next(iter(figures.values()), {})
    return {name: float(np.mean([figure[name] for figure in figures.values()])) for name in names}
