"""Camera graphs against the separate steps: `camera.levels` in numpy around the tensor graphs of the same network.

All four Bayer phases, with levels that differ from site to site. In fp32 and fp16 the picture may differ by one code
where a rounding crosses a half. In int8 and fp8 the last bit of an input may move a value to the next step of the
8-bit grid, so they are held to the decibels that their precision has against fp32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from invisp_deploy.errors import ParityError
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.isp.levels import Levels, network_input, recovered_mosaic
from invisp_deploy.runtimes.golden import natural_input, psnr
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.tolerances import TOLERANCES, parity_for

__all__ = ["PhaseParity", "check_camera"]

_EDGE: Final = 24
_LEVELS: Final = Levels("RGGB", (127.0, 128.0, 129.0, 130.0), 4095.0, (1.0, 0.51, 0.85), 2.2)


@dataclass(frozen=True)
class PhaseParity:
    """At one Bayer phase: largest difference of the picture in codes; decibels of picture and mosaic, at most 200."""

    cfa: str
    rgb_codes: int
    rgb_psnr: float
    mosaic_psnr: float


def check_camera(card: GraphCard, camera: Path, tensor: Path) -> list[PhaseParity]:
    """Compare forward.onnx and inverse.onnx of the folder `camera` with those of the folder `tensor`.

    card: of either camera graph. Tolerances: `camera-rgb-codes`, `camera-mosaic-psnr`. Raises ParityError.
    """
    graphs = [[OnnxRuntime(folder / f"{name}.onnx") for name in ("forward", "inverse")] for folder in (camera, tensor)]
    return [_compare(card, graphs, row, column) for row in (0, 1) for column in (0, 1)]


def _compare(card: GraphCard, graphs: list[list[OnnxRuntime]], row: int, column: int) -> PhaseParity:
    (forward, inverse), (render, recover) = graphs
    levels = replace(_LEVELS, gamma=card.contract.gamma).shifted(row, column)
    edge = _EDGE * card.config.squeeze
    plane = natural_input((1, 3, edge, edge + 2 * card.config.squeeze), 7)[0, 1]
    mosaic = np.rint(127 + plane * (levels.white - 100)).astype(np.uint16)  # some pixels below black, some above white
    rgb = forward.apply(mosaic[None, None], levels.tensors())
    srgb = render.apply(network_input(mosaic, levels)[None])
    expected = np.rint(np.clip(srgb, 0, 1) * np.float32(255))
    back = inverse.apply(rgb, levels.tensors())[0, 0]
    raw = recover.apply(rgb.astype(np.float32) / np.float32(255))[0]
    found = PhaseParity(
        levels.cfa,
        int(np.abs(rgb - expected).max()),
        min(psnr(rgb / 255, expected / 255), 200.0),
        min(psnr(back / levels.white, recovered_mosaic(raw, levels) / levels.white), 200.0),
    )
    _gate(found, card.precision)
    return found


def _gate(found: PhaseParity, precision: str) -> None:
    exact = precision in ("fp32", "fp16")
    codes, decibels = TOLERANCES["camera-rgb-codes"].limit, TOLERANCES["camera-mosaic-psnr"].limit
    if exact and found.rgb_codes > codes:
        raise ParityError(
            f"The camera graph's picture differs from the separate steps by {found.rgb_codes} codes at {found.cfa}, "
            f"{codes:g} may: nothing was exported; please report it."
        )
    lowered = parity_for("onnxruntime", precision, "forward").psnr
    limits = {"mosaic": (found.mosaic_psnr, decibels if exact else lowered)}
    if not exact:
        limits["picture"] = (found.rgb_psnr, lowered)
    for name, (value, limit) in limits.items():
        if not value >= limit:
            raise ParityError(
                f"The camera graph's {name} reaches {value:.1f} dB against the separate steps at {found.cfa}, "
                f"{limit:g} are expected: nothing was exported; please report it."
            )
