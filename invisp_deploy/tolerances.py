"""Every tolerance of this package, by name and with its reason. Export, commands, tests and docs read this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["TOLERANCES", "Tolerance"]


@dataclass(frozen=True)
class Tolerance:
    """limit: largest absolute difference that passes (or smallest figure, where the name says so)."""

    limit: float
    unit: str
    reason: str


TOLERANCES: Final[dict[str, Tolerance]] = {
    "golden": Tolerance(
        1e-5, "absolute", "fp32 against the authors' code: two orders of the 130-channel sums, 8 blocks deep"
    ),
    "onnxruntime-parity": Tolerance(
        2e-5, "absolute", "fp32 graph in ONNX Runtime against PyTorch: other sum orders, folded 1x1 matrices"
    ),
    "round-trip": Tolerance(1e-4, "absolute", "fp32 forward then inverse: rounding errors times exp(0.8) per block"),
    "tiled": Tolerance(1e-5, "absolute", "tiles with the exact halo against the whole picture: kernel choice only"),
    "scale-bound": Tolerance(1e-6, "absolute", "|s| <= 0.8 holds by construction up to one fp32 rounding"),
    "simulator-libjpeg": Tolerance(
        1.0, "mean of 255 levels", "Fourier rounding against libjpeg's decoded file, both at quality 90"
    ),
    "shipped-rgb-psnr": Tolerance(
        36, "dB, at least", "regression gate of the shipped model: JPEG of a crop of the sample to LibRaw's rendering"
    ),
    "shipped-raw-psnr-paper": Tolerance(
        45, "dB, at least", "regression gate of the shipped model: RAW of that crop recovered from the JPEG file"
    ),
}
