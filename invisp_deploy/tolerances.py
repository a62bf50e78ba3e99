"""Every tolerance of this package, by name and with its reason. Export, commands, tests and docs read this table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


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
    "step-codes-8": Tolerance(
        1, "codes of 255", "a graph's steps against those in numpy: one fp32 rounding may cross a half"
    ),
    "step-codes-16": Tolerance(
        8,
        "codes of 65535",
        "the same in finer codes: fp32 roundings of the steps, magnified by the network and the curve",
    ),
    "step-mosaic-psnr": Tolerance(
        70, "dB, at least", "mosaic of a graph against the steps in numpy: single DN where a half is crossed"
    ),
    "lens-shading-halves": Tolerance(
        0.05,
        "relative",
        "lens shading at 0.7 of the way to the corner, by the left and by the right halves of pictures",
    ),
    "gain-map-shown": Tolerance(
        0.004, "relative", "libultrahdr, whose curve and gains are tables of 1024 entries, against the formula"
    ),
    "linear-light": Tolerance(
        0.002, "relative", "half floats of 11 bits, and gains between a map's pixels in 16ths of a code, of the formula"
    ),
    "linear-light-avif": Tolerance(
        0.03, "mean, of white", "10 bits of PQ, whose steps are 1 % of the value, with colours at half the resolution"
    ),
    "linear-light-raw": Tolerance(
        0.03, "relative", "highlights of 2x2 squares of a mosaic in codes of 8 bits beside the same demosaiced"
    ),
    "tone-mapped-light": Tolerance(
        0.06, "relative", "light out of codes of 8 bits and a JPEG of gains, above a tenth of white"
    ),
    "nv12-codes": Tolerance(
        2, "codes of 255", "GStreamer, whose weights are 8 bits and which rounds each pixel's chroma before the mean"
    ),
    "piped-colour": Tolerance(
        2, "DN of 255, median", "samples of a plain colour that come back of a JPEG of quality 90 and its predictor"
    ),
    "scene-light": Tolerance(
        0.05, "relative", "means of 16x16 pixels of a RAW's light against LibRaw's, which demosaics otherwise"
    ),
    "local-laplacian": Tolerance(
        0.04,
        "absolute",
        "planes remapped around values 0.02 sigma apart against each value's own: the square root of a detail has no "
        "bound on its slope",
    ),
    "engine-most": Tolerance(90, "dB", "asked of an 8-bit engine at most: one code of a golden input is about 100"),
    "engine-self": Tolerance(
        3.5,
        "dB, at most",
        "8-bit engine below its graph against itself: right runtimes were 3 dB below or less, wrong ones 3.9",
    ),
    "peer-half-psnr": Tolerance(
        45, "dB, at least", "PyTorch with all of the network in fp16 against fp32: 64 dB were seen, other weights vary"
    ),
    "scale-bound": Tolerance(1e-6, "absolute", "|s| <= 0.8 holds by construction up to one fp32 rounding"),
    "simulator-libjpeg": Tolerance(
        1.0, "mean of 255 levels", "Fourier rounding against libjpeg's decoded file, both at quality 90"
    ),
    "noise-gain": Tolerance(
        0.1, "of its value", "a sensor's noise out of one photograph: what is left of texture in its flattest blocks"
    ),
    "two-lights": Tolerance(
        0.002, "absolute", "entries of a colour matrix: McCamy's colour temperature against Robertson's off the line"
    ),
    "processes": Tolerance(
        1e-5, "absolute", "losses of two processes against one with the same batch: another order of sums, six steps"
    ),
    "registered": Tolerance(
        0.1, "pixels", "along an axis at the corners of a made picture, of windows of 64 pixels under noise and JPEG"
    ),
    "registered-psnr": Tolerance(
        34, "dB, at least", "a picture through bicubic interpolation against the same scene on the mosaic's own grid"
    ),
    "registered-bent": Tolerance(
        0.2, "pixels, root mean square", "over a bent picture of 800 pixels, in whose corners no window has its middle"
    ),
    "registered-bent-psnr": Tolerance(
        30, "dB, at least", "a picture that was bent by one interpolation and back by another, noise in both"
    ),
    "closed-look-psnr": Tolerance(
        38,
        "dB, at least",
        "a look that is a matrix and a curve, found from five small pictures and LibRaw's demosaicing",
    ),
    "closed-look-raw-psnr": Tolerance(
        40, "dB, at least", "its RAW by a fitted way back from codes of 8 bits, interpolated pixels among them"
    ),
    "coarse-psnr": Tolerance(
        34, "dB, at least", "a look of curves and slow changes out of a picture that was made small, a fifth at most"
    ),
    "tones": Tolerance(
        15,
        "codes of 255, root mean square",
        "59 made files that two programs rendered by one curve each lay within 12.0 of their median",
    ),
    "shipped-rgb-psnr": Tolerance(
        36, "dB, at least", "regression gate of the shipped model: JPEG of a crop of the sample to LibRaw's rendering"
    ),
    "shipped-raw-psnr-paper": Tolerance(
        45, "dB, at least", "regression gate of the shipped model: RAW of that crop recovered from the JPEG file"
    ),
}


@dataclass(frozen=True)
class Figure:
    """One measured figure and its limit; `at_least` says on which side of the limit it passes. NaN never passes."""

    name: str
    value: float
    limit: float
    unit: str
    at_least: bool

    @property
    def ok(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True)
class Parity:
    """What must be reached on a golden input; decibels with peak 1, difference absolute.

    psnr: of the output against its reference. round_trip_psnr: of the inverse, given what the forward of the same
    precision made, against the input. max_abs: largest difference from the reference.
    """

    psnr: float
    round_trip_psnr: float
    max_abs: float
    reason: str


PARITY: Final[dict[str, Parity]] = {
    "fp32": Parity(100, 90, 2e-5, "other sum orders only; TF32 is off"),
    "fp16": Parity(
        70,
        80,
        5e-3,
        "11 bits in F, G and H, fp32 spine: errors of 5e-4 of F, G, H, which the inverse repeats bit by bit",
    ),
    "int8": Parity(
        35,
        50,
        0.5,
        "8 bits in F, G and H, fp32 spine; the inverse sees nearly the same rounding, so the round trip is better",
    ),
    "fp8": Parity(30, 45, 0.5, "4 bits of mantissa in F, G and H, fp32 spine"),
}
"""precision -> what a graph must reach against fp32 PyTorch, in any runtime and direction: what the precision costs."""

_CODES: Final = (
    "an error below half a code moves to the next one where a rounding is crossed, and counts as a whole one"
)

CODE_PARITY: Final[dict[str, Parity]] = {
    "fp32": Parity(70, 30, 1.5 / 255, _CODES),
    "fp16": Parity(55, 30, 6.5 / 255, _CODES),
    "int8": Parity(30, 30, 0.6, _CODES),
    "fp8": Parity(25, 25, 0.6, _CODES),
}
"""The same of a mosaic graph, in units of full scale (255, or the white level).

The round trip goes through 8-bit codes: its limit only tells a pair that belongs together from one that does not.
"""

_FLIPS: Final = (
    "the same grids of 8 bits, but a value next to a half may round the other way; where its card says what the graph "
    "reaches against itself, that less `engine-self`, at most `engine-most`"
)

ENGINE_PARITY: Final[dict[str, Parity]] = {
    "fp32": Parity(70, 30, 1.5 / 255, _CODES),
    "fp16": Parity(55, 30, 6.5 / 255, _CODES),
    "int8": Parity(70, 30, 12.5 / 255, _FLIPS),
    "fp8": Parity(70, 25, 12.5 / 255, _FLIPS),
}
"""precision -> what an engine must reach against its own graph in ONNX Runtime, in units of full scale."""


def parity_for(precision: str, *, codes: bool = False) -> Parity:
    """A graph against fp32 PyTorch. codes: of a mosaic graph."""
    return (CODE_PARITY if codes else PARITY)[precision]


def engine_parity(precision: str, self_psnr: float | None) -> Parity:
    """An engine against its own graph. self_psnr: what the engine's card says of the graph, dB (`engines.gate`)."""
    limits = ENGINE_PARITY[precision]
    if self_psnr is None:
        return limits
    asked = self_psnr - TOLERANCES["engine-self"].limit
    return replace(limits, psnr=min(TOLERANCES["engine-most"].limit, asked))
