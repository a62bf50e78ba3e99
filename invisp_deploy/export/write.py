"""Checkpoint to folder: graphs of both directions, their golden files and the report, finished only after parity."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import onnx

from invisp_deploy.arithmetic import FP32, Arithmetic
from invisp_deploy.export.graph import build_graph, network_inside
from invisp_deploy.export.parity import PhaseParity, check_parity, check_steps, conditions
from invisp_deploy.export.report import make_report, report_json
from invisp_deploy.export.views import ForwardView, InverseView
from invisp_deploy.files import whole_folder, write_whole
from invisp_deploy.graph_card import BITS, Direction, GraphCard
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.report.export import export_page
from invisp_deploy.runtimes.around import StepsAround
from invisp_deploy.runtimes.golden import golden_path, make_golden, write_golden
from invisp_deploy.runtimes.torch_ import TorchRuntime
from invisp_deploy.versions import versions

GRAPHS: Final = {
    "mosaic": ("forward.onnx", "inverse.onnx", "forward16.onnx", "inverse16.onnx"),
    "tensor": ("forward.onnx", "inverse.onnx"),
}
"""Graphs of an export, by form: both directions with 8-bit codes, and the pair that renders to 16 bits."""


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
        report = make_report(models, parity, phases, conditions(network), part)
        write_whole(part / "report.md", export_page(report))
        write_whole(part / "report.json", report_json(report))
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
    )
