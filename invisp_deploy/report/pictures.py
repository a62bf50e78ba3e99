"""A sheet of pictures: rows and columns with their names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.report.figures import write_figure

_WIDTH: Final = 2.4
"""Inches of a column, of a hundred pixels."""


def draw_pictures(
    path: Path, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[npt.NDArray[np.uint8]]]]
) -> None:
    """Write a PNG. columns: what stands over each; rows: what stands left of each, and its pictures. Raises
    OutputError.
    """
    height, width = rows[0][1][0].shape[:2]
    size = (_WIDTH * len(columns) + 0.3, _WIDTH * height / width * len(rows) + 0.3)
    write_figure(path, partial(_sheet, columns=columns, rows=rows), size)


def _sheet(figure: Any, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[npt.NDArray[np.uint8]]]]) -> None:
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for places, (label, pictures) in zip(grid, rows, strict=True):
        for axes, pixels in zip(places, pictures, strict=True):
            axes.imshow(pixels)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_frame_on(False)
        places[0].set_ylabel(label.replace(", ", ",\n"), fontsize=8)
    for axes, title in zip(grid[0], columns, strict=True):
        axes.set_title(title, fontsize=9)
