"""The page of a calibration: losses, kept layers, ranges, files, with four pictures. All of it from plain facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from invisp_deploy.files import write_whole
from invisp_deploy.report.figures import write_figure
from invisp_deploy.report.markdown import number, table

PICTURES: Final = {
    "ranges": "What each tensor holds: largest magnitude in both directions, and the range that 127 scales span.",
    "convergence": "Ranges after so many files, as shares of the final ones.",
    "coverage": "What the files cover.",
    "sensitivity": "RAW PSNR that each function costs alone at int8.",
}
"""Name of a picture -> its caption."""

REPORT_FILES: Final = ("report.md", "report.json", *(f"{name}.png" for name in PICTURES))

_WORST: Final = 10
_FORWARD, _INVERSE, _CHOSEN, _INK = "#2b6cb0", "#c05621", "#1a202c", "#4a5568"

CalibrationFacts = Mapping[str, Any]


def write_calibration_report(folder: Path, facts: CalibrationFacts) -> Path:
    """Write `REPORT_FILES` into a folder that exists; returns the path of report.md. Raises OutputError.

    facts: of `calibration.Calibration.facts`.
    """
    _draw(folder, facts)
    write_whole(folder / "report.json", json.dumps(facts, indent=2, sort_keys=True) + "\n")
    path = folder / "report.md"
    write_whole(path, _page(facts))
    return path


def _loss_table(figures: Mapping[str, Mapping[str, float | None]]) -> str:
    """dB, and in brackets what RGB and RAW lose against fp32."""
    exact = figures["fp32"]

    def lost(found: Mapping[str, Any], key: str) -> str:
        return f"{found[key]:.2f}" + ("" if found is exact else f" ({found[key] - exact[key]:+.3f})")

    rows = [
        (
            name,
            number(found["forward"], 1),
            lost(found, "rgb"),
            lost(found, "raw"),
            number(found["raw8"], 2),
            number(found["round_trip"], 1),
        )
        for name, found in figures.items()
    ]
    return table(
        ("arithmetic", "forward", "RGB through JPEG", "RAW through JPEG", "RAW through 8 bit", "round trip"), rows
    )


def _page(facts: CalibrationFacts) -> str:
    options, tensors, costs = facts["options"], facts["tensors"], facts["sensitivity"]
    tiles = sum(file["tiles"] for file in facts["files"])
    saturated = sorted(tensors, key=lambda name: -tensors[name]["saturated"])[:_WORST]
    lines = [
        "# Calibration",
        "",
        f"Weights `{facts['weights']}` ({facts['network']}); ranges by {facts['method']} over {tiles} tiles of "
        f"{options['tile']} pixels out of {len(facts['files'])} files, both directions, through JPEG of quality "
        f"{options['quality']}, {options['subsampling']}.",
        "",
        "## Losses",
        "",
        f"Means in dB over {len(facts['held_out'])} tiles of {options['held_size']} pixels that no range was measured "
        f"on, out of {', '.join(dict.fromkeys(facts['held_out']))}. In brackets: the difference from fp32.",
        "",
        _loss_table(facts["figures"]),
        "",
        *(f"- **{name}**: {text}" for name, text in facts["arithmetics"].items()),
        "",
        *(f"- {name.replace('_', ' ')}: {text}" for name, text in facts["measures"].items()),
        "",
        "## Kept layers",
        "",
        *_kept_lines(facts),
        "",
        f"![{PICTURES['sensitivity']}](sensitivity.png)",
        "",
        table(
            ("function", "dB RAW that it costs alone at int8"),
            [(name, f"{costs[name]:.4f}") for name in sorted(costs, key=lambda name: -costs[name])],
        ),
        "",
        "## Ranges",
        "",
        f"![{PICTURES['ranges']}](ranges.png)",
        "",
        "The tensors that saturate most:",
        "",
        table(
            ("tensor", "range", "largest", "share beyond"),
            [
                (
                    name,
                    f"{tensors[name]['range']:.4g}",
                    f"{tensors[name]['maximum']:.4g}",
                    f"{tensors[name]['saturated']:.2e}",
                )
                for name in saturated
            ],
        ),
        "",
        f"![{PICTURES['convergence']}](convergence.png)",
        "",
        "## Files",
        "",
        f"![{PICTURES['coverage']}](coverage.png)",
        "",
        table(
            ("file", "tiles", "ISO", "exposure, s", "brightness", "SHA-256"),
            [
                (
                    file["name"],
                    str(file["tiles"]),
                    "" if file["iso"] is None else str(file["iso"]),
                    "" if file["exposure"] is None else f"{file['exposure']:g}",
                    "" if file["brightness"] is None else f"{file['brightness']:.2f}",
                    f"`{file['sha256'][:12]}`",
                )
                for file in facts["files"]
            ],
        ),
        "",
        "Made with " + ", ".join(f"{name} {version}" for name, version in sorted(facts["versions"].items())) + ".",
    ]
    search = facts["search"]
    if search is not None and len(search["tried"]) > 1:
        tried = ", ".join(f"{level}: {drop:.3f}" for level, drop in search["tried"].items())
        lines += ["", f"Levels tried for the kept layers (functions' ends, then whole ones -> dB RAW lost): {tried}."]
    return "\n".join(lines) + "\n"


def _kept_lines(facts: CalibrationFacts) -> list[str]:
    search, whole, limit = facts["search"], facts["kept_for_export"], facts["options"]["max_drop"]
    if search is None:
        lines = ["No largest drop was asked for."]
    else:
        lines = [f"For a loss of at most {limit:g} dB RAW: the int8 graph then loses {search['drop']:.3f} dB."]
    if whole:
        lines.append(
            f"For the check of export, whose picture leaves the ranges of these files: {', '.join(whole)}. "
            "More files, with other colours, keep fewer."
        )
    spare = " and ".join(f"{kind} passes it by {decibels:.1f} dB" for kind, decibels in facts["headroom"].items())
    lines.append(f"The check of export against fp32: {spare}.")
    if not facts["kept"]:
        return [*lines, "Every convolution is lowered."]
    return [
        *lines,
        f"{facts['kept_share']:.1%} of the multiply-accumulates of F, G and H stay fp16:",
        "",
        "`" + "`, `".join(facts["kept"]) + "`",
    ]


def _draw(folder: Path, facts: CalibrationFacts) -> None:
    """One PNG for each of `PICTURES`."""
    for name, painter, size in (
        ("ranges", _ranges, (12, 6)),
        ("convergence", _convergence, (6, 3.5)),
        ("coverage", _coverage, (8, 3.5)),
        ("sensitivity", _sensitivity, (8, 3.5)),
    ):
        write_figure(folder / f"{name}.png", partial(painter, facts=facts), size)


def _ranges(figure: Any, facts: CalibrationFacts) -> None:
    tensors = facts["tensors"]
    names = list(tensors)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    places = np.arange(len(names))
    for offset, direction, colour in ((-0.15, "forward", _FORWARD), (0.15, "inverse", _INVERSE)):
        maxima = [tensors[name]["maxima"].get(direction, np.nan) for name in names]
        above.plot(places + offset, maxima, ".", color=colour, markersize=4, label=f"largest, {direction}")
    above.hlines(
        [tensors[name]["range"] for name in names],
        places - 0.45,
        places + 0.45,
        color=_CHOSEN,
        label=f"range ({facts['method']})",
    )
    above.set_yscale("log")
    above.set_ylabel("magnitude")
    above.legend(loc="upper right", ncols=3, fontsize=8)
    shares = [max(tensors[name]["saturated"], 1e-8) for name in names]
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


def _convergence(figure: Any, facts: CalibrationFacts) -> None:
    axes = figure.subplots()
    found = {int(count): shares for count, shares in facts["convergence"].items()}
    counts = list(found)
    axes.plot(counts, [found[count]["mean"] for count in counts], "o-", color=_FORWARD, label="mean")
    axes.plot(counts, [found[count]["smallest"] for count in counts], "s--", color=_INVERSE, label="smallest")
    axes.axhline(1, color="#cbd5e0", linewidth=0.8, zorder=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel("files")
    axes.set_ylabel("range / final range")
    axes.legend(fontsize=8)


def _coverage(figure: Any, facts: CalibrationFacts) -> None:
    files = facts["files"]
    left, right = figure.subplots(1, 2)
    known = [(file["exposure"], file["iso"]) for file in files if None not in (file["exposure"], file["iso"])]
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
    right.hist(
        [file["brightness"] for file in files if file["brightness"] is not None], bins=20, range=(0, 1), color=_INK
    )
    right.set_xlabel("mean of a file's tiles, network's domain")
    right.set_ylabel("files")


def _sensitivity(figure: Any, facts: CalibrationFacts) -> None:
    axes = figure.subplots()
    costs = facts["sensitivity"]
    kept = {layer if layer in costs else layer.rpartition(".")[0] for layer in facts["kept"]}
    colours = [_INVERSE if name in kept else _FORWARD for name in costs]
    axes.bar(range(len(costs)), list(costs.values()), color=colours)
    axes.axhline(0, color=_INK, linewidth=0.8)
    axes.set_xticks(range(len(costs)), list(costs), rotation=90, fontsize=8)
    axes.set_ylabel("dB RAW")
    if kept:
        axes.set_title("orange: (partly) left in fp16", fontsize=9)
