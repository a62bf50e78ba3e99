"""Pictures of a measurement: latency of each case, cost against size."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from invisp_deploy.files import whole_file

PICTURES: Final = {
    "latency": "Milliseconds a call: bars to p50, lines to p99; one panel for each direction and tile.",
    "sizes": "Whole frames: seconds and peak memory against megapixels, with the straight lines.",
}
"""Name of a picture -> its caption."""

_COLOURS: Final = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1")


def draw(folder: Path, result: Mapping[str, Any]) -> list[Path]:
    """Write a PNG for those of `PICTURES` that the result has data for. Raises OutputError."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    written = []
    for name, painter, there in (("latency", _latency, result["cases"]), ("sizes", _sizes, result["sizes"])):
        if not there:
            continue
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        painter(figure, there)
        path = folder / f"{name}.png"
        with whole_file(path) as part:
            figure.savefig(part, format="png", dpi=100, metadata={"Software": None})
        written.append(path)
    return written


def _latency(figure: Any, rows: Any) -> None:
    panels: dict[str, list[Any]] = {}
    for row in rows:
        panels.setdefault(f"{row['direction']} {row['tile']}", []).append(row)
    figure.set_size_inches(9, 0.8 + sum(0.5 + 0.32 * len(group) for group in panels.values()))
    heights = [1 + len(group) for group in panels.values()]
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, (name, group) in zip(axes, panels.items(), strict=True):
        places = range(len(group))
        middle = [row["p50_ms"] for row in group]
        beyond = [row["p99_ms"] - row["p50_ms"] for row in group]
        panel.barh(places, middle, color=_COLOURS[0])
        panel.errorbar(middle, places, xerr=([0] * len(group), beyond), fmt="none", ecolor="#1a202c", capsize=3)
        panel.set_yticks(places, [_name(row) for row in group], fontsize=8)
        panel.invert_yaxis()
        panel.set_xlim(left=0)
        panel.set_title(name, fontsize=9, loc="left")
    axes[-1].set_xlabel("ms")


def _sizes(figure: Any, curves: Any) -> None:
    figure.set_size_inches(9, 3.8)
    panels = figure.subplots(1, 2)
    for panel, name, label in zip(panels, ("seconds", "peak_mb"), ("s", "peak memory, MB"), strict=True):
        for index, curve in enumerate(curves):
            colour = _COLOURS[index % len(_COLOURS)]
            pixels = [row["megapixels"] for row in curve["rows"]]
            panel.plot(pixels, [row[name] for row in curve["rows"]], "o", color=colour, label=curve["graph"])
            if curve[name] is not None:
                ends = (0, max(pixels))
                panel.plot(ends, [curve[name]["a"] + curve[name]["b"] * end for end in ends], "-", color=colour)
        panel.set_xlabel("megapixels")
        panel.set_ylabel(label)
        panel.set_ylim(bottom=0)
    panels[0].legend(fontsize=7)


def _name(row: Mapping[str, Any]) -> str:
    words = (row["label"], row["runtime"], row["configuration"], row["precision"], row["form"])
    return " ".join(word for word in words if word and word != "tensor")
