"""What an export says of itself. No path and no time: the same export, the same report."""

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
