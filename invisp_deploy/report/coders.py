"""What a RAW costs at every bound, as Markdown and as a picture: our residual beside coders of the mosaic itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from invisp_deploy.report.figures import write_figure
from invisp_deploy.report.markdown import number, table

Coded = Mapping[str, Any]
"""What `scripts/coders.py` finds: sizes in bits of a pixel of the mosaic, PSNR in dB."""

_BOUNDS: Final = {"3s": "3 σ", "2s": "2 σ", "1s": "1 σ", "8": "8 DN", "4": "4 DN", "2": "2 DN", "0": "none"}
"""Bound, as the facts name it -> as people do, from the widest."""

_OTHERS: Final = {"jpeg-xl": "JPEG XL", "jpeg-ls": "JPEG-LS"}
_OURS, _THEIRS, _FILE = "#2f855a", "#c05621", "#a0aec0"


def coders_page(facts: Coded, picture: str) -> str:
    """Markdown without a heading. picture: link to what `draw_coders` writes."""
    files = facts["files"]
    lines = [
        f"Bits of a pixel of the mosaic; the JPEG at quality {facts['quality']}, {facts['subsampling']}, with all that "
        "it carries but the residual. The RAW back bit for bit:",
        "",
        table(
            (
                "file",
                "MP",
                "camera's file",
                "our DNG",
                *_OTHERS.values(),
                "JPEG",
                "residual",
                "both",
                "of the camera's",
            ),
            [*map(_exact, files), _mean([_exact_figures(row) for row in files])],
        ),
        "",
        "Within a bound, of σ of the sensor's noise or of DN: bits of the residual (RAW PSNR, dB).",
        "",
        table(
            ("file", "nothing stored", *(label for key, label in _BOUNDS.items() if key != "0")),
            [(row["file"], f"0 ({number(row['predicted'], 1)})", *_bounded(row)) for row in files],
        ),
        "",
        "The mean of the files of which the noise is known, beside the mosaic itself quantised to the same bound; to "
        "be a picture, too, that needs the JPEG as well.",
        "",
        table(("bound", "residual", "its RAW", *_OTHERS.values(), "their RAW"), list(_means(files))),
        "",
        f"![RAW PSNR against bits a pixel, file by file and their mean]({picture})",
        "",
    ]
    if facts["refused"]:
        refused = [(row["file"], row["why"]) for row in facts["refused"]]
        lines += ["Files that were refused:", "", table(("file", "why"), refused), ""]
    return "\n".join(lines)


def draw_coders(path: Path, facts: Coded) -> None:
    """Write a PNG: bits a pixel of JPEG and RAW together against RAW PSNR. Raises OutputError."""
    write_figure(path, partial(_curves, files=facts["files"]), (8, 5), dpi=110)


def _curves(figure: Any, files: Sequence[Coded]) -> None:
    axes = figure.subplots()
    for row in files:
        axes.plot(*zip(*_points(row), strict=True), color=_FILE, linewidth=0.8)
    known = _with_noise(files)
    ours = _mean_points([_points(row) for row in known])
    axes.plot(*zip(*ours, strict=True), "o-", color=_OURS, linewidth=2, label="JPEG and residual, mean")
    theirs = _mean_points([_points(row, "jpeg-xl", "psnr-of-mosaic") for row in known])
    axes.plot(
        *zip(*theirs, strict=True), "s-", color=_THEIRS, linewidth=2, label="JPEG and the mosaic in JPEG XL, mean"
    )
    for points, colour, key in ((ours, _OURS, "ours"), (theirs, _THEIRS, "jpeg-xl")):
        exact = sum(row["jpeg"] + row["bounds"]["0"][key] for row in known) / len(known)
        axes.axvline(exact, color=colour, linestyle=":", linewidth=1)
        axes.annotate("exact", (exact, points[0][1]), color=colour, rotation=90, va="bottom", ha="right", fontsize=8)
    axes.plot([], [], color=_FILE, linewidth=0.8, label="JPEG and residual, each file")
    axes.set_xlabel("bits a pixel of the mosaic")
    axes.set_ylabel("RAW PSNR, dB")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def _points(row: Coded, coder: str = "ours", psnr: str = "psnr") -> list[tuple[float, float]]:
    """Bits and PSNR at each bound of σ, the narrowest last; ours begins with what is stored without a bound."""
    start = [(row["plain"], row["predicted"])] if coder == "ours" else []
    keys = [key for key in _BOUNDS if key.endswith("s") and key in row["bounds"]]
    return start + [(row["jpeg"] + row["bounds"][key][coder], row["bounds"][key][psnr]) for key in keys]


def _mean_points(curves: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    return [
        (sum(bits for bits, _ in points) / len(points), sum(psnr for _, psnr in points) / len(points))
        for points in zip(*curves, strict=True)
    ]


def _exact_figures(row: Coded) -> list[float]:
    exact = row["bounds"]["0"]
    both = row["jpeg"] + exact["ours"]
    others = [exact[key] for key in _OTHERS]
    return [row["source"], row["dng"], *others, row["jpeg"], exact["ours"], both, both / row["source"]]


def _exact(row: Coded) -> tuple[str, ...]:
    return row["file"], f"{row['size'][0] * row['size'][1] / 1e6:.1f}", *_cells(_exact_figures(row))


def _mean(rows: Sequence[Sequence[float]]) -> tuple[str, ...]:
    return (
        "**mean**",
        "",
        *(f"**{cell}**" for cell in _cells([sum(column) / len(rows) for column in zip(*rows, strict=True)])),
    )


def _cells(figures: Sequence[float]) -> list[str]:
    return [*(number(figure, 2) for figure in figures[:-1]), f"{figures[-1]:.0%}"]


def _bounded(row: Coded) -> list[str]:
    found = [row["bounds"].get(key) for key in _BOUNDS if key != "0"]
    return ["–" if one is None else f"{number(one['ours'], 2)} ({number(one['psnr'], 1)})" for one in found]


def _with_noise(files: Sequence[Coded]) -> list[Coded]:
    return [row for row in files if row["noise"]]


def _means(files: Sequence[Coded]) -> list[tuple[str, ...]]:
    known, lines = _with_noise(files), []
    for key, label in _BOUNDS.items():
        rows = [row["bounds"][key] for row in known]
        mean = {name: sum(row[name] for row in rows) / len(rows) for name in ("ours", *_OTHERS)}
        psnr = [
            number(sum(row[name] for row in rows) / len(rows), 1) if key != "0" else "exact"
            for name in ("psnr", "psnr-of-mosaic")
        ]
        lines.append((label, number(mean["ours"], 2), psnr[0], *(number(mean[name], 2) for name in _OTHERS), psnr[1]))
    return lines
