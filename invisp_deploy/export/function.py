"""F, G or H as nodes, each convolution in its own precision.

::

    fp32    x --Conv--> LeakyRelu --> h1;  Conv(x) + Conv(h1) --> LeakyRelu --> h2; ...   no Concat at all
    fp16    x --Cast--> Conv --LeakyRelu--> ... --Conv--Cast--> out                       all HALF in between
    int8    x, d --Q--> Concat of int8 --DQ--> Conv --LeakyRelu--> Q --> Concat of int8 ... --DQ--> Conv --> out
    fp8     x, d --> Concat --Q--DQ--> Conv --LeakyRelu--> Concat --Q--DQ--> Conv ...     (no FP8 Concat in ONNX)

So a dense block; in a chain a convolution reads the one before it alone, and only x comes with d.

d is what Q leaves of x, times 16. All Q and DQ of a function have one scale, that of its input
(`network.lowered` says how), so a concatenation needs no requantisation. Scales are scalars, zero points 0, weights
carry a scale for each output channel, biases stay float: what TensorRT fuses, as `engines.plan_layers` shows. A
convolution over a concatenation is the sum of convolutions over its parts; fp32 is written so, because runtimes on a
CPU add in place and copy nothing, while those on a GPU concatenate for free. In an fp16 dense block a 1x1 convolution
adds channels of zeros to the input, up to a multiple of 8, so that concatenations stay aligned; a chain has
none. The input and the output of a function are FLOAT in every precision.

What an inner convolution of an int8 or fp8 function makes carries a gain for each channel. They stand in the node's doc
string, a JSON list, so that the tensor can be compared with the one of another precision.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from onnx import TensorProto, helper
from torch import Tensor

from invisp_deploy.arithmetic import QUANTISED, REMAINDER, Arithmetic, block_input
from invisp_deploy.export.nodes import Nodes
from invisp_deploy.isp.steps import Array
from invisp_deploy.network.coupling import CouplingFunction
from invisp_deploy.network.lowered import GainedConvolution, gained_convolutions, round_weight, weight_scales

_SLOPE: Final = 0.2
_BLOCK: Final = 8
"""Channels that tensor cores take together in half precision."""

_EIGHT_BITS: Final = {"int8": TensorProto.INT8, "fp8": TensorProto.FLOAT8E4M3FN}


def write_function(nodes: Nodes, block: CouplingFunction, name: str, x: str, arithmetic: Arithmetic) -> str:
    """Add the nodes of `block` on the FLOAT tensor `x`; returns the name of the FLOAT result."""
    with torch.no_grad():
        layers = gained_convolutions(block, name, arithmetic)
    scale = arithmetic.scales.get(block_input(name), 0.0)
    writer = _Writer(nodes, name, scale, x, layers[0].weight.shape[0], block.dense)
    seen = [_Value(x, half=False)]
    for index, layer in enumerate(layers[:-1], 1):
        made = writer.convolution(layer, index, block.read(seen))
        seen.append(_Value(nodes.node("LeakyRelu", f"{name}.relu{index}", made.name, alpha=_SLOPE), made.half))
    return writer.single(writer.convolution(layers[-1], len(layers), block.read(seen)))


@dataclass(frozen=True)
class _Value:
    """A tensor by name, HALF or FLOAT."""

    name: str
    half: bool


class _Writer:
    def __init__(self, nodes: Nodes, name: str, scale: float, x: str, growth: int, dense: bool) -> None:
        self.nodes = nodes
        self.x = x
        self.growth = growth
        self.dense = dense
        self.name = name
        self.source = block_input(name)
        self.scale = scale

    def convolution(self, layer: GainedConvolution, index: int, seen: Sequence[_Value]) -> _Value:
        half = layer.precision == "fp16"
        bias = self.nodes.constant(f"{layer.name}.bias", _array(layer.bias).astype(np.float16 if half else np.float32))
        if layer.precision == "fp32":
            return _Value(self.summed(layer, seen, bias), half=False)
        if layer.precision in QUANTISED:
            x, weight = self.eight_bit_input(layer.precision, index, seen), self.eight_bit_weight(layer)
        else:
            source, *inner = [self.half(value) for value in seen]
            columns = _array(layer.weight).astype(np.float16)
            if self.dense and seen[0].name == self.x:
                first = self.width(layer, seen)
                source, columns = self.widened(source, first), _widened(columns, first)
            x = self.joined(f"concat{index}", [source, *inner])
            weight = self.nodes.constant(f"{layer.name}.weight", columns)
        edge, remark = layer.weight.shape[-1], ""
        if len(layer.gain) > 1 and self.scale:
            remark = json.dumps([float(f"{gain:.9g}") for gain in layer.gain.tolist()])
        return _Value(self.nodes.convolution(layer.name, x, weight, edge, bias, remark=remark), half)

    def summed(self, layer: GainedConvolution, seen: Sequence[_Value], bias: str) -> str:
        """A convolution for each part of its input, added up one after the other; the last brings the bias."""
        weights = np.split(_array(layer.weight), range(self.width(layer, seen), layer.weight.shape[1], self.growth), 1)
        total = ""
        for part, (weight, value) in enumerate(zip(weights, seen, strict=True), 1):
            last = part == len(seen)
            name = layer.name if len(seen) == 1 else f"{layer.name}.part{part}"
            held = self.nodes.constant(f"{name}.weight", weight)
            made = self.nodes.convolution(name, self.single(value), held, weight.shape[-1], bias if last else "")
            running = layer.name if last else f"{layer.name}.sum{part}"
            total = self.nodes.node("Add", running, made, total) if total else made
        return total

    def width(self, layer: GainedConvolution, seen: Sequence[_Value]) -> int:
        """Channels of the first tensor that is read: what those made since leave."""
        return layer.weight.shape[1] - (len(seen) - 1) * self.growth

    def widened(self, x: str, channels: int) -> str:
        """The HALF `x` with channels of zeros after its own, so that concatenations keep to blocks of channels."""
        if channels % _BLOCK == 0:
            return x
        wide = np.eye(_rounded(channels), channels, dtype=np.float16)[..., None, None]
        weight = self.nodes.constant(f"widen{channels}", wide)
        return self.nodes.once("Conv", f"{x}.wide", x, weight, kernel_shape=[1, 1])

    def eight_bit_input(self, precision: str, index: int, seen: Sequence[_Value]) -> str:
        x, *inner = [self.single(value) for value in seen]
        if x != self.x:
            return self.dequantised(self.quantised(x, precision), precision)
        value = self.quantised(x, precision)
        left = self.nodes.once("Sub", f"{x}.{precision}.left", x, self.dequantised(value, precision))
        factor = self.nodes.constant("remainder", np.array([REMAINDER], np.float32))
        remainder = self.nodes.once("Mul", f"{x}.{precision}.remainder", left, factor)
        if precision == "int8":
            parts = [value, *(self.quantised(name, precision) for name in (remainder, *inner))]
            joined = self.joined(f"concat{index}", parts)
        else:
            joined = self.quantised(self.joined(f"concat{index}", [x, remainder, *inner]), precision)
        return self.dequantised(joined, precision)

    def dequantised(self, x: str, precision: str) -> str:
        return self.nodes.once("DequantizeLinear", f"{x}.float", x, *self.grid(precision))

    def quantised(self, x: str, precision: str) -> str:
        return self.nodes.once("QuantizeLinear", f"{x}.{precision}", x, *self.grid(precision))

    def grid(self, precision: str) -> tuple[str, str]:
        kind = _EIGHT_BITS[precision]
        zero = self.nodes.tensor(f"zero.{precision}", lambda: helper.make_tensor(f"zero.{precision}", kind, [], [0]))
        return self.nodes.constant(f"{self.source}.scale", np.array(self.scale, np.float32)), zero

    def eight_bit_weight(self, layer: GainedConvolution) -> str:
        name, precision = f"{layer.name}.weight", layer.precision
        scales = weight_scales(layer.weight, precision)
        codes = _array(round_weight(layer.weight, precision) / scales[:, None, None, None])
        held = self.nodes.tensor(f"{name}.{precision}", lambda: _codes(f"{name}.{precision}", codes, precision))
        scale = self.nodes.constant(f"{name}.scale", _array(scales))
        return self.nodes.node("DequantizeLinear", name, held, scale, axis=0)

    def half(self, value: _Value) -> str:
        if value.half:
            return value.name
        return self.nodes.once("Cast", f"{value.name}.fp16", value.name, to=TensorProto.FLOAT16)

    def single(self, value: _Value) -> str:
        if not value.half:
            return value.name
        return self.nodes.once("Cast", f"{value.name}.fp32", value.name, to=TensorProto.FLOAT)

    def joined(self, label: str, names: list[str]) -> str:
        return names[0] if len(names) == 1 else self.nodes.node("Concat", f"{self.name}.{label}", *names, axis=1)


def _widened(weight: Array, channels: int) -> Array:
    """Columns of zeros after the first `channels`, for what `widened` adds."""
    extra = _rounded(channels) - channels
    return np.insert(weight, [channels] * extra, 0, axis=1)


def _rounded(channels: int) -> int:
    return -(-channels // _BLOCK) * _BLOCK


def _codes(name: str, codes: Array, precision: str) -> TensorProto:
    if precision == "int8":
        return helper.make_tensor(
            name, TensorProto.INT8, codes.shape, np.rint(codes).astype(np.int8).tobytes(), raw=True
        )
    raw = torch.from_numpy(codes).to(torch.float8_e4m3fn).view(torch.uint8).numpy().tobytes()
    return helper.make_tensor(name, TensorProto.FLOAT8E4M3FN, codes.shape, raw, raw=True)


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array
