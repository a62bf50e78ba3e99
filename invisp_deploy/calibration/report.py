"""What a calibration found, for people and machines: report.md with tables and pictures, report.json."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from invisp_deploy.calibration.calibrate import ARITHMETICS, Calibration
from invisp_deploy.calibration.loss import MEASURES, Figures
from invisp_deploy.calibration.plots import PICTURES, draw
from invisp_deploy.files import write_whole

__all__ = ["REPORT_FILES", "loss_table", "report_facts", "write_report"]

REPORT_FILES: Final = ("report.md", "report.json", *(f"{name}.png" for name in PICTURES))

_WORST: Final = 10


def write_report(folder: Path, calibration: Calibration) -> Path:
    """Write `REPORT_FILES` into a folder that exists; returns the path of report.md. Raises OutputError."""
    draw(folder, calibration)
    write_whole(folder / "report.json", json.dumps(report_facts(calibration), indent=2, sort_keys=True) + "\n")
    path = folder / "report.md"
    write_whole(path, _markdown(calibration))
    return path


def report_facts(calibration: Calibration) -> dict[str, Any]:
    """Plain data; figures that are infinite are null."""
    record = calibration.record
    return {
        "weights": record.weights,
        "method": record.method,
        "options": dict(record.options),
        "versions": dict(record.versions),
        "files": [asdict(file) for file in record.files],
        "held_out": list(calibration.held),
        "tensors": {
            name: {
                "range": calibration.ranges[name],
                "saturated": record.tensors[name].saturated,
                "maxima": calibration.histograms[name].maxima,
            }
            for name in record.tensors
        },
        "convergence": {
            str(count): {"smallest": low, "mean": mean} for count, (low, mean) in calibration.convergence.items()
        },
        "figures": {name: _finite(figures) for name, figures in calibration.figures.items()},
        "measures": MEASURES,
        "arithmetics": ARITHMETICS,
        "sensitivity": dict(record.sensitivity),
        "kept": list(record.kept),
        "kept_share": calibration.share,
        "search": None
        if calibration.search is None
        else {"drop": calibration.search.drop, "tried": {str(k): v for k, v in calibration.search.tried.items()}},
        "drops": dict(record.drops),
    }


def loss_table(figures: Mapping[str, Figures]) -> list[str]:
    """The table of losses in Markdown: dB, and in brackets what RGB and RAW lose against fp32."""
    exact = figures["fp32"]
    rows = []
    for name, found in figures.items():
        lost = {key: getattr(exact, key) - getattr(found, key) for key in ("rgb", "raw")}
        rows.append(
            (
                name,
                _db(found.forward, 1),
                f"{found.rgb:.2f}" + ("" if found is exact else f" ({-lost['rgb']:+.3f})"),
                f"{found.raw:.2f}" + ("" if found is exact else f" ({-lost['raw']:+.3f})"),
                _db(found.raw8, 2),
                _db(found.round_trip, 1),
            )
        )
    head = ("arithmetic", "forward", "RGB through JPEG", "RAW through JPEG", "RAW through 8 bit", "round trip")
    return _table(head, rows)


def _markdown(calibration: Calibration) -> str:
    record, search = calibration.record, calibration.search
    options = record.options
    tiles = sum(file.tiles for file in record.files)
    saturated = sorted(record.tensors, key=lambda name: -record.tensors[name].saturated)[:_WORST]
    ranked = sorted(record.sensitivity, key=lambda name: -record.sensitivity[name])
    lines = [
        "# Calibration",
        "",
        f"Weights `{record.weights}` ({record.config}); ranges by {record.method} over {tiles} tiles of "
        f"{options['tile']} pixels out of {len(record.files)} files, both directions, through JPEG of quality "
        f"{options['quality']}, {options['subsampling']}.",
        "",
        "## Losses",
        "",
        f"Means in dB over {len(calibration.held)} tiles of {options['held_size']} pixels that no range was measured "
        f"on, out of {', '.join(dict.fromkeys(calibration.held))}. In brackets: the difference from fp32.",
        "",
        *loss_table(calibration.figures),
        "",
        *(f"- **{name}**: {text}" for name, text in ARITHMETICS.items()),
        "",
        *(f"- {name.replace('_', ' ')}: {text}" for name, text in MEASURES.items()),
        "",
        "## Kept layers",
        "",
        *_kept_lines(calibration),
        "",
        f"![{PICTURES['sensitivity']}](sensitivity.png)",
        "",
        *_table(
            ("function", "dB RAW that it costs alone at int8"),
            [(name, f"{record.sensitivity[name]:.4f}") for name in ranked],
        ),
        "",
        "## Ranges",
        "",
        f"![{PICTURES['ranges']}](ranges.png)",
        "",
        "The tensors that saturate most:",
        "",
        *_table(
            ("tensor", "range", "largest", "share beyond"),
            [
                (
                    name,
                    f"{calibration.ranges[name]:.4g}",
                    f"{record.tensors[name].maximum:.4g}",
                    f"{record.tensors[name].saturated:.2e}",
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
        *_table(
            ("file", "tiles", "ISO", "exposure, s", "brightness", "SHA-256"),
            [
                (
                    file.name,
                    str(file.tiles),
                    "" if file.iso is None else str(file.iso),
                    "" if file.exposure is None else f"{file.exposure:g}",
                    "" if file.brightness is None else f"{file.brightness:.2f}",
                    f"`{file.sha256[:12]}`",
                )
                for file in record.files
            ],
        ),
        "",
        "Made with " + ", ".join(f"{name} {version}" for name, version in sorted(record.versions.items())) + ".",
    ]
    if search is not None and len(search.tried) > 1:
        lines += ["", "Levels tried for the kept layers (functions' ends, then whole ones -> dB RAW lost): "]
        lines[-1] += ", ".join(f"{level}: {drop:.3f}" for level, drop in search.tried.items()) + "."
    return "\n".join(lines) + "\n"


def _kept_lines(calibration: Calibration) -> list[str]:
    record, search = calibration.record, calibration.search
    if search is None:
        return ["No largest drop was asked for: every convolution is lowered."]
    limit = record.options["max_drop"]
    if not search.kept:
        return [f"None: all int8 loses {search.drop:.3f} dB RAW, at most {limit:g} was asked for."]
    return [
        f"{calibration.share:.1%} of the multiply-accumulates of F, G and H stay fp16; the int8 graph then loses "
        f"{search.drop:.3f} dB RAW, at most {limit:g} was asked for.",
        "",
        "`" + "`, `".join(search.kept) + "`",
    ]


def _finite(figures: Figures) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in asdict(figures).items()}


def _db(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
