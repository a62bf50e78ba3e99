"""The paper's experiments in words and pictures, its own figures beside ours.

Pages take what `invisp_deploy.research.experiments` returns, as its JSON holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from invisp_deploy.report.figures import write_figure
from invisp_deploy.report.markdown import number, table
from invisp_deploy.report.round_trip import WHITE_DIFFERENCE


class PaperRow(NamedTuple):
    """One row of Table 1: RGB PSNR in dB, RGB SSIM, RAW PSNR in dB, for both cameras; None where it has none."""

    nikon_d700: tuple[float | None, float | None, float]
    canon_5d: tuple[float | None, float | None, float]


PAPER_TABLE_1: Final = {
    "UPI": PaperRow((None, None, 30.12), (None, None, 26.31)),
    "CycleISP": PaperRow((None, None, 30.19), (None, None, 34.48)),
    "Invertible Grayscale": PaperRow((24.13, 0.8258, 33.28), (28.22, 0.8714, 38.00)),
    "U-net": PaperRow((36.48, 0.9342, 41.17), (33.44, 0.8893, 41.14)),
    "InvISP, no simulation": PaperRow((37.44, 0.9309, 44.19), (33.45, 0.8923, 45.73)),
    "InvISP, DSQ": PaperRow((37.44, 0.9467, 45.25), (33.15, 0.8946, 48.22)),
    "InvISP, Fourier": PaperRow((37.47, 0.9473, 45.23), (33.61, 0.9007, 48.57)),
}
"""Label of a row of the paper's Table 1 (Xing, Qian, Chen, CVPR 2021), in its order, to its figures."""

PAPER_TABLE_2: Final = {
    "Nikon D700": {"lossy DNG": (1.61, 8.73), "InvISP": (34.98, 0.4655)},
    "Canon EOS 5D": {"lossy DNG": (1.52, 6.56), "InvISP": (27.37, 0.5237)},
}
"""Camera to compression ratio (eq. 10) and bits per pixel of its Table 2."""


def table1_page(facts: Mapping[str, Any]) -> str:
    """The tables of `table1` as people read them, the paper's figures beside ours."""
    data, settings = facts["dataset"], facts["settings"]
    made = f", {data['made']} of them made from photographs" if data["made"] else ""
    return f"""{data["camera"]}: {data["train"]} training files, {data["test"]} test files{made}. JPEG quality \
{settings["quality"]}, {settings["subsampling"]}. Judged on {settings["extent"]}.

Correct protocol:

{_ours(facts["rows"], "correct", tuple(facts["definitions"]["correct"]))}

As the authors ran it, and what the paper reports (other cameras, other data; order and distances compare, not levels):

{_as_run(facts["rows"])}

Foreign JPEGs: the same inverse on JPEGs that the method rendered, and on those that LibRaw rendered:

{_foreign(facts["foreign"])}
"""


def _ours(rows: Sequence[Mapping[str, Any]], protocol: str, names: Sequence[str]) -> str:
    head = ["method", *names, "MAC/px forward", "MAC/px inverse", "optimiser time"]
    lines = []
    for row in rows:
        cost = row["macs_per_pixel"]
        lines.append(
            [
                row["label"],
                *(number(row[protocol].get(name), 4 if "ssim" in name else 2) for name in names),
                number(cost["forward"], 0),
                number(cost["inverse"], 0),
                f"{row['optimiser_seconds'] / 60:.1f} min",
            ]
        )
    return table(head, lines)


def _as_run(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ["method", "RGB PSNR", "RGB SSIM", "RAW PSNR", "paper: D700 RGB", "D700 RAW", "5D RGB", "5D RAW"]
    lines = []
    for row in rows:
        ours = row["as_run"]
        cells = [number(ours.get("rgb-psnr"), 2), number(ours.get("rgb-ssim"), 4), number(ours["raw-psnr"], 2)]
        known = PAPER_TABLE_1.get(row["label"])
        for camera in () if known is None else known:
            rgb, ssim, raw = camera
            cells += ["–" if rgb is None else f"{rgb:.2f} / {ssim:.4f}", f"{raw:.2f}"]
        lines.append([row["label"], *cells, *["–"] * (7 - len(cells))])
    return table(head, lines)


def _foreign(rows: Sequence[Mapping[str, Any]]) -> str:
    names = ("raw-psnr-paper", "raw-psnr", "raw-psnr-clipped", "raw-psnr-unclipped")
    head = ["method", *(f"{name}, {whose}" for name in names for whose in ("own", "LibRaw's"))]
    lines = [
        [row["label"], *(number(row[whose].get(name), 2) for name in names for whose in ("own", "foreign"))]
        for row in rows
    ]
    return table(head, lines)


def table2_page(facts: Mapping[str, Any]) -> str:
    """The table as people read it, the paper's below."""
    names = tuple(facts["definitions"])
    lines = [
        [
            row["label"],
            *("exact" if n == "raw-psnr" and row[n] >= facts["cap"] else number(row.get(n), 2) for n in names),
        ]
        for row in facts["rows"]
    ]
    paper = [
        [camera, *(f"{cell:g}" for kind in rows.values() for cell in kind)] for camera, rows in PAPER_TABLE_2.items()
    ]
    settings = facts["settings"]
    return f"""{facts["camera"]}, {facts["test"]} test files, {facts["made"]} of them made from photographs. JPEG \
quality {settings["quality"]}, {settings["subsampling"]}. On {settings["extent"]}. The lossy DNG: 8-bit JPEG of \
quality {facts["lossy_dng_quality"]} without chroma subsampling, after a square root.

{table(["file", *names], lines)}

The paper's:

{table(["camera", "lossy DNG, ratio", "bits per pixel", "InvISP, ratio", "bits per pixel"], paper)}
"""


def rate_page(facts: Mapping[str, Any]) -> str:
    """One table for each method: quality, bits per pixel, figures."""
    names = ("bits per pixel", "rgb-psnr", "rgb-ssim", "raw-psnr-paper", "raw-psnr")
    settings = facts["settings"]
    parts = [f"{facts['camera']}, {settings['subsampling']}. On {settings['extent']}."]
    for row in facts["rows"]:
        lines = [
            [str(point["quality"]), *(number(point[name], 4 if "ssim" in name else 2) for name in names)]
            for point in row["points"]
        ]
        parts.append(f"{row['label']}:\n\n{table(['JPEG quality', *names], lines)}")
    return "\n\n".join(parts) + "\n"


def write_training_curves(path: Path, logs: Mapping[str, Sequence[Mapping[str, Any]]]) -> bool:
    """PSNR of the held-out crops against optimiser time, RGB and RAW; False (no picture) where no log has any.

    logs: label -> lines of a run's log.jsonl. Raises OutputError.
    """
    curves = {
        name: [(label, _curve(log, name)) for label, log in logs.items() if _curve(log, name)]
        for name in ("rgb_psnr", "raw_psnr")
    }
    if not any(curves.values()):
        return False
    colours = {label: f"C{index}" for index, label in enumerate(logs)}

    def draw(axes: Any) -> None:
        for axis, (name, lines) in zip(axes, curves.items(), strict=True):
            for label, points in lines:
                axis.plot(*zip(*points, strict=True), label=label, linewidth=1.4, color=colours[label])
            axis.set_xlabel("optimiser time, minutes")
            axis.set_ylabel(f"{name.removesuffix('_psnr').upper()} PSNR of held-out crops, dB")
            axis.legend(fontsize=7)

    _panels(path, 2, draw)
    return True


def write_rate_curves(path: Path, facts: Mapping[str, Any]) -> None:
    """RAW and RGB PSNR against bits per pixel; every point is a JPEG quality. Raises OutputError."""

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

    _panels(path, 2, draw)


def write_error_maps(path: Path, panels: Mapping[str, npt.NDArray[np.uint8]]) -> None:
    """Pictures (h, w, 3) uint8 under their titles: a rendering, and maps by `error_map`. Raises OutputError."""

    def draw(axes: Any) -> None:
        for axis in axes:
            axis.set_axis_off()
        for axis, (title, pixels) in zip(axes, panels.items(), strict=False):  # the last row may be short
            axis.imshow(pixels, interpolation="nearest")
            axis.set_title(title, fontsize=8)

    _panels(path, len(panels), draw, f"|RAW - recovered RAW|, white from {WHITE_DIFFERENCE:.0%} of full scale on", 2.4)


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


def _panels(path: Path, count: int, draw: Callable[[Any], None], title: str = "", side: float = 4.6) -> None:
    """At most four panels a row; `draw` gets the axes of all."""
    columns = min(count, 4)
    rows = -(-count // columns)

    def draw_all(figure: Any) -> None:
        draw(figure.subplots(rows, columns, squeeze=False).ravel())
        if title:
            figure.suptitle(title, fontsize=9)

    write_figure(path, draw_all, (side * columns, side * (1.1 if title else 0.8) * rows), dpi=130)
