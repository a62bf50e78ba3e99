"""How `invisp train` ends: held-out files measured, weights with their card, CARD.md, what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invisp_deploy.cli.common import progress, result_line
from invisp_deploy.cli.train_source import TrainingFiles
from invisp_deploy.cli.tuning import comparison, write_scales
from invisp_deploy.files import write_whole

if TYPE_CHECKING:
    from invisp_deploy.calibration.record import ScaleRecord
    from invisp_deploy.network.checkpoint import Checkpoint
    from invisp_deploy.training.loop import Trained
    from invisp_deploy.training.run import Run
    from invisp_deploy.training.start import Start


def finish(
    output: Path,
    run: Run,
    trained: Trained,
    files: TrainingFiles,
    start: Start | None,
    record: ScaleRecord | None,
    crops: dict[str, Any] | None,
) -> None:
    """Write and say what a run came to. crops: figures of the held-out crops at its end."""
    from invisp_deploy.network.checkpoint import Checkpoint, weights_hash
    from invisp_deploy.network.invisp import InvISP
    from invisp_deploy.training.method import saver

    made = output / "weights.safetensors"
    card = {**trained.card, "files": run.source.files}
    if crops is not None:
        card["crops"] = crops
        click.echo(_crops_line(crops, trained.seconds))
    if files.held and isinstance(trained.network, InvISP):
        card |= _validated(Checkpoint(trained.network, run.contract, card), run, files.held, start, record)
    saver(run.contract)(made, trained.network, card)
    weights = weights_hash(trained.network)
    write_whole(output / "CARD.md", _card(run, card, trained, weights))
    if run.config is None:
        result_line(made, f"weights {weights[:12]}", f"invisp research table1 --help: {made} is its {run.method}")
        return
    export = f"invisp-export onnx --checkpoint {made}"
    if record is not None:
        write_scales(output / "scales.json", record, weights, card)
        export += f" --precision int8 --scales {output / 'scales.json'}"
    result_line(made, f"weights {weights[:12]}", f"{export} -o {output / 'onnx'}")


def _validated(
    checkpoint: Checkpoint, run: Run, held: tuple[Path, ...], start: Start | None, record: ScaleRecord | None
) -> dict[str, Any]:
    """What the card says of held-out files: measured through JPEG files on disk, and said."""
    from invisp_deploy.rendering.options import RunOptions
    from invisp_deploy.training.validation import mean_metrics, validate, validate_tuned

    quality, subsampling = run.jpeg.typical
    options = RunOptions(quality=quality, subsampling=subsampling)
    if start is None:
        with progress(len(held), "validating") as bar:
            figures = validate(checkpoint, held, options, on_file=lambda path: bar.update(1))
        for name, value in mean_metrics(figures).items():
            click.echo(f"{name:15} {value:6.2f} dB, mean of {len(figures)} held-out files through JPEG files")
        return {"validation": figures}
    with progress(len(held) * (2 if record is None else 4), "validating") as bar:
        compared = validate_tuned(start, checkpoint, held, options, on_file=lambda path: bar.update(1))
    columns = {name: mean_metrics(figures) for name, figures in compared.items()}
    for line in comparison(columns, len(held)):
        click.echo(line)
    return {"validation": compared["fp32 after"], "compared": columns}


def _crops_line(crops: dict[str, Any], seconds: float) -> str:
    figures = [f"{name} {crops[name]:.2f} dB" for name in ("rgb_psnr", "raw_psnr") if crops[name] is not None]
    return f"{', '.join(figures)} on crops of {crops['crops']} files; {seconds:.1f} s of optimiser steps"


def _card(run: Run, card: dict[str, Any], trained: Trained, weights: str) -> str:
    from invisp_deploy.benchmark.machine import versions
    from invisp_deploy.device.machine import read_machine
    from invisp_deploy.graph_card import Direction
    from invisp_deploy.research.rivals.cost import macs_per_pixel
    from invisp_deploy.training.card import card_text

    counted = macs_per_pixel(trained.network, Direction.INVERSE) if run.config is None else run.config.macs_per_pixel
    return card_text(run, card, macs=counted, weights=weights, machine=read_machine().to_dict() | versions())
