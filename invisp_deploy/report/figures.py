"""Figures of matplotlib as PNG files: whole or not at all, and the same bytes for the same figure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from invisp_deploy.files import whole_file


def write_figure(path: Path, draw: Callable[[Any], None], size: tuple[float, float], dpi: int = 100) -> None:
    """Write what `draw` puts on a `matplotlib.figure.Figure` of `size` inches, which it may change.

    No window system is asked for, and the file names no version of matplotlib. Raises OutputError.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure)
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=dpi, metadata={"Software": None})
