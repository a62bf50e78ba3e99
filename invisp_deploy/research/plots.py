"""The pictures of the experiments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from invisp_deploy.contract import CameraContract
from invisp_deploy.dataset.open import Dataset
from invisp_deploy.files import whole_file
from invisp_deploy.report.sheet import FULL_SCALE, error_map
from invisp_deploy.research.areas import Settings, areas_of
from invisp_deploy.research.methods import Method
from invisp_deploy.research.protocol import recover_area


def draw_training(path: Path, methods: Sequence[Method]) -> bool:
    """PSNR of the held-out crops against optimiser time, RGB and RAW; False (no picture) where no log has any."""
    curves = {
        name: [(method.label, _curve(method.log, name)) for method in methods if _curve(method.log, name)]
        for name in ("rgb_psnr", "raw_psnr")
    }
    if not any(curves.values()):
        return False

    colours = {method.label: f"C{index}" for index, method in enumerate(methods)}

    def draw(axes: Any) -> None:
        for axis, (name, lines) in zip(axes, curves.items(), strict=True):
            for label, points in lines:
                axis.plot(*zip(*points, strict=True), label=label, linewidth=1.4, color=colours[label])
            axis.set_xlabel("optimiser time, minutes")
            axis.set_ylabel(f"{name.removesuffix('_psnr').upper()} PSNR of held-out crops, dB")
            axis.legend(fontsize=7)

    _figure(path, 2, draw)
    return True


def draw_rate(path: Path, facts: Mapping[str, Any]) -> None:
    """RAW and RGB PSNR against bits per pixel; every point is a JPEG quality."""

    def draw(axes: Any) -> None:
        for axis, name in zip(axes, ("raw-psnr", "rgb-psnr"), strict=True):
            for row in facts["rows"]:
                points = row["points"]
                x, y = ([point[key] for point in points] for key in ("bits per pixel", name))
                axis.plot(x, y, marker="o", markersize=3, label=row["label"])
                for point, a, b in zip(points, x, y, strict=True):
                    axis.annotate(str(point["quality"]), (a, b), fontsize=6, xytext=(3, -7), textcoords="offset points")
            axis.set_xlabel("JPEG, bits per pixel")
            axis.set_ylabel(f"{name}, dB")
            axis.legend(fontsize=7)

    _figure(path, 2, draw)


def draw_error_maps(
    path: Path, methods: Sequence[Method], dataset: Dataset, contract: CameraContract, settings: Settings
) -> None:
    """The liveliest area of the test files: LibRaw's rendering, then |difference| of each method's RAW.

    Whole files are shown by a tile of `settings.tile_size` in their middle. Files are at most the first 8.
    """
    places = [
        (shot, (_middle(window[0], settings.tile_size), _middle(window[1], settings.tile_size)))
        for shot in dataset.shots("test")[:8]
        for window in areas_of(shot, contract, settings)
    ]
    shot, window = max(places, key=lambda place: float(place[0].target(place[1]).std()))
    panels: list[tuple[str, npt.NDArray[np.uint8]]] = []
    with TemporaryDirectory() as folder:
        for method in methods:
            network = method.network(shot.facts.brightest_frame())
            trial = recover_area(network, dataset, shot, contract, window, settings, Path(folder), own=method.renders)
            if not panels:
                panels.append((f"{shot.name}, LibRaw", trial.target))
            panels.append((method.label, error_map(trial.recovered, trial.mosaic, trial.levels)))

    def draw(axes: Any) -> None:
        for axis in axes:
            axis.set_axis_off()
        for axis, (title, pixels) in zip(axes, panels, strict=False):  # the last row may be short
            axis.imshow(pixels, interpolation="nearest")
            axis.set_title(title, fontsize=8)

    _figure(path, len(panels), draw, f"|RAW - recovered RAW|, white from {FULL_SCALE:.0%} of full scale on", 2.4)


def _curve(log: Sequence[Mapping[str, Any]], name: str) -> list[tuple[float, float]]:
    """Minutes and dB of the lines that hold the figure; such a line without a time has that of the last before it.

    A method that does not render has no figure of its rendering: its lines say null.
    """
    points, seconds = [], 0.0
    for line in log:
        seconds = float(line.get("seconds", seconds))
        if line.get(name) is not None:
            points.append((seconds / 60, float(line[name])))
    return points


def _middle(side: slice, size: int) -> slice:
    start = side.start + max(0, (side.stop - side.start - size) // 4 * 2)
    return slice(start, min(start + size, side.stop))


def _figure(path: Path, panels: int, draw: Callable[[Any], None], title: str = "", side: float = 4.6) -> None:
    """At most four panels a row; `draw` gets the axes of all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(panels, 4)
    rows = -(-panels // columns)
    figure = Figure(figsize=(side * columns, side * (1.1 if title else 0.8) * rows), layout="constrained")
    FigureCanvasAgg(figure)
    draw(figure.subplots(rows, columns, squeeze=False).ravel())
    if title:
        figure.suptitle(title, fontsize=9)
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=130)
