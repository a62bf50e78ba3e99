"""Checkpoint to folder: graphs of both directions, their golden files and the report, finished only after parity."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import onnx
import onnxruntime

from invisp_deploy.arithmetic import FP32, Arithmetic
from invisp_deploy.export.graph import build_graph, network_inside, operator_counts
from invisp_deploy.export.parity import PhaseParity, ShapeParity, check_parity, check_steps, conditions
from invisp_deploy.export.views import ForwardView, InverseView
from invisp_deploy.files import sha256_file, whole_folder, write_whole
from invisp_deploy.graph_card import BITS, Direction, GraphCard
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.report.export import export_page
from invisp_deploy.runtimes.around import StepsAround
from invisp_deploy.runtimes.golden import golden_path, make_golden, write_golden
from invisp_deploy.runtimes.torch_ import TorchRuntime
from invisp_deploy.tolerances import TOLERANCES, Tolerance, parity_for
from invisp_deploy.versions import versions

GRAPHS: Final = {
    "mosaic": ("forward.onnx", "inverse.onnx", "forward16.onnx", "inverse16.onnx"),
    "tensor": ("forward.onnx", "inverse.onnx"),
}
"""Graphs of an export, by form: both directions with 8-bit codes, and the pair that renders to 16 bits."""

_ERRORS: Final = ("forward", "inverse", "round_trip")
WORST_CONDITION: Final = 1e3
"""Condition number of a 1x1 matrix above which a warning is due: three of fp32's seven digits are lost to it."""


def files_of(form: str) -> tuple[str, ...]:
    """What an export of that form writes, the report last: where it stands, the others are its own."""
    goldens = (golden_path(Path(name)).name for name in GRAPHS[form])
    return (*GRAPHS[form], *goldens, "report.md", "report.json")


def export_onnx(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    arithmetic: Arithmetic = FP32,
    form: str = "mosaic",
    opset: int | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write `files_of(form)` to `folder`, all or none, and return what report.json says.

    Raises ParityError where a graph disagrees with PyTorch or the round trip misses, RequestError for an
    opset or folder that does not do, OutputError where writing fails.
    """
    network = checkpoint.network.eval()
    with whole_folder(folder, files_of(form), overwrite=overwrite) as part:
        models: dict[str, onnx.ModelProto] = {}
        phases: list[PhaseParity] = []
        for bits in BITS if form == "mosaic" else BITS[:1]:
            pair = {}
            for view in (ForwardView(network), InverseView(network)):
                card = _card(checkpoint, view.direction, arithmetic, form, bits)
                pair[view.direction] = build_graph(view, card, opset, arithmetic)
                name = f"{view.direction.value}{'' if bits == BITS[0] else bits}.onnx"
                models[name] = pair[view.direction]
                write_whole(part / name, models[name].SerializeToString(deterministic=True))
                reference = StepsAround(TorchRuntime(checkpoint, view.direction), bits)
                write_golden(golden_path(part / name), make_golden(reference))
            if form == "mosaic":
                phases += check_steps(card, pair[Direction.FORWARD], pair[Direction.INVERSE])
            if bits == BITS[0]:  # the network inside is the same whatever the codes
                forward, inverse = (network_inside(model, direction) for direction, model in pair.items())
                parity = check_parity(network, forward, inverse, arithmetic.precision)
        report = _report(models, parity, phases, conditions(network), part)
        write_whole(part / "report.md", export_page(report))
        write_whole(part / "report.json", json.dumps(report, indent=2, sort_keys=True) + "\n")
    return report


def _card(checkpoint: Checkpoint, direction: Direction, arithmetic: Arithmetic, form: str, bits: int) -> GraphCard:
    return GraphCard(
        direction=direction,
        config=checkpoint.config,
        contract=checkpoint.contract,
        weights=checkpoint.weights,
        precision=arithmetic.precision,
        versions=versions("onnx", "torch"),
        kept=tuple(sorted(arithmetic.kept)),
        scales=arithmetic.digest,
        form=form,
        bits=bits,
        learned_on=str(checkpoint.card.get("camera", "")),
    )


def _report(
    models: Mapping[str, onnx.ModelProto],
    parity: Sequence[ShapeParity],
    phases: Sequence[PhaseParity],
    condition_numbers: Sequence[float],
    folder: Path,
) -> dict[str, Any]:
    """What an export says of itself, without path and time: the same export, the same report.

    folder: holds the models' files and golden files, whose sizes and digests are told.
    """
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
        "conditions": list(condition_numbers),
        "warnings": [
            f"The 1x1 matrix of block {index} has the condition number {condition:.1e} (above {WORST_CONDITION:.0e}): "
            "the inverse multiplies rounding errors and 8-bit rounding by as much."
            for index, condition in enumerate(condition_numbers)
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
