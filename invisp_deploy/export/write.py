"""Checkpoint to folder: both graphs, the golden arrays and the report, finished only after parity."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

import onnx
import torch

from invisp_deploy import __version__
from invisp_deploy.arithmetic import FP32, Arithmetic
from invisp_deploy.errors import RequestError
from invisp_deploy.export.camera_parity import PhaseParity, check_camera
from invisp_deploy.export.folder import whole_folder
from invisp_deploy.export.golden import camera_arrays, golden_arrays
from invisp_deploy.export.graph import build_graph
from invisp_deploy.export.parity import check_parity, conditions
from invisp_deploy.export.report import make_report, report_json, report_text
from invisp_deploy.export.views import ForwardView, InverseView
from invisp_deploy.files import write_whole
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.runtimes.golden import npz_bytes

__all__ = ["FILES", "export_onnx"]

FILES: Final = ("forward.onnx", "inverse.onnx", "golden.npz", "report.md", "report.json")
"""What an export writes, the report last: where it stands, the others are its own."""


def export_onnx(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    arithmetic: Arithmetic = FP32,
    interface: str = "tensor",
    opset: int | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Write `FILES` to `folder`, all or none, and return what report.json says.

    Raises ParityError where a graph disagrees with PyTorch or the round trip misses, RequestError for an
    opset or folder that does not do or a border that camera graphs do not have, OutputError where writing fails.
    """
    if interface != "tensor" and checkpoint.contract.border != "mirror":
        raise RequestError(
            f"The weights' contract has the border {checkpoint.contract.border!r}, camera graphs demosaic with "
            "mirrored borders only: export the tensor graphs, without --io camera."
        )
    network = checkpoint.network.eval()
    with whole_folder(folder, FILES, overwrite=overwrite) as part:
        models = _write_graphs(checkpoint, part, arithmetic, interface, opset)
        phases: list[PhaseParity] = []
        if interface == "tensor":
            parity = check_parity(network, part / "forward.onnx", part / "inverse.onnx", arithmetic.precision)
        else:  # the network inside is held to PyTorch by its tensor graphs, the camera around it to the steps
            with tempfile.TemporaryDirectory() as name:
                twins = Path(name)
                _write_graphs(checkpoint, twins, arithmetic, "tensor", opset)
                parity = check_parity(network, twins / "forward.onnx", twins / "inverse.onnx", arithmetic.precision)
                phases = check_camera(_card(checkpoint, Direction.FORWARD, arithmetic, interface), part, twins)
        gamma = checkpoint.contract.gamma
        arrays = golden_arrays(network) if interface == "tensor" else camera_arrays(network, gamma)
        write_whole(part / "golden.npz", npz_bytes(arrays))
        report = make_report(models, parity, phases, conditions(network), part)
        write_whole(part / "report.md", report_text(report))
        write_whole(part / "report.json", report_json(report))
    return report


def _write_graphs(
    checkpoint: Checkpoint, folder: Path, arithmetic: Arithmetic, interface: str, opset: int | None
) -> dict[str, onnx.ModelProto]:
    models: dict[str, onnx.ModelProto] = {}
    for view in (ForwardView(checkpoint.network), InverseView(checkpoint.network)):
        name = f"{view.direction.value}.onnx"
        models[name] = build_graph(view, _card(checkpoint, view.direction, arithmetic, interface), opset, arithmetic)
        write_whole(folder / name, models[name].SerializeToString(deterministic=True))
    return models


def _card(checkpoint: Checkpoint, direction: Direction, arithmetic: Arithmetic, interface: str) -> GraphCard:
    return GraphCard(
        direction=direction,
        config=checkpoint.config,
        contract=checkpoint.contract,
        weights=checkpoint.weights,
        halo=checkpoint.config.halo,
        precision=arithmetic.precision,
        versions=_versions(),
        kept=tuple(sorted(arithmetic.kept)),
        scales=arithmetic.digest,
        interface=interface,
    )


def _versions() -> dict[str, str]:
    return {"invisp-deploy": __version__, "onnx": onnx.__version__, "torch": torch.__version__}
