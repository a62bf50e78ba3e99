"""What `invisp train --from` and `--quantize` add: where a run starts, and what it writes and says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from invisp_deploy.arithmetic import FP32
from invisp_deploy.calibration.record import ScaleRecord, read_record, write_record
from invisp_deploy.cli.common import result_line
from invisp_deploy.errors import CalibrationError, RequestError

if TYPE_CHECKING:
    from invisp_deploy.training.start import Start

TUNING: Final = {"steps": 1_000, "learning_rate": 5e-5}
"""What a run from given weights does unless told."""

OF_THE_WEIGHTS: Final = (
    "method", "name", "blocks", "growth", "squeeze", "depth", "first",
    "white", "white_balance", "gamma", "cfa",
)  # fmt: skip
"""Options that the weights to start from decide."""


def refuse_settings(weights: Path | None, quantize: Path | None, *, keep: bool) -> None:
    """Raise RequestError for options that go only with others, or that the weights to start from decide."""
    if quantize is not None and weights is None:
        raise RequestError(f"--quantize needs --from WEIGHTS, the weights that {quantize} was measured on.")
    if keep and quantize is None:
        raise RequestError("--keep leaves layers of --quantize RECORD in fp16: pass both or neither.")
    context = click.get_current_context()
    given = [name for name in OF_THE_WEIGHTS if _given(context, name)]
    if weights is not None and given:
        flag = "--config" if given[0] == "name" else f"--{given[0].replace('_', '-')}"
        raise RequestError(f"{flag} is decided by {weights}, which the run starts from: leave it out.")


def starting_point(weights: Path, quantize: Path | None, *, keep: bool) -> tuple[Start, ScaleRecord | None]:
    """The start of a run, and the record of its scales.

    Raises RequestError and CheckpointError for weights, CalibrationError for a record that is damaged or of others.
    """
    from invisp_deploy.network.checkpoint import load_checkpoint
    from invisp_deploy.training.start import Start

    checkpoint = load_checkpoint(weights)
    if quantize is None:
        return Start(checkpoint, FP32), None
    record = read_record(quantize)
    record.check_weights(checkpoint.weights, str(quantize))
    if record.config != checkpoint.config:
        raise CalibrationError(f"{quantize} is of {record.config}, {weights} of {checkpoint.config}: calibrate again.")
    record = record if keep else replace(record, kept=())
    start = Start(checkpoint, record.arithmetic("int8"))
    start.check(checkpoint.config, checkpoint.contract)
    return start, record


def write_scales(path: Path, record: ScaleRecord, weights: str, card: Mapping[str, Any]) -> None:
    """The record of the new weights: the scales that they were trained with."""
    note = {"fine_tuned": {**card["run"]["start"], "run": card["run"]}}
    write_record(path, record.for_weights(weights, note))
    result_line(path, f"{len(record.tensors)} scales for weights {weights[:12]}")


def comparison(columns: Mapping[str, Mapping[str, float]], files: int) -> list[str]:
    """Lines of a table, metric by column, in dB."""
    width = max(map(len, columns)) + 2
    lines = [f"mean of {files} held-out files through JPEG files, dB"]
    lines.append(f"{'':15}" + "".join(f"{name:>{width}}" for name in columns))
    for metric in next(iter(columns.values())):
        lines.append(f"{metric:15}" + "".join(f"{figures[metric]:{width}.2f}" for figures in columns.values()))
    return lines


def _given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT
