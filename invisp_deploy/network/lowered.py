"""F, G and H that compute in fp16, int8 or fp8 as the exported graphs do, and that can still be trained.

Within a function every quantised tensor has one and the same scale s, that of its input, so that the graph's
concatenations join tensors of one grid. A tensor r_i that wants the scale s_i gets there by a gain g_i = s / s_i:

    r_i' = g_i r_i = LeakyRelu(g_i W_i x + g_i b_i)        the activation is positively homogeneous
    W_j' = W_j / g_i on the channels of r_i                every later convolution takes the gain back

which changes no value but its grid (cross-layer equalisation: Nagel et al., ICCV 2019). A channel that never grows as
large as its tensor gets a larger gain of its own, so that it, too, uses the whole grid. Weights are rounded after
the gains, one scale for each output channel. What stays fp16 sees the same gained tensors, not rounded to 8 bit.

The input of a function carries the picture itself, in 1 to 6 channels, and its rounding is most of the error. So
8-bit convolutions read it as two tensors on the same grid, value and remainder:

    x = v + d / 16        v = round(x)        d = round(16 (x - v))        weights of d: those of v over 16
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from invisp_deploy.arithmetic import FULL_SCALE, QUANTISED, REMAINDER, Arithmetic, block_input
from invisp_deploy.network.coupling import CouplingFunction
from invisp_deploy.network.invisp import InvISP

_SLOPE = 0.2

_GRID = {"int8": (-128.0, 127.0), "fp8": (-448.0, 448.0)}
"""Ends of the grid in units of the scale, as QuantizeLinear saturates: int8 spans 127 to either side."""

_EDGE = {"int8": (-128.5, 127.5), "fp8": (-464.0, 464.0)}
"""What lies between rounds to a value of the grid, so that a largest weight never counts as saturated."""


@dataclass(frozen=True)
class GainedConvolution:
    """One convolution after the gains. weight (outputs, inputs, k, k), bias (outputs,); both float32.

    In 8 bit the weight has the remainder's channels after those of the function's input, where it reads that.
    gain: (outputs,), what each channel that it makes is multiplied with; (1,) of the last one, which makes none larger.
    """

    name: str
    precision: str
    weight: Tensor
    bias: Tensor
    gain: Tensor


class LoweredFunction(CouplingFunction):
    """F, G or H with the arithmetic of a graph. Shares its parameters with the block it is made of."""

    def __init__(self, block: CouplingFunction, name: str, arithmetic: Arithmetic) -> None:
        nn.Module.__init__(self)  # CouplingFunction's own would make new convolutions
        self.dense = block.dense
        for child, module in block.named_children():
            self.add_module(child, module)
        self.name = name
        self.arithmetic = arithmetic

    def forward(self, x: Tensor) -> Tensor:
        seen = [x]
        read: dict[str, list[Tensor]] = {}
        layers = gained_convolutions(self, self.name, self.arithmetic)
        for layer in layers[:-1]:
            made = functional.leaky_relu(self.convolve(layer, seen, read), _SLOPE)
            seen.append(_half(made) if layer.precision == "fp16" else made)
        return self.convolve(layers[-1], seen, read)

    def convolve(self, layer: GainedConvolution, seen: list[Tensor], read: dict[str, list[Tensor]]) -> Tensor:
        """seen: all tensors so far. read: precision -> the same as its convolutions read them, each rounded once."""
        tensors = read.setdefault(layer.precision, [])
        if not tensors and layer.precision in QUANTISED:
            value = self.rounded(seen[0], layer.precision)
            tensors.append(torch.cat((value, self.rounded((seen[0] - value) * REMAINDER, layer.precision)), 1))
        tensors += [self.rounded(tensor, layer.precision) for tensor in seen[len(tensors) :]]
        joined, weight, bias = torch.cat(self.read(tensors), 1), layer.weight, layer.bias
        padding = weight.shape[-1] // 2
        if layer.precision == "fp16":
            return _half(functional.conv2d(joined, _half(weight), _half(bias), padding=padding))
        if layer.precision in QUANTISED:
            weight = round_weight(weight, layer.precision)
        return functional.conv2d(joined, weight, bias, padding=padding)

    def rounded(self, tensor: Tensor, precision: str) -> Tensor:
        """A gained tensor as a convolution of that precision reads it."""
        if precision in QUANTISED:
            return _on_grid(tensor, torch.tensor(self.arithmetic.scales[block_input(self.name)]), precision)
        return _half(tensor) if precision == "fp16" else tensor


def lowered(network: InvISP, arithmetic: Arithmetic) -> InvISP:
    """The network with that arithmetic in F, G and H; it shares all parameters and their names."""
    arithmetic.check(network.config)
    result = _shell(network)
    for index, block in enumerate(result.blocks()):
        for part in network.config.functions:
            dense = getattr(block, part)
            block.add_module(part, LoweredFunction(dense, f"block{index}.{part}", arithmetic))
    return result


def gained_convolutions(block: CouplingFunction, name: str, arithmetic: Arithmetic) -> list[GainedConvolution]:
    """The convolutions of F, G or H after the gains; differentiable."""
    layers = [layer for layer in block.children() if isinstance(layer, nn.Conv2d)]
    gains = _gains(layers, name, arithmetic)
    first_width = layers[0].in_channels
    gained = []
    for index, layer in enumerate(layers, 1):
        incoming = torch.cat(block.read(gains[:index])).to(layer.weight.device)
        outgoing = gains[index].to(layer.weight.device) if index < len(layers) else layer.weight.new_ones(1)
        weight = layer.weight / incoming[None, :, None, None] * outgoing[:, None, None, None]
        convolution = f"{name}.conv{index}"
        if arithmetic.of(convolution) in QUANTISED and (block.dense or index == 1):
            first = weight[:, :first_width]
            weight = torch.cat((first, first / REMAINDER, weight[:, first_width:]), 1)
        bias = weight.new_zeros(layer.out_channels) if layer.bias is None else layer.bias * outgoing
        gained.append(GainedConvolution(convolution, arithmetic.of(convolution), weight, bias, outgoing))
    return gained


def _gains(layers: list[nn.Conv2d], name: str, arithmetic: Arithmetic) -> list[Tensor]:
    """For each tensor of a function, its input first, the gain of each channel."""
    gains = [torch.ones(layers[0].in_channels)]
    source = arithmetic.scales.get(block_input(name))
    for index, layer in enumerate(layers[:-1], 1):
        tensor = f"{name}.relu{index}"
        own = 1.0 if source is None else source / arithmetic.scales[tensor]
        shares = arithmetic.channels.get(tensor, (1.0,) * layer.out_channels)
        gains.append(own / torch.tensor(shares))
    return gains


def round_weight(weight: Tensor, precision: str) -> Tensor:
    """Weights on their grid, float32: one scale for each output channel, its largest magnitude over full scale."""
    return _on_grid(weight, weight_scales(weight, precision)[:, None, None, None], precision)


def weight_scales(weight: Tensor, precision: str) -> Tensor:
    """(outputs,) float32: what two neighbours of each channel's grid differ by."""
    largest = weight.detach().abs().amax(dim=(1, 2, 3))
    return (largest / FULL_SCALE[precision]).clamp_min(torch.finfo(torch.float32).tiny)


class _Grid(torch.autograd.Function):
    """The nearest value of the grid, saturated; the gradient passes where nothing saturates."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, precision: str) -> Tensor:
        scaled = x / scale
        low, high = _EDGE[precision]
        ctx.save_for_backward((scaled > low) & (scaled < high))
        inside = scaled.clamp_(*_GRID[precision])
        grid = inside.round_() if precision == "int8" else inside.to(torch.float8_e4m3fn).to(torch.float32)
        return grid.mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (passes,) = ctx.saved_tensors
        return gradients[0] * passes, None, None


def _on_grid(x: Tensor, scale: Tensor, precision: str) -> Tensor:
    result: Tensor = _Grid.apply(x, scale, precision)  # type: ignore[no-untyped-call]
    return result


def _half(x: Tensor) -> Tensor:
    """Rounded to fp16; the gradient passes."""
    return x + (x.detach().half().float() - x.detach())


def _shell(network: InvISP) -> InvISP:
    """A network of new modules over the same parameters."""
    shared: dict[int, object] = {id(parameter): parameter for parameter in network.parameters()}
    shared.update({id(buffer): buffer for buffer in network.buffers()})
    return copy.deepcopy(network, shared)
