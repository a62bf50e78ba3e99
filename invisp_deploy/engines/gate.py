"""No engine counts as verified before a GPU computed with it what ONNX Runtime computes with its graph on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from invisp_deploy.errors import ParityError
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.steps import CODES_PEAK, CURVE_EXPONENT, Array, Codes, exponent_of
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.golden import Golden, make_golden, shares
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard
from invisp_deploy.tolerances import Figure, engine_parity

_OFF: Final = 1e-5
_CAP: Final = 200.0


def can_run(card: EngineCard, device: CudaDevice | None) -> bool:
    """Whether the GPU at hand, if any, is one that the engine was built for."""
    return device is not None and device.capability in card.targets


def open_engine(path: Path) -> Runtime:
    """The engine as a runtime on the GPU at hand; its sidecar stands beside it."""
    from invisp_deploy.runtimes.tensorrt.runtime import TensorRTRuntime

    return TensorRTRuntime(path)


def self_psnr(onnx: Path, card: GraphCard, golden: Golden) -> float:
    """How near the golden crops an int8 or fp8 graph comes with what its network reads 1e-5 off; dB, at most 200.

    A right engine adds up in another order, so a value next to a half rounds the other way now and then, and each such
    value of 8 bits sets off others behind it. How far that goes lies in the weights, and not in the size of what set it
    off: between 1e-6 and 1e-4 it was the same up to 4 dB. 1e-5 is more than any device's exponential is off.
    """
    with OnnxRuntime(onnx, constants=nudged(card, _OFF)) as reference:
        crops = make_golden(reference, golden.height, golden.width).crops
    return min(psnr(shares(crops, golden.numbers), shares(golden.crops, golden.numbers)), _CAP)


def nudged(card: GraphCard, off: float) -> dict[str, Array]:
    """The constant before a mosaic graph's network that all which it reads goes through, by its name, that much off."""
    if card.direction is Direction.FORWARD:
        name, value = CURVE_EXPONENT, exponent_of(card.contract.curve)
    else:
        name, value = CODES_PEAK, float(Codes(card.bits).peak)
    return {name: np.array(value * (1 + off), np.float32)}


def check_engine(engine: Runtime, card: EngineCard, golden: Golden, device: CudaDevice) -> dict[str, Any]:
    """Compute the golden input and return the figures for the sidecar, in units of full scale.

    psnr (dB, at most 200: equal arrays have an infinite one, which JSON has no number for), max_abs, the limit
    that psnr passed (`tolerances.engine_parity`), and where. Raises ParityError where it does not pass.
    """
    crops = shares(golden.cut(engine.apply(golden.input(), golden.numbers)), golden.numbers)
    expected = shares(golden.crops, golden.numbers)
    direction, precision = card.graph.direction.value, card.graph.precision
    limits = engine_parity(precision, card.self_psnr)
    figure = Figure("PSNR", min(psnr(crops, expected), _CAP), limits.psnr, "dB", True)
    if not figure.ok:
        raise ParityError(
            f"The engine computes something else than its graph: {figure.value:.1f} dB against {golden.reference} at "
            f"{golden.height}x{golden.width}, {card.backend} {precision} {direction} must reach {figure.limit:.3g} dB; "
            "nothing was written, and no plan is kept. Build again; if it stays so, report it with the output of "
            "`invisp doctor`."
        )
    return {
        "psnr": round(figure.value, 2),
        "psnr_limit": round(figure.limit, 2),
        "max_abs": float(np.abs(crops - expected).max()),
        "reference": golden.reference,
        "size": [golden.height, golden.width],
        "device": device.name,
        "capability": device.capability,
        "driver": device.driver,
    }
