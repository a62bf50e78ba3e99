"""The log of a run for TensorBoard. Importing this needs the package `tensorboard`, of the extra of that name."""

from __future__ import annotations

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from invisp_deploy.training.crops import Measured
from invisp_deploy.training.folder import LOG_FILE, read_log
from invisp_deploy.training.loop import Report


class Board:
    """Writes what `log.jsonl` and `samples/` have into the same folder. Of a resumed run, on from its last line."""

    def __init__(self, folder: Path) -> None:
        lines = read_log(folder / LOG_FILE)
        self._writer = SummaryWriter(
            str(folder / "tensorboard"), purge_step=int(lines[-1]["step"]) + 1 if lines else None
        )

    def report(self, report: Report) -> None:
        self._scalars({name: value for name, value in vars(report).items() if name != "step"}, report.step)

    def measured(self, measured: Measured) -> None:
        figures = {name: value for name, value in measured.to_dict().items() if name.endswith(("psnr", "clipped"))}
        self._scalars(figures, measured.step)
        self._writer.add_image("samples", measured.picture, measured.step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()

    def _scalars(self, figures: dict[str, float | None], step: int) -> None:
        for name, value in figures.items():
            if value is not None:
                self._writer.add_scalar(name, value, step)
