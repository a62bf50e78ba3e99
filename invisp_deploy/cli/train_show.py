"""What `invisp train` shows of a run while it goes on: a bar, and TensorBoard where it was asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invisp_deploy.cli.common import needs_extra, progress
from invisp_deploy.errors import InvispError

if TYPE_CHECKING:
    from invisp_deploy.training.held_out import Measured
    from invisp_deploy.training.loop import Report
    from invisp_deploy.training.tensorboard import Board


class Display:
    """The callbacks of a run. last: the held-out crops as they were measured last."""

    def __init__(self, bar: Any, board: Board | None) -> None:
        self._bar, self._board = bar, board
        self.last: dict[str, Any] | None = None

    def report(self, report: Report) -> None:
        self._bar.update(report.step - self._bar.n)
        self._bar.set_postfix(rgb=f"{report.rgb_loss:.4f}", raw=f"{report.raw_loss:.4f}")
        if self._board is not None:
            self._board.report(report)

    def measured(self, measured: Measured) -> None:
        self.last = measured.to_dict()
        if self._board is not None:
            self._board.measured(measured)


@contextmanager
def showing(steps: int, folder: Path, *, first: bool, tensorboard: bool) -> Iterator[Display]:
    """A display of a run in that folder, silent but for the first process.

    Raises MissingExtraError without the package `tensorboard`, in every process.
    """
    board = None
    if tensorboard:
        with needs_extra("tensorboard", "tensorboard"):
            from invisp_deploy.training.tensorboard import Board
        if first:
            board = Board(folder, _last_step(folder))
    try:
        with progress(steps, "training", quiet=not first) as bar:
            display = Display(bar, board)
            display.last = _last_measured(folder)
            yield display
    finally:
        if board is not None:
            board.close()


@contextmanager
def one_voice(*, first: bool) -> Iterator[None]:
    """Let the first process alone say what went wrong; the others leave with the same exit code."""
    try:
        yield
    except InvispError as error:
        if first:
            raise
        sys.exit(error.exit_code)


def _last_measured(folder: Path) -> dict[str, Any] | None:
    """For a run that was finished already."""
    return next((line for line in reversed(_lines(folder)) if "crops" in line), None)


def _last_step(folder: Path) -> int:
    lines = _lines(folder)
    return int(lines[-1]["step"]) if lines else 0


def _lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
