"""The steps between a mosaic and the network's domain, and between sRGB and codes: each forward and inverse.

::

    mosaic, DN --Samples--> --Levels--> --WhiteBalance--> --Demosaic--> [--Colour-->] --Curve--> domain, 3 planes
    sRGB, 3 planes --Codes--> interleaved codes

A step is written twice, in numpy and as graph nodes, both ways: four functions that stand beside each other. All of
them read the frame's numbers by the names of `recipe.GRAPH_INPUTS`; what a contract decides once for all frames
(colour, curve, phase, bits) is a field. `steps` is the one list that numpy (`isp.develop`) and the ONNX writer walk.

In numpy a mosaic is (h, w) whose top left pixel is the first site of the numbers' pattern, planes are (3, h, w)
float32. In a graph all is at half the resolution: a mosaic is its four sites (1, 4, H/2, W/2), planes are (1, 12, H/2,
W/2) FLOAT, colour by colour, within a colour the sites of the 2x2 square row by row, as PyTorch's pixel_unshuffle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.demosaic import demosaic, remosaic
from invisp_deploy.isp.layout import (
    FLOAT,
    UINT8,
    GraphNodes,
    folded,
    in_squares,
    interleaved_codes,
    joined_bytes,
    parted_bytes,
    planar_codes,
    scalar,
    sizes,
)
from invisp_deploy.isp.recipe import Numbers

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float32]


CURVE_EXPONENT: Final = "curve.exponent"
CODES_PEAK: Final = "codes.peak"
"""Names of constants, FLOAT without a dimension: the curve's power (`exponent_of` forward), the largest code."""


class Step(Protocol):
    """One step, both ways, in numpy and as nodes. `output` names the last tensor that is written."""

    def forward(self, x: Array, numbers: Numbers) -> Array: ...

    def inverse(self, x: Array, numbers: Numbers) -> Array: ...

    def write_forward(self, nodes: GraphNodes, x: str, output: str = "") -> str: ...

    def write_inverse(self, nodes: GraphNodes, x: str, output: str = "") -> str: ...


def steps(
    color: str, curve: float | str, cfa: str = "any", *, clips: bool = True, for_engine: bool = False
) -> tuple[Step, ...]:
    """All steps from a mosaic to the domain that a contract's `color`, `curve` and `clips` ask for, in the order of
    developing.

    cfa: the one phase of a graph, or `any`; numpy reads the numbers' own. for_engine: as that of `Samples`.
    """
    srgb = color == "srgb"
    colour: tuple[Step, ...] = (Colour(),) if srgb else ()
    last = Bt709() if curve == "bt709" else Curve(float(curve))
    return (
        Samples(for_engine),
        Levels(),
        WhiteBalance(srgb and clips, cfa),
        Demosaic(cfa, corrected=srgb),
        *colour,
        last,
    )


def bt709_light(codes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`Bt709.inverse` in float64, for tables that are rounded alike on every machine."""
    knee = _SLOPE * _KNEE
    light: npt.NDArray[np.float64] = np.where(
        codes < knee, codes / _SLOPE, ((np.maximum(codes, knee) + (_ALPHA - 1)) / _ALPHA) ** (1 / _POWER)
    )
    return light


def exponent_of(curve: float | str) -> float:
    """The power that a contract's curve compresses by."""
    return _POWER if curve == "bt709" else 1 / float(curve)


@dataclass(frozen=True)
class Samples:
    """uint16 DN and their values; in a graph the mosaic is its own little-endian bytes, uint8 (1, H, W, 2).

    TensorRT has no 16-bit unsigned type, and a view of the array is these bytes. The way back rounds to whole DN.
    for_engine: nodes that NVIDIA's builder makes one kernel of, with all steps up to demosaicing: 6 bytes are moved for
    a pixel and not 46. Runtimes on a CPU take a twentieth longer for them.
    """

    for_engine: bool = False

    def forward(self, x: Array, numbers: Numbers) -> Float:
        values: Float = x.astype(np.float32)
        return values

    def inverse(self, x: Array, numbers: Numbers) -> Array:
        whole: Array = np.rint(x).astype(np.uint16)
        return whole

    def write_forward(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        if self.for_engine:
            squares = in_squares(nodes, "samples", nodes.node("Cast", "samples.numbers", x, to=FLOAT), 2)
            planar = nodes.node("Transpose", "samples.planar", squares, perm=[4, 1, 3, 0, 2])
            base = nodes.constant("samples.base", np.array([1, 256], np.float32).reshape(2, 1, 1, 1, 1))
            weighted = nodes.node("Mul", "samples.weighted", planar, base)
            axis = nodes.constant("samples.axis", np.array([0], np.int64))
            values = nodes.node("ReduceSum", "samples.values", weighted, axis, keepdims=0)
            # OpenVINO 2026.4 drops a Reshape to (1, 4, 0, 0), whose sizes it takes for those of what comes in
            shape = sizes(nodes, "samples.shape", 1, 4, -1, 0)
            return nodes.node("Reshape", "samples.sites", values, shape, output=output)
        values = joined_bytes(nodes, "samples", x, 1)
        return nodes.node("SpaceToDepth", "samples.sites", values, output=output, blocksize=2)

    def write_inverse(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        whole = nodes.node("Round", "samples.whole", x)
        joined = nodes.node("DepthToSpace", "samples.joined", whole, blocksize=2, mode="DCR")
        return parted_bytes(nodes, "samples", joined, 1, output)


@dataclass(frozen=True)
class Levels:
    """(DN - black) / (white - black), clipped to [0, 1]; the way back clips, too."""

    def forward(self, x: Array, numbers: Numbers) -> Float:
        scale, offset = self._affine(numbers, x.shape)
        linear: Float = np.clip((x - offset) * scale, 0, 1, dtype=np.float32)
        return linear

    def inverse(self, x: Array, numbers: Numbers) -> Float:
        scale, offset = self._affine(numbers, x.shape)
        return np.add(np.clip(x, 0, 1) / scale, offset, dtype=np.float32)

    def write_forward(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        above = nodes.node("Sub", "levels.above", x, _per_site(nodes, "black", 4))
        share = nodes.node("Div", "levels.share", above, self._span(nodes))
        return nodes.node("Clip", "levels.linear", share, *_unit(nodes), output=output)

    def write_inverse(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        native = nodes.node("Clip", "levels.native", x, *_unit(nodes))
        above = nodes.node("Mul", "levels.above", native, self._span(nodes))
        return nodes.node("Add", "levels.dn", above, _per_site(nodes, "black", 4), output=output)

    def _affine(self, numbers: Numbers, shape: tuple[int, ...]) -> tuple[Float, Float]:
        span = numbers["white"].astype(np.float64) - numbers["black"]
        return _tiled(1 / span, shape), _tiled(numbers["black"], shape)

    def _span(self, nodes: GraphNodes) -> str:
        """(1, 4, 1, 1): white - black."""
        return nodes.once("Sub", "levels.span", _per_site(nodes, "white", 1), _per_site(nodes, "black", 4))


@dataclass(frozen=True)
class WhiteBalance:
    """Each site times the gain of its colour. clips: at 1, as LibRaw does before its matrix, so that highlights that
    one colour clips in stay white; the way back cannot know what lay above. cfa: as that of `Demosaic`.
    """

    clips: bool = False
    cfa: str = "any"

    def forward(self, x: Array, numbers: Numbers) -> Float:
        balanced: Float = np.multiply(x, _tiled(numbers["gains"][numbers["cfa"]], x.shape), dtype=np.float32)
        return np.minimum(balanced, 1, out=balanced) if self.clips else balanced

    def inverse(self, x: Array, numbers: Numbers) -> Float:
        return np.divide(x, _tiled(numbers["gains"][numbers["cfa"]], x.shape), dtype=np.float32)

    def write_forward(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        if not self.clips:
            return nodes.node("Mul", "balance.balanced", x, self._gains(nodes), output=output)
        balanced = nodes.node("Mul", "balance.balanced", x, self._gains(nodes))
        return nodes.node("Min", "balance.clipped", balanced, scalar(nodes, "one", 1), output=output)

    def write_inverse(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        return nodes.node("Div", "balance.native", x, self._gains(nodes), output=output)

    def _gains(self, nodes: GraphNodes) -> str:
        """(1, 4, 1, 1): the gain of each site's colour."""
        # TensorRT for RTX refuses an fp32 MatMul on Turing
        sites = "cfa"
        if self.cfa != "any":
            colours = np.array(["RGB".index(colour) for colour in self.cfa], np.int32)
            sites = nodes.constant("balance.colours", colours)
        of_sites = nodes.once("Gather", "balance.of_sites", "gains", sites, axis=0)
        return nodes.once("Reshape", "balance.gains", of_sites, _broadcast(nodes, 4))


@dataclass(frozen=True)
class Demosaic:
    """Linear, by `isp.demosaic`; the way back samples each pixel's own colour.

    corrected: by gradients, in the domain of sRGB, where that is nearest to LibRaw; bilinear for the paper's.

    cfa: the one phase that a graph is for, or `any`. In a graph it is one 3x3 convolution at half the resolution, from
    the four sites to the three colours of each, with constant weights for one phase; for any, corrected ones are chosen
    by the frame's phase, and bilinear is one 3x3 convolution for each colour over the plane with holes.
    """

    cfa: str = "any"
    corrected: bool = False

    def forward(self, x: Array, numbers: Numbers) -> Float:
        return demosaic(x, _pattern(numbers), self.corrected)

    def inverse(self, x: Array, numbers: Numbers) -> Float:
        return remosaic(x, _pattern(numbers))

    def write_forward(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        if self.cfa != "any" or self.corrected:
            return self._write_folded(nodes, x, output)
        thrice = nodes.node("Concat", "demosaic.thrice", x, x, x, axis=1)
        spread = nodes.node("Mul", "demosaic.spread", thrice, self._masks(nodes))
        holes = nodes.node("DepthToSpace", "demosaic.holes", spread, blocksize=2, mode="CRD")
        mirror = nodes.constant("demosaic.mirror", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        padded = nodes.node("Pad", "demosaic.padded", holes, mirror, mode="reflect")
        kernels = nodes.constant("demosaic.kernels", _KERNELS[:, None] / 4)
        planes = nodes.node("Conv", "demosaic.planes", padded, kernels, kernel_shape=[3, 3], group=3)
        return folded(nodes, planes, "demosaic", output)

    def write_inverse(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        if self.cfa != "any":
            own = ["RGB".index(colour) * 4 + site for site, colour in enumerate(self.cfa)]
            return nodes.node(
                "Gather", "demosaic.sites", x, nodes.constant("demosaic.own", np.array(own, np.int64)),
                output=output, axis=1,
            )  # fmt: skip
        chosen = nodes.node("Mul", "demosaic.chosen", x, self._masks(nodes))
        parts = [f"demosaic.{colour}" for colour in ("red", "green", "blue")]
        nodes.split("demosaic", (4, 4, 4), chosen, parts, "demosaic.parts")
        two = nodes.node("Add", "demosaic.two", *parts[:2])
        return nodes.node("Add", "demosaic.sites", two, parts[2], output=output)

    def _write_folded(self, nodes: GraphNodes, x: str, output: str) -> str:
        mirror = nodes.constant("demosaic.mirror", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        padded = nodes.node("Pad", "demosaic.padded", x, mirror, mode="edge")
        weight = self._weight(nodes)
        return nodes.node("Conv", "demosaic.planes", padded, weight, output=output, kernel_shape=[3, 3])

    def _weight(self, nodes: GraphNodes) -> str:
        """(12, 4, 3, 3): that of the one phase, or chosen among those of all."""
        if self.cfa != "any":
            return nodes.constant("demosaic.weight", _folded_kernels(self.cfa, self.corrected))
        # twice the first site's colour less the second's is 2, 0, 3, -1 for GRBG, GBRG, BGGR, RGGB; -1 is the last
        phases = nodes.constant(
            "demosaic.phases",
            np.stack([_folded_kernels(phase, self.corrected) for phase in ("GBRG", "GBRG", "GRBG", "BGGR", "RGGB")]),
        )
        ends = [
            nodes.constant(f"demosaic.{name}", np.array([at], np.int64)) for name, at in (("first", 0), ("second", 1))
        ]
        first, second = (nodes.node("Gather", f"demosaic.colour{index}", "cfa", end) for index, end in enumerate(ends))
        doubled = nodes.node("Add", "demosaic.doubled", first, first)
        phase = nodes.node("Sub", "demosaic.phase", doubled, second)
        chosen = nodes.node("Gather", "demosaic.chosen_phase", phases, phase, axis=0)
        return nodes.node("Reshape", "demosaic.weight", chosen, sizes(nodes, "demosaic.weight.shape", 12, 4, 3, 3))

    def _masks(self, nodes: GraphNodes) -> str:
        """(1, 12, 1, 1): 1 where a site has that colour, colour by colour."""
        shape = nodes.constant("demosaic.mask_shape", np.array([1, 12, 1, 1], np.int64))
        return nodes.once("Reshape", "demosaic.masks", _sites_of_colours(nodes), shape)


@dataclass(frozen=True)
class Colour:
    """White-balanced camera RGB to linear sRGB by the file's matrix, `to_srgb`; the way back by its inverse.

    Nothing is clipped: what lies outside sRGB becomes negative or exceeds 1, and comes back.
    """

    def forward(self, x: Array, numbers: Numbers) -> Float:
        return _by_matrix(numbers["to_srgb"], x)

    def inverse(self, x: Array, numbers: Numbers) -> Float:
        return _by_matrix(numbers["to_camera"], x)

    def write_forward(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        return self._write(nodes, x, "to_srgb", output)

    def write_inverse(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        return self._write(nodes, x, "to_camera", output)

    def _write(self, nodes: GraphNodes, x: str, matrix: str, output: str) -> str:
        """A 1x1 convolution whose weight, (12, 12, 1, 1), has the matrix once for each site."""
        apart = nodes.node("Reshape", "colour.apart", matrix, sizes(nodes, "colour.apart.shape", 3, 1, 3, 1))
        eye = nodes.constant("colour.same_site", np.eye(4, dtype=np.float32).reshape(1, 4, 1, 4))
        spread = nodes.node("Mul", "colour.spread", apart, eye)
        weight = nodes.node("Reshape", "colour.weight", spread, sizes(nodes, "colour.weight.shape", 12, 12, 1, 1))
        return nodes.node("Conv", "colour.converted", x, weight, output=output, kernel_shape=[1, 1])


@dataclass(frozen=True)
class Curve:
    """x**(1/gamma); the way back takes values below 0 for 0."""

    gamma: float

    def forward(self, x: Array, numbers: Numbers) -> Float:
        return np.power(x, np.float32(1 / self.gamma), dtype=np.float32)

    def inverse(self, x: Array, numbers: Numbers) -> Float:
        return np.power(np.maximum(x, 0), np.float32(self.gamma), dtype=np.float32)

    def write_forward(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        return nodes.node("Pow", "curve.compressed", x, scalar(nodes, CURVE_EXPONENT, 1 / self.gamma), output=output)

    def write_inverse(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        positive = nodes.node("Max", "curve.positive", x, scalar(nodes, "zero", 0))
        return nodes.node("Pow", "curve.linear", positive, scalar(nodes, CURVE_EXPONENT, self.gamma), output=output)


@dataclass(frozen=True)
class Bt709:
    """The curve of ITU-R BT.709, 4.5 x up to a knee and a power above, continued below 0 and above 1: invertible.

    The constants are those of ITU-R BT.2020 for more than 10 bits, with which both parts meet: LibRaw's default curve.
    A power is exp(k log x), which runtimes on a CPU compute several at a time.
    """

    def forward(self, x: Array, numbers: Numbers) -> Float:
        above = np.exp(np.float32(_POWER) * np.log(np.maximum(x, np.float32(_KNEE)), dtype=np.float32))
        below = np.float32(_SLOPE) * np.minimum(x, np.float32(_KNEE))
        curved: Float = np.float32(_ALPHA) * above + (below - np.float32(_ALPHA - 1 + _SLOPE * _KNEE))
        return curved

    def inverse(self, x: Array, numbers: Numbers) -> Float:
        knee = np.float32(_SLOPE * _KNEE)
        base = (np.maximum(x, knee) + np.float32(_ALPHA - 1)) * np.float32(1 / _ALPHA)
        above = np.exp(np.float32(1 / _POWER) * np.log(base, dtype=np.float32))
        linear: Float = above + (np.minimum(x, knee) - knee) * np.float32(1 / _SLOPE)
        return linear

    def write_forward(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        knee = scalar(nodes, "curve.knee", _KNEE)
        power = self._power(nodes, nodes.node("Max", "curve.bright", x, knee), _POWER)
        above = nodes.node("Mul", "curve.above", power, scalar(nodes, "curve.alpha", _ALPHA))
        dark = nodes.node("Min", "curve.dark", x, knee)
        line = nodes.node("Mul", "curve.line", dark, scalar(nodes, "curve.slope", _SLOPE))
        below = nodes.node("Sub", "curve.below", line, scalar(nodes, "curve.offset", _ALPHA - 1 + _SLOPE * _KNEE))
        return nodes.node("Add", "curve.compressed", above, below, output=output)

    def write_inverse(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        knee = scalar(nodes, "curve.knee", _SLOPE * _KNEE)
        bright = nodes.node("Max", "curve.bright", x, knee)
        shifted = nodes.node("Add", "curve.shifted", bright, scalar(nodes, "curve.offset", _ALPHA - 1))
        base = nodes.node("Mul", "curve.base", shifted, scalar(nodes, "curve.scale", 1 / _ALPHA))
        above = self._power(nodes, base, 1 / _POWER)
        dark = nodes.node("Sub", "curve.dark", nodes.node("Min", "curve.low", x, knee), knee)
        below = nodes.node("Mul", "curve.below", dark, scalar(nodes, "curve.slope", 1 / _SLOPE))
        return nodes.node("Add", "curve.linear", above, below, output=output)

    def _power(self, nodes: GraphNodes, x: str, exponent: float) -> str:
        product = nodes.node(
            "Mul", "curve.product", nodes.node("Log", "curve.log", x), scalar(nodes, CURVE_EXPONENT, exponent)
        )
        return nodes.node("Exp", "curve.power", product)


@dataclass(frozen=True)
class Codes:
    """sRGB in [0, 1] and codes of 8 or 16 bits, (h, w, 3), clamped and rounded; the way back divides.

    In a graph codes are uint8 (1, H, W, 3), those of 16 bits as little-endian pairs of bytes (1, H, W, 6).
    for_engine: as that of `Samples`, for 8 bits: one kernel forward, which moves 15 bytes for a pixel and not 39, and
    one back. Runtimes on a CPU take a tenth longer.
    """

    bits: int = 8
    for_engine: bool = False

    @property
    def peak(self) -> int:
        return (1 << self.bits) - 1

    def forward(self, x: Array, numbers: Numbers) -> Array:
        codes = np.rint(np.clip(x, 0, 1) * np.float32(self.peak)).transpose(1, 2, 0)
        return codes.astype(np.uint8 if self.bits == 8 else np.uint16)

    def inverse(self, x: Array, numbers: Numbers) -> Float:
        planes: Float = x.transpose(2, 0, 1).astype(np.float32) / np.float32(self.peak)
        return planes

    def write_forward(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        clamped = nodes.node("Clip", "codes.clamped", x, *_unit(nodes))
        scaled = nodes.node("Mul", "codes.scaled", clamped, scalar(nodes, CODES_PEAK, self.peak))
        rounded = nodes.node("Round", "codes.rounded", scaled)
        if self.for_engine and self.bits == 8:
            return nodes.node("Cast", "codes.bytes", interleaved_codes(nodes, rounded), output=output, to=UINT8)
        whole = nodes.node("DepthToSpace", "codes.whole", rounded, blocksize=2, mode="CRD")
        if self.bits == 16:
            return parted_bytes(nodes, "codes", whole, 3, output)
        last = nodes.node("Transpose", "codes.interleaved", whole, perm=[0, 2, 3, 1])
        return nodes.node("Cast", "codes.bytes", last, output=output, to=UINT8)

    def write_inverse(self, nodes: GraphNodes, x: str, output: str = "") -> str:
        if self.bits == 16:
            values = joined_bytes(nodes, "codes", x, 3)
        else:
            numbers = nodes.node("Cast", "codes.numbers", x, to=FLOAT)
            if self.for_engine:
                unit = nodes.node("Div", "codes.unit", numbers, scalar(nodes, CODES_PEAK, self.peak))
                return planar_codes(nodes, unit, output)
            values = nodes.node("Transpose", "codes.planar", numbers, perm=[0, 3, 1, 2])
        unit = nodes.node("Div", "codes.unit", values, scalar(nodes, CODES_PEAK, self.peak))
        return folded(nodes, unit, "codes", output)


_KERNELS: Final = np.array(
    [[[1, 2, 1], [2, 4, 2], [1, 2, 1]], [[0, 1, 0], [1, 4, 1], [0, 1, 0]], [[1, 2, 1], [2, 4, 2], [1, 2, 1]]],
    np.float32,
)

_ALPHA: Final = 1.09929682680944
_KNEE: Final = 0.018053968510807
_SLOPE: Final = 4.5
_POWER: Final = 0.45


def _folded_kernels(cfa: str, corrected: bool) -> Float:
    """(12, 4, 3, 3): what each colour at each site of a 2x2 square takes of the four sites of the 3x3 squares around.

    `demosaic` of single ones, so the arithmetic of interpolation stands once.
    """
    kernels = np.zeros((12, 4, 3, 3), np.float32)
    for site in range(4):
        for down in range(3):
            for right in range(3):
                one = np.zeros((10, 10), np.float32)
                one[2 + 2 * down + site // 2, 2 + 2 * right + site % 2] = 1
                square = demosaic(one, cfa, corrected)[:, 4:6, 4:6]
                kernels[:, site, down, right] = square.reshape(12)
    return kernels


def _by_matrix(matrix: Array, planes: Array) -> Float:
    rows = matrix.astype(np.float32)
    # not a matrix product: its library's threads fight with those of trainings and streams for nine numbers
    return np.stack([row[0] * planes[0] + row[1] * planes[1] + row[2] * planes[2] for row in rows])


def _pattern(numbers: Numbers) -> str:
    return "".join("RGB"[colour] for colour in numbers["cfa"])


def _tiled(values: Array, shape: tuple[int, ...]) -> Float:
    """Four values of the 2x2 pattern spread over a mosaic."""
    square = np.asarray(values, np.float32).reshape(2, 2)
    return np.tile(square, (-(-shape[0] // 2), -(-shape[1] // 2)))[: shape[0], : shape[1]]


def _sites_of_colours(nodes: GraphNodes) -> str:
    """(3, 4) FLOAT, one row for each colour: 1 where a site has it."""
    colours = nodes.constant("colours", np.arange(3, dtype=np.int32).reshape(3, 1))
    row = nodes.once("Reshape", "cfa.row", "cfa", nodes.constant("cfa.row_shape", np.array([1, 4], np.int64)))
    return nodes.once("Cast", "cfa.has", nodes.once("Equal", "cfa.is", row, colours), to=FLOAT)


def _per_site(nodes: GraphNodes, name: str, size: int) -> str:
    return nodes.once("Reshape", f"{name}.sites", name, _broadcast(nodes, size))


def _broadcast(nodes: GraphNodes, size: int) -> str:
    return nodes.constant(f"of{size}", np.array([1, size, 1, 1], np.int64))


def _unit(nodes: GraphNodes) -> tuple[str, str]:
    return scalar(nodes, "zero", 0), scalar(nodes, "one", 1)
