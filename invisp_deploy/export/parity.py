"""Two written graphs against PyTorch: names, shapes, finite values, numbers and the round trip.

Errors are largest absolute differences, divided by the largest magnitude on either side of the network where
that exceeds 1: fp32 rounding is relative, and untamed weights leave [0, 1] by far. ONNX Runtime computes on the
CPU with ORT_ENABLE_EXTENDED: the layouts that ORT_ENABLE_ALL adds round ten times worse (2.0e-6 against
2.6e-7 in the largest network) and would measure themselves.

Lower precisions differ from fp32 by design; they are held to the decibels of `tolerances.PARITY`, also relative to
the peak. ONNX Runtime computes fp16 convolutions in fp32 on a CPU: what fp16 costs, `invisp-calibrate` measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from invisp_deploy.errors import ParityError
from invisp_deploy.graph_card import Direction
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.runtimes.golden import natural_input, psnr
from invisp_deploy.tolerances import TOLERANCES, parity_for

__all__ = ["ShapeParity", "check_parity", "conditions", "parity_shapes", "pytorch_pair"]

_CEILING = 200.0
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ShapeParity:
    """Relative errors at one input shape (batch, 3, height, width).

    forward, inverse: ONNX Runtime against PyTorch, both given the same input. round_trip: the inverse graph
    on what the forward graph made of `raw`, against `raw`. peak: largest magnitude on either side. *_psnr: the same
    three in decibels to that peak, at most 200.
    """

    shape: tuple[int, int, int, int]
    forward: float
    inverse: float
    round_trip: float
    forward_psnr: float
    inverse_psnr: float
    round_trip_psnr: float
    peak: float


def check_parity(network: InvISP, forward: Path, inverse: Path, precision: str = "fp32") -> list[ShapeParity]:
    """Compare both files with `network` (fp32, eval mode, CPU) at every shape of `parity_shapes`.

    Tolerances: `onnxruntime-parity` and `round-trip`; of lower precisions those of `PARITY`. Raises ParityError
    that names file, shape, error and tolerance; also for wrong names or shapes, values that are not finite, and
    files that do not load.
    """
    graphs = {
        Direction.FORWARD: _session(forward, Direction.FORWARD),
        Direction.INVERSE: _session(inverse, Direction.INVERSE),
    }
    found = [_compare(network, graphs, shape, seed) for seed, shape in enumerate(parity_shapes(network.config.squeeze))]
    for entry in found:
        if precision == "fp32":
            _gate(entry, graphs, network)
        else:
            _gate_lowered(entry, graphs, precision)
    return found


def conditions(network: InvISP) -> list[float]:
    """Condition number (2-norm, float64) of each 1x1 matrix: what its inverse may multiply an error by."""
    return [float(np.linalg.cond(block.invconv.matrix().detach().cpu().numpy())) for block in network.blocks()]


def parity_shapes(squeeze: int) -> list[tuple[int, int, int, int]]:
    """A square, odd (or odd when halved) sides, a batch of two and the smallest frame there is."""
    sizes = ((1, 64, 64), (1, 33, 47), (2, 17, 25), (1, 1, 1))
    return [(batch, 3, height * squeeze, width * squeeze) for batch, height, width in sizes]


def pytorch_pair(network: InvISP, raw: Array) -> tuple[Array, Array]:
    """PyTorch's forward of `raw`, and its inverse of that."""
    with torch.no_grad():
        srgb = network(torch.from_numpy(raw))
        return srgb.numpy(), network.inverse(srgb).numpy()


def _compare(
    network: InvISP, graphs: dict[Direction, _Session], shape: tuple[int, int, int, int], seed: int
) -> ShapeParity:
    raw = natural_input(shape, seed)
    srgb, raw_back = pytorch_pair(network, raw)
    if not np.isfinite(srgb).all() or not np.isfinite(raw_back).all():
        raise ParityError(
            f"PyTorch itself computes values that are not finite at {_by(shape)}: these weights are of no use in fp32."
        )
    peak = max(1.0, *(float(np.abs(array).max()) for array in (raw, srgb, raw_back)))
    made = graphs[Direction.FORWARD].run(raw)
    back, around = graphs[Direction.INVERSE].run(srgb), graphs[Direction.INVERSE].run(made)
    return ShapeParity(
        shape,
        forward=_error(made, srgb) / peak,
        inverse=_error(back, raw_back) / peak,
        round_trip=_error(around, raw) / peak,
        forward_psnr=_decibels(made, srgb, peak),
        inverse_psnr=_decibels(back, raw_back, peak),
        round_trip_psnr=_decibels(around, raw, peak),
        peak=peak,
    )


def _gate(found: ShapeParity, graphs: dict[Direction, _Session], network: InvISP) -> None:
    for label, error, name in (
        (f"{graphs[Direction.FORWARD].name} differs from PyTorch", found.forward, "onnxruntime-parity"),
        (f"{graphs[Direction.INVERSE].name} differs from PyTorch", found.inverse, "onnxruntime-parity"),
        ("The round trip through both graphs misses its start", found.round_trip, "round-trip"),
    ):
        limit = TOLERANCES[name].limit
        if not error <= limit:
            raise ParityError(
                f"{label} by {error:.1e} at {_by(found.shape)} (values up to {found.peak:.3g}), the tolerance `{name}` "
                f"is {limit:.0e}: nothing was exported; {_advice(max(conditions(network)), found.peak)}"
            )


def _gate_lowered(found: ShapeParity, graphs: dict[Direction, _Session], precision: str) -> None:
    limits = parity_for("onnxruntime", precision, "forward")
    for label, decibels, limit in (
        (f"{graphs[Direction.FORWARD].name} reaches", found.forward_psnr, limits.psnr),
        (f"{graphs[Direction.INVERSE].name} reaches", found.inverse_psnr, limits.psnr),
        ("The round trip through both graphs reaches", found.round_trip_psnr, limits.round_trip_psnr),
    ):
        if not decibels >= limit:
            raise ParityError(
                f"{label} {decibels:.1f} dB against fp32 at {_by(found.shape)}, {precision} must reach {limit:g} dB: "
                "nothing was exported; calibrate on more files, keep the sensitive layers in fp16 "
                "(`invisp-calibrate --max-drop 0.1`) or take a higher precision."
            )


class _Session:
    """One file in ONNX Runtime."""

    def __init__(self, session: Any, path: Path, direction: Direction) -> None:
        self.session = session
        self.name = path.name
        self.direction = direction

    def run(self, array: Array) -> Array:
        result: Array = self.session.run([self.direction.output_name], {self.direction.input_name: array})[0]
        if result.shape != array.shape:
            raise ParityError(f"{self.name} makes {_by(result.shape)} of {_by(array.shape)}, expected the same shape.")
        if not np.isfinite(result).all():
            raise ParityError(f"{self.name} makes values that are not finite at {_by(array.shape)}, PyTorch does not.")
        return result


def _session(path: Path, direction: Direction) -> _Session:
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf, NotImplemented

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidGraph, InvalidProtobuf, NotImplemented) as error:
        raise ParityError(f"ONNX Runtime {onnxruntime.__version__} does not load {path.name}: {error}") from error
    names = [node.name for node in (*session.get_inputs(), *session.get_outputs())]
    expected = [direction.input_name, direction.output_name]
    if names != expected:
        raise ParityError(f"{path.name} has the input and output {names}, expected {expected}.")
    return _Session(session, path, direction)


def _advice(condition: float, peak: float) -> str:
    if condition > 100 or peak > 10:
        return (
            f"weights with such values or a 1x1 matrix of condition number {condition:.1e} multiply the rounding of "
            "fp32: train them further."
        )
    return (
        f"the weights are tame (condition numbers up to {condition:.1f}), so the export is at fault: please report it."
    )


def _error(array: Array, reference: Array) -> float:
    return float(np.abs(array.astype(np.float64) - reference).max())


def _decibels(array: Array, reference: Array, peak: float) -> float:
    return min(psnr(array / peak, reference / peak), _CEILING)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
