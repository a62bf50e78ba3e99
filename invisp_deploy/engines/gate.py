"""No engine counts as verified before a GPU computed with it what ONNX Runtime computes with its graph on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from invisp_deploy.errors import ParityError
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.golden import Golden, shares
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard
from invisp_deploy.tolerances import parity_for

__all__ = ["can_run", "check_engine", "open_engine"]


def can_run(card: EngineCard, device: CudaDevice | None) -> bool:
    """Whether the GPU at hand, if any, is one that the engine was built for."""
    return device is not None and device.capability in card.targets


def open_engine(path: Path) -> Runtime:
    """The engine as a runtime on the GPU at hand; its sidecar stands beside it."""
    from invisp_deploy.runtimes.tensorrt.runtime import TensorRTRuntime

    return TensorRTRuntime(path)


def check_engine(engine: Runtime, card: EngineCard, golden: Golden, device: CudaDevice) -> dict[str, Any]:
    """Compute the golden input and return the figures for the sidecar, in units of full scale.

    psnr (dB, at most 200: equal arrays have an infinite one, which JSON has no number for), max_abs, the limit
    that psnr passed, and where. Raises ParityError where it does not pass.
    """
    crops = shares(golden.cut(engine.apply(golden.input(), golden.numbers)), golden.numbers)
    expected = shares(golden.crops, golden.numbers)
    direction, precision = card.graph.direction.value, card.graph.precision
    limits = parity_for(card.backend, precision, direction, codes=True)
    figure = min(psnr(crops, expected), 200.0)
    if not figure >= limits.psnr:  # NaN does not pass
        raise ParityError(
            f"The engine computes something else than its graph: {figure:.1f} dB against {golden.reference} at "
            f"{golden.height}x{golden.width}, {card.backend} {precision} {direction} must reach {limits.psnr:g} dB; "
            "nothing was written. Build again without the cache; if it stays so, report it with the output of "
            "`invisp doctor`."
        )
    return {
        "psnr": round(figure, 2),
        "psnr_limit": limits.psnr,
        "max_abs": float(np.abs(crops - expected).max()),
        "reference": golden.reference,
        "size": [golden.height, golden.width],
        "device": device.name,
        "capability": device.capability,
        "driver": device.driver,
    }
