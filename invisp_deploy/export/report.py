"""What an export says of itself, for machines and for people. No path and no time: the same export, the same report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import onnx
import onnxruntime

from invisp_deploy.export.graph import operator_counts
from invisp_deploy.export.parity import PhaseParity, ShapeParity
from invisp_deploy.files import sha256_file
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.runtimes.golden import golden_path
from invisp_deploy.tolerances import TOLERANCES, Tolerance, parity_for

_ERRORS: Final = ("forward", "inverse", "round_trip")
WORST_CONDITION: Final = 1e3
"""Condition number of a 1x1 matrix above which a warning is due: three of fp32's seven digits are lost to it."""


def make_report(
    models: Mapping[str, onnx.ModelProto],
    parity: Sequence[ShapeParity],
    phases: Sequence[PhaseParity],
    conditions: Sequence[float],
    folder: Path,
) -> dict[str, Any]:
    """The report as plain data; sizes and digests are those of the models' files and golden files in `folder`."""
    first = next(iter(models.values()))
    card = GraphCard.from_metadata({entry.key: entry.value for entry in first.metadata_props}, "the graph")
    return {
        "weights": card.weights,
        "config": card.config.to_dict(),
        "contract": card.contract.to_dict(),
        "halo": card.config.halo,
        "precision": card.precision,
        "form": card.form,
        "phases": [asdict(entry) for entry in phases],
        "kept": list(card.kept),
        "scales": card.scales,
        "opset": first.opset_import[0].version,
        "ir_version": first.ir_version,
        "versions": {**card.versions, "onnxruntime": onnxruntime.__version__},
        "operators": {name: operator_counts(model) for name, model in models.items()},
        "parity": [{**asdict(entry), "shape": list(entry.shape)} for entry in parity],
        "worst": {
            **{name: max(getattr(entry, name) for entry in parity) for name in _ERRORS},
            **{f"{name}_psnr": min(getattr(entry, f"{name}_psnr") for entry in parity) for name in _ERRORS},
        },
        "tolerances": _tolerances(card.precision),
        "conditions": list(conditions),
        "warnings": [
            f"The 1x1 matrix of block {index} has the condition number {condition:.1e} (above {WORST_CONDITION:.0e}): "
            "the inverse multiplies rounding errors and 8-bit steps by as much."
            for index, condition in enumerate(conditions)
            if condition > WORST_CONDITION
        ],
        "files": {
            name: {"bytes": (folder / name).stat().st_size, "sha256": sha256_file(folder / name)}
            for name in (*models, *(golden_path(Path(name)).name for name in models))
        },
    }


def _tolerances(precision: str) -> dict[str, Any]:
    if precision == "fp32":
        return {name: asdict(TOLERANCES[name]) for name in ("onnxruntime-parity", "round-trip")}
    limits = parity_for(precision)
    rows = (("psnr", limits.psnr), ("round_trip_psnr", limits.round_trip_psnr))
    return {name: asdict(Tolerance(limit, "dB, at least", limits.reason)) for name, limit in rows}


def report_json(report: Mapping[str, Any]) -> str:
    return json.dumps(report, indent=2, sort_keys=True) + "\n"


def report_text(report: Mapping[str, Any]) -> str:
    """The report in Markdown."""
    config, contract = report["config"], report["contract"]
    graphs = list(report["operators"])
    kinds = sorted({kind for counts in report["operators"].values() for kind in counts})
    lines = [
        "# Export report",
        "",
        *_table(
            ("what", "value"),
            [
                ("weights", f"`{report['weights']}`"),
                ("network", ", ".join(f"{name} {value}" for name, value in config.items())),
                ("camera contract", ", ".join(f"{name} {value!r}" for name, value in contract.items())),
                ("receptive radius", f"{report['halo']} px"),
                ("precision of F, G, H", _precision(report)),
                ("form", report["form"]),
                ("ONNX", f"opset {report['opset']}, IR version {report['ir_version']}"),
                ("made with", ", ".join(f"{name} {value}" for name, value in report["versions"].items())),
            ],
        ),
        *(f"\n**Warning:** {warning}" for warning in report["warnings"]),
        "",
        "## Parity",
        "",
        "ONNX Runtime (CPU) against PyTorch, and the round trip through both graphs: largest absolute difference,",
        "divided by the peak (largest magnitude on either side, at least 1), and the same in decibels.",
        "",
        *_table(
            ("input", "forward", "inverse", "round trip", "forward, dB", "inverse, dB", "round trip, dB", "peak"),
            [
                ("x".join(map(str, row["shape"])), *(f"{row[key]:.1e}" for key in _ERRORS),
                 *(f"{row[key + '_psnr']:.1f}" for key in _ERRORS), f"{row['peak']:.3g}")
                for row in report["parity"]
            ],
        ),
        "",
        *_table(
            ("tolerance", "limit", "reason"),
            [(name, f"{entry['limit']:g} {entry['unit']}", entry["reason"])
             for name, entry in report["tolerances"].items()],
        ),
        "",
        *_phases(report),
        "Condition numbers of the 1x1 matrices, block by block: "
        + ", ".join(f"{condition:.4g}" for condition in report["conditions"])
        + ".",
        "",
        "## Operators",
        "",
        *_table(
            ("operator", *graphs),
            [(kind, *(str(report["operators"][graph].get(kind, 0)) for graph in graphs)) for kind in kinds],
        ),
        "",
        "## Files",
        "",
        *_table(
            ("file", "bytes", "SHA-256"),
            [(name, str(entry["bytes"]), f"`{entry['sha256']}`") for name, entry in report["files"].items()],
        ),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _phases(report: Mapping[str, Any]) -> list[str]:
    """Of mosaic graphs: the table of Bayer phases."""
    if not report["phases"]:
        return []
    rows = [
        (row["cfa"], str(row["bits"]), str(row["codes"]), f"{row['picture_psnr']:.1f}", f"{row['mosaic_psnr']:.1f}")
        for row in report["phases"]
    ]
    return [
        "The graphs' steps against the same steps in numpy around the network that they hold, 200 dB where equal:",
        "",
        *_table(("CFA", "bits", "largest difference, codes", "picture, dB", "mosaic, dB"), rows),
        "",
    ]


def _precision(report: Mapping[str, Any]) -> str:
    kept = f"; fp16: {', '.join(report['kept'])}" if report["kept"] else ""
    scales = f"; scales `{report['scales'][:12]}`" if report["scales"] else ""
    return f"{report['precision']}{scales}{kept}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
