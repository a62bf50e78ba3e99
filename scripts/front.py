"""The front as a table and a picture: `front.py JSON PAGE PICTURE`, JSON as search_configurations.py writes it.

Between `<!-- begin front -->` and `<!-- end front -->` of PAGE stands then what JSON says. A row of 0 MAC/px
is the closed form, no network at all: the left end of both, and a line across the picture.
"""

from __future__ import annotations

import json
import re
import sys
from functools import partial
from pathlib import Path
from typing import Any

from invisp_deploy.files import write_whole
from invisp_deploy.report.figures import write_figure
from invisp_deploy.report.markdown import table

ENOUGH = 0.1
"""dB of RGB below the best that a smaller network may be."""

SHOWN = 1.8
"""dB below the best that the picture shows."""


def smallest_of_the_best(rows: list[dict[str, Any]]) -> dict[str, Any]:
    best = max(row["rgb"] for row in rows)
    return min((row for row in rows if row["rgb"] >= best - ENOUGH), key=lambda row: float(row["macs"]))


def front_table(rows: list[dict[str, Any]]) -> str:
    head = ("configuration", "seed", "MAC/px", "RGB, dB", "RAW, dB", "RAW (paper), dB", "steps", "s a step")
    lines = [
        (
            f"`{row['name']}`",
            str(row["seed"]),
            f"{row['macs']:,.0f}",
            *(f"{row[name]:.2f}" for name in ("rgb", "raw", "raw_paper")),
            *((str(row["steps"]), f"{row['seconds_per_step']:.3f}") if row["macs"] else ("–", "–")),
        )
        for row in sorted(rows, key=lambda row: (float(row["macs"]), int(row["seed"])))
    ]
    return table(head, lines) + "\n"


def filled(page: str, rows: list[dict[str, Any]]) -> str:
    """The page with a fresh table."""
    pattern = re.compile(r"(<!-- begin front -->\n).*?(<!-- end front -->)", re.S)
    page, count = pattern.subn(lambda found: f"{found[1]}\n{front_table(rows)}\n{found[2]}", page)
    if count != 1:
        sys.exit(f"The page has {count} places for the front, expected one.")
    return page


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    write_figure(path, partial(paint, rows=rows), (12, 5), dpi=110)


def paint(figure: Any, rows: list[dict[str, Any]]) -> None:
    closed, rows = [row for row in rows if not row["macs"]], [row for row in rows if row["macs"]]
    sizes = [float(row["macs"]) for row in rows]
    left, right = min(sizes) / 2, max(sizes) * 1.8
    for axes, (key, label) in zip(figure.subplots(1, 2), (("rgb", "RGB PSNR"), ("raw", "RAW PSNR")), strict=True):
        for kind, marker in (("dense", "o"), ("chain", "s")):
            for seed in (0, 1):
                chosen = [r for r in rows if ("chain" in r["name"]) == (kind == "chain") and r["seed"] == seed]
                points = [[row[axis] for row in chosen] for axis in ("macs", key)]
                if chosen:
                    axes.plot(*points, marker, color=f"C{seed}", label=f"{kind}, seed {seed}", linestyle="none")
        floor = max(row[key] for row in rows) - SHOWN
        for row in closed:
            level = max(row[key], floor + 0.05)
            axes.axhline(level, color="0.3", linewidth=1, linestyle=":")
            axes.plot([left], [level], "D", color="0.3", clip_on=False, label="closed form, no network")
            axes.annotate(f"{row[key]:.1f} dB", (left, level), xytext=(8, 3), fontsize=7, textcoords="offset points")
        for place, row in enumerate(sorted((row for row in rows if row["seed"] == 0), key=lambda row: float(row[key]))):
            text, point = row["name"].removesuffix("-chain"), (row["macs"], row[key])
            if row[key] < floor:  # far below: a note at the edge instead of a scale that hides the others
                text, point = f"{text}: {row[key]:.1f} dB", (row["macs"], floor + 0.05)
            before = place % 2 or row[key] < floor
            offset = (-6 if before else 6, -2)
            style = {"fontsize": 7, "ha": "right" if before else "left", "textcoords": "offset points"}
            axes.annotate(text, point, xytext=offset, **style)
        axes.set(xlim=(left, right), ylim=(floor, floor + SHOWN + 0.1))
        axes.set(xscale="log", xlabel="multiply-accumulates a pixel and direction", ylabel=f"{label}, dB")
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=8, loc="center right")


if __name__ == "__main__":
    found = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    page = Path(sys.argv[2])
    write_whole(page, filled(page.read_text(encoding="utf-8"), found))
    draw(found, Path(sys.argv[3]))
