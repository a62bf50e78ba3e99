"""A table over RAW files as Markdown, as lines for a terminal and as a picture: a model beside its rival."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from invisp_deploy.report.figures import write_figure
from invisp_deploy.report.markdown import number, table

Facts = Mapping[str, Any]
"""What `evaluation.files.measure_files` finds."""

_SHOWN: Final = {
    "rgb-psnr": "RGB",
    "raw-psnr-paper": "RAW (paper)",
    "raw-psnr": "RAW",
    "raw-psnr-unclipped": "RAW unclipped",
}
"""Metric -> its head in tables."""

_DRAWN: Final = {"rgb-psnr": "RGB PSNR, dB", "raw-psnr-unclipped": "RAW PSNR of unclipped pixels, dB"}
"""Metric -> label of its axis."""

_BETTER, _WORSE = "#2f855a", "#c53030"
_RING: Final[Mapping[str, Any]] = {"markersize": 8, "markerfacecolor": "white", "markeredgecolor": "#718096"}


def files_page(facts: Facts, picture: str = "files.png") -> str:
    """Markdown without a heading, so that it stands in a page. picture: link to what `draw_files` writes."""
    ours, theirs = facts["model"]["name"], facts["against"]["name"]
    rows = [
        (
            row["file"],
            row["camera"] or "–",
            _megapixels(row),
            f"{row['clipped']:.2%}",
            *(_beside(row, metric) for metric in _SHOWN),
        )
        for row in facts["files"]
    ]
    mean = ("**mean**", "", "", "", *(f"**{_beside(facts['mean'], metric)}**" for metric in _SHOWN))
    lines = [
        f"Whole files through real JPEG files, quality {facts['quality']}, {facts['subsampling']}, in dB: `{theirs}` → "
        f"`{ours}` (the difference).",
        "",
        table(("file", "camera", "MP", "clipped", *_SHOWN.values()), [*rows, mean]),
        "",
        f"![RGB and RAW of unclipped pixels, {theirs} to {ours}, file by file]({picture})",
        "",
    ]
    if facts["refused"]:
        refused = [(row["file"], row["why"]) for row in facts["refused"]]
        lines += ["Files that were refused:", "", table(("file", "why"), refused), ""]
    return "\n".join(lines)


def files_lines(facts: Facts) -> str:
    """The table for a terminal: each figure of the model with its distance to the rival's."""
    head = ["file", "MP", "clipped", *(cell for name in _SHOWN.values() for cell in (name, "+/-"))]
    rows = [(row["file"], _megapixels(row), f"{row['clipped']:.1%}", *_figures(row)) for row in facts["files"]]
    return table(head, [*rows, ("mean", "", "", *_figures(facts["mean"]))], padded=True)


def draw_files(path: Path, facts: Facts) -> None:
    """Write a PNG: an arrow for each file, from the rival's figure to the model's. Raises OutputError."""
    write_figure(path, partial(_arrows, facts=facts), (11, 1.5 + 0.34 * (len(facts["files"]) + 1)), dpi=110)


def _arrows(figure: Any, facts: Facts) -> None:
    rows = [*facts["files"], {"file": "mean", "camera": "", **facts["mean"]}]
    places = range(len(rows))
    left, right = figure.subplots(1, 2, sharey=True)
    for axes, (metric, label) in zip((left, right), _DRAWN.items(), strict=True):
        for place, row in zip(places, rows, strict=True):
            theirs, ours = row["against"][metric], row["model"][metric]
            if theirs is None or ours is None:
                continue
            colour = _WORSE if round(ours - theirs, 2) < 0 else _BETTER
            axes.plot([theirs, ours], [place, place], color=colour, linewidth=2, zorder=1)
            axes.plot(theirs, place, "o", **_RING)
            axes.plot(ours, place, "o", markersize=5, color=colour)
            axes.annotate(
                _signed(ours - theirs), (max(theirs, ours), place), xytext=(7, 0), textcoords="offset points",
                va="center", fontsize=8, color=colour,
            )  # fmt: skip
        axes.axhline(len(rows) - 1.5, color="0.6", linewidth=0.8)
        axes.set_xlabel(label)
        axes.grid(alpha=0.3)
        axes.margins(x=0.14)  # room for the numbers beside the best
    left.set_yticks(places, [Path(row["file"]).stem for row in rows], fontsize=8)
    left.set_ylim(len(rows) - 0.4, -0.6)
    left.plot([], [], "o", **_RING, label=facts["against"]["name"])
    for colour, side in ((_BETTER, "above"), (_WORSE, "below")):
        left.plot([], [], "o-", markersize=5, color=colour, label=f"{facts['model']['name']}, {side} it")
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize=9, frameon=False)


def _beside(row: Facts, metric: str) -> str:
    theirs, ours = row["against"][metric], row["model"][metric]
    return f"{number(theirs, 2)} → {number(ours, 2)} ({_signed(row['gain'][metric])})"


def _figures(row: Facts) -> list[str]:
    pairs = [(number(row["model"][metric], 2), _signed(row["gain"][metric])) for metric in _SHOWN]
    return [cell for pair in pairs for cell in pair]


def _megapixels(row: Facts) -> str:
    return f"{row['size'][0] * row['size'][1] / 1e6:.1f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{round(value, 2) + 0.0:+.2f}"  # no -0.00
