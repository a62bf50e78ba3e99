"""An export in words: weights, parity, tolerances, operators, files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from invisp_deploy.report.markdown import table

_ERRORS: Final = ("forward", "inverse", "round_trip")


def export_page(report: Mapping[str, Any]) -> str:
    """What `report.json` of an export holds, in Markdown."""
    config, contract = report["config"], report["contract"]
    graphs = list(report["operators"])
    kinds = sorted({kind for counts in report["operators"].values() for kind in counts})
    lines = [
        "# Export report",
        "",
        table(
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
        table(
            ("input", "forward", "inverse", "round trip", "forward, dB", "inverse, dB", "round trip, dB", "peak"),
            [
                ("x".join(map(str, row["shape"])), *(f"{row[key]:.1e}" for key in _ERRORS),
                 *(f"{row[key + '_psnr']:.1f}" for key in _ERRORS), f"{row['peak']:.3g}")
                for row in report["parity"]
            ],
        ),
        "",
        table(
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
        table(
            ("operator", *graphs),
            [(kind, *(str(report["operators"][graph].get(kind, 0)) for graph in graphs)) for kind in kinds],
        ),
        "",
        "## Files",
        "",
        table(
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
        table(("CFA", "bits", "largest difference, codes", "picture, dB", "mosaic, dB"), rows),
        "",
    ]


def _precision(report: Mapping[str, Any]) -> str:
    kept = f"; fp16: {', '.join(report['kept'])}" if report["kept"] else ""
    scales = f"; scales `{report['scales'][:12]}`" if report["scales"] else ""
    return f"{report['precision']}{scales}{kept}"
