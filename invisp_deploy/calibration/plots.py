"""Pictures of a calibration: ranges, how they settle, what the files cover, what each function costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from invisp_deploy.files import whole_file

if TYPE_CHECKING:
    from invisp_deploy.calibration.calibrate import Calibration

__all__ = ["PICTURES", "draw"]

PICTURES: Final = {
    "ranges": "What each tensor holds: largest magnitude in both directions, and the range that 127 steps span.",
    "convergence": "Ranges after so many files, as shares of the final ones.",
    "coverage": "What the files cover.",
    "sensitivity": "RAW PSNR that each function costs alone at int8.",
}
"""Name of a picture -> its caption."""

_FORWARD, _INVERSE, _CHOSEN, _INK = "#2b6cb0", "#c05621", "#1a202c", "#4a5568"


def draw(folder: Path, calibration: Calibration) -> list[Path]:
    """Write one PNG for each of `PICTURES` into a folder. Raises OutputError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    written = []
    for name, painter, size in (
        ("ranges", _ranges, (12, 6)),
        ("convergence", _convergence, (6, 3.5)),
        ("coverage", _coverage, (8, 3.5)),
        ("sensitivity", _sensitivity, (8, 3.5)),
    ):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        painter(figure, calibration)
        path = folder / f"{name}.png"
        with whole_file(path) as part:
            figure.savefig(part, format="png", dpi=100, metadata={"Software": None})
        written.append(path)
    return written


def _ranges(figure: Any, calibration: Calibration) -> None:
    names = list(calibration.ranges)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    places = np.arange(len(names))
    for offset, direction, colour in ((-0.15, "forward", _FORWARD), (0.15, "inverse", _INVERSE)):
        maxima = [calibration.histograms[name].maxima.get(direction, np.nan) for name in names]
        above.plot(places + offset, maxima, ".", color=colour, markersize=4, label=f"largest, {direction}")
    above.hlines(
        [calibration.ranges[name] for name in names],
        places - 0.45,
        places + 0.45,
        color=_CHOSEN,
        label=f"range ({calibration.record.method})",
    )
    above.set_yscale("log")
    above.set_ylabel("magnitude")
    above.legend(loc="upper right", ncols=3, fontsize=8)
    shares = [max(calibration.record.tensors[name].saturated, 1e-8) for name in names]
    below.bar(places, shares, color=_INK)
    below.set_yscale("log")
    below.set_ylim(1e-7, max(1e-2, 2 * max(shares)))
    below.set_ylabel("share beyond")
    starts = [index for index, name in enumerate(names) if name.endswith(".x2")]
    for axes in (above, below):
        axes.set_xlim(-1, len(names))
        for start in starts:
            axes.axvline(start - 0.5, color="#cbd5e0", linewidth=0.8, zorder=0)
    below.set_xticks(starts, [names[start].partition(".")[0] for start in starts], ha="left", fontsize=8)
    below.set_xlabel("x2, F.relu1 to relu4, y1, G.relu1 to relu4, H.relu1 to relu4 of each block")


def _convergence(figure: Any, calibration: Calibration) -> None:
    axes = figure.subplots()
    counts = list(calibration.convergence)
    axes.plot(counts, [calibration.convergence[count][1] for count in counts], "o-", color=_FORWARD, label="mean")
    axes.plot(counts, [calibration.convergence[count][0] for count in counts], "s--", color=_INVERSE, label="smallest")
    axes.axhline(1, color="#cbd5e0", linewidth=0.8, zorder=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel("files")
    axes.set_ylabel("range / final range")
    axes.legend(fontsize=8)


def _coverage(figure: Any, calibration: Calibration) -> None:
    files = calibration.record.files
    left, right = figure.subplots(1, 2)
    known = [(file.exposure, file.iso) for file in files if file.exposure is not None and file.iso is not None]
    if known:
        left.scatter([pair[0] for pair in known], [pair[1] for pair in known], color=_FORWARD, s=16)
        left.set_xscale("log")
        left.set_yscale("log", base=2)
        isos = sorted({pair[1] for pair in known})
        left.set_yticks(isos, [str(iso) for iso in isos])
    else:
        left.text(0.5, 0.5, "no EXIF", ha="center", va="center", transform=left.transAxes)
    left.set_xlabel("exposure, s")
    left.set_ylabel(f"ISO ({len(known)} of {len(files)} files say)")
    right.hist([file.brightness for file in files if file.brightness is not None], bins=20, range=(0, 1), color=_INK)
    right.set_xlabel("mean of a file's tiles, network's domain")
    right.set_ylabel("files")


def _sensitivity(figure: Any, calibration: Calibration) -> None:
    axes = figure.subplots()
    costs = calibration.record.sensitivity
    kept = {layer if layer in costs else layer.rpartition(".")[0] for layer in calibration.record.kept}
    colours = [_INVERSE if name in kept else _FORWARD for name in costs]
    axes.bar(range(len(costs)), list(costs.values()), color=colours)
    axes.axhline(0, color=_INK, linewidth=0.8)
    axes.set_xticks(range(len(costs)), list(costs), rotation=90, fontsize=8)
    axes.set_ylabel("dB RAW")
    if kept:
        axes.set_title("orange: (partly) left in fp16", fontsize=9)
