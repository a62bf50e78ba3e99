"""The front as a table and a picture: `front.py JSON PAGE PICTURE`, JSON as search_configurations.py writes it.

Between `<!-- begin front -->` and `<!-- end front -->` of PAGE stands then what JSON says. Its first row is the closed
form, no network at all, by its own figures; those of networks are distances to it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from invisp_deploy.files import write_whole
from invisp_deploy.report.figures import write_figure
from invisp_deploy.report.markdown import table

ENOUGH = 0.1
"""dB of RGB below the best, means of seeds, that a smaller network may be."""

FIGURES = {"rgb": "RGB", "raw": "RAW unclipped", "worst rgb": "worst RGB", "worst raw": "worst RAW"}
"""Figure of a row -> its head."""

Row = dict[str, Any]


def smallest_of_the_best(rows: Sequence[Row]) -> Row:
    means = mean_of_seeds(rows)
    best = max(row["rgb"] for row in means)
    return min((row for row in means if row["rgb"] >= best - ENOUGH), key=lambda row: float(row["macs"]))


def mean_of_seeds(rows: Sequence[Row]) -> list[Row]:
    """One row a network: means of RGB and RAW over the seeds of the ordinary number of steps; smallest first."""
    networks = networks_of(rows)
    steps = min(row["steps"] for row in networks)
    found = []
    for name in dict.fromkeys(row["name"] for row in networks):
        seeds = [row for row in networks if row["name"] == name and row["steps"] == steps]
        means = {figure: sum(row[figure] for row in seeds) / len(seeds) for figure in ("rgb", "raw")}
        found.append({"name": name, "macs": seeds[0]["macs"], **means})
    return found


def networks_of(rows: Sequence[Row]) -> list[Row]:
    """Without the closed form; smallest first, then by seed, then by steps."""
    found = [row for row in rows if row["macs"]]
    return sorted(found, key=lambda row: (float(row["macs"]), int(row["steps"]), int(row["seed"])))


def front_table(rows: Sequence[Row]) -> str:
    closed = next(row for row in rows if not row["macs"])
    head = ("configuration", "MAC/px", "seed", "steps", *FIGURES.values())
    own = [f"{closed['rgb']:.2f}", f"{closed['raw']:.2f}"]
    lines = [("closed form, itself", "0", "–", "–", *own, "–", "–")]
    for row in networks_of(rows):
        figures = [f"{round(row[figure], 2) + 0.0:+.2f}" for figure in FIGURES]
        lines.append((f"`{row['name']}`", f"{row['macs']:,.0f}", str(row["seed"]), f"{row['steps']:,}", *figures))
    return table(head, lines) + "\n"


def filled(page: str, rows: Sequence[Row]) -> str:
    """The page with a fresh table."""
    pattern = re.compile(r"(<!-- begin front -->\n).*?(<!-- end front -->)", re.S)
    page, count = pattern.subn(lambda found: f"{found[1]}\n{front_table(rows)}\n{found[2]}", page)
    if count != 1:
        sys.exit(f"The page has {count} places for the front, expected one.")
    return page


def draw(rows: Sequence[Row], path: Path) -> None:
    write_figure(path, partial(paint, rows=rows), (11, 4.2), dpi=110)


def paint(figure: Any, rows: Sequence[Row]) -> None:
    networks = networks_of(rows)
    ordinary = min(row["steps"] for row in networks)
    left, right = min(row["macs"] for row in networks) / 2, 2 * max(row["macs"] for row in networks)
    for axes, metric in zip(figure.subplots(1, 2), ("rgb", "raw"), strict=True):
        means = mean_of_seeds(rows)
        axes.plot([row["macs"] for row in means], [row[metric] for row in means], color="0.75", zorder=0)
        for seed in sorted({row["seed"] for row in networks}):
            points = [(row["macs"], row[metric]) for row in networks if (row["seed"], row["steps"]) == (seed, ordinary)]
            axes.plot(*zip(*points, strict=True), "o", color=f"C{seed}", label=f"mean of the files, seed {seed}")
        longer = [(row["macs"], row[metric]) for row in networks if row["steps"] > ordinary]
        if longer:
            axes.plot(*zip(*longer, strict=True), "o", mfc="none", mec="C0", ms=9, label="seed 0, more steps")
        worst = [(row["macs"], row[f"worst {metric}"]) for row in networks if row["steps"] == ordinary]
        axes.plot(*zip(*worst, strict=True), "_", color="0.4", label="the worst file")
        for name, macs in {row["name"]: row["macs"] for row in means}.items():
            top = max(row[metric] for row in networks if row["name"] == name)
            place = {"xytext": (0, 9), "textcoords": "offset points", "ha": "center", "fontsize": 7}
            axes.annotate(name, (macs, top), **place)
        axes.axhline(0, color="0.3", linewidth=1, linestyle=":")
        axes.plot([left], [0], "D", color="0.3", clip_on=False, label="closed form, no network")
        axes.set(xscale="log", xlim=(left, right), xlabel="multiply-accumulates a pixel and direction")
        axes.set_ylabel(f"{FIGURES[metric]} PSNR above the closed form, dB")
        axes.margins(y=0.12)
        axes.grid(alpha=0.3)
    marks = figure.axes[0].get_legend_handles_labels()
    figure.legend(*marks, loc="outside upper center", ncols=len(marks[0]), fontsize=9, frameon=False)


if __name__ == "__main__":
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    page = Path(sys.argv[2])
    write_whole(page, filled(page.read_text(encoding="utf-8"), found))
    draw(found, Path(sys.argv[3]))
