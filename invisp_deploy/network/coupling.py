"""Enhanced affine coupling (paper, eqs. 3 to 7), the additive one, and their functions.

Notation, with m split into (x1, x2) and n into (y1, y2):

    F   the paper's r: R^(D-d) -> R^d, added to the first part
    H   the paper's s before its bound: s = 0.8 (2 sigmoid(H(y1)) - 1)
    G   the paper's t

    y1 = x1 + F(x2)                 x2 = (y2 - G(y1)) exp(-s)
    y2 = x2 exp(s) + G(y1)          x1 = y1 - F(x2)

An additive coupling (Dinh et al., NICE, 2014) is the same with s = 0, and without H.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from invisp_deploy.config import SCALE_BOUND, NetworkConfig

_Value = TypeVar("_Value")


class CouplingFunction(nn.Module):
    """F, G or H: `depth` convolutions, LeakyReLU 0.2 between them, zero padding, linear last.

    (B, inputs, H, W) -> (B, outputs, H, W). The last convolution starts at zero, so an untrained coupling
    is the identity (the authors' code means to do so too, but overwrites it).
    dense: whether each convolution reads all tensors before it, the paper's dense block, or the one before it.
    autocast: half precision that training computes the function in; what comes out is float32 again.
    """

    autocast: torch.dtype | None = None

    def __init__(self, inputs: int, outputs: int, config: NetworkConfig) -> None:
        super().__init__()
        self.dense = config.kind == "dense"
        last = config.depth - 1
        for index in range(config.depth):
            before = inputs + index * config.growth if self.dense else (config.growth if index else inputs)
            edge = 3 if self.dense or index in (0, last) else 1
            width = outputs if index == last else config.growth
            convolution = nn.Conv2d(before, width, edge, padding=edge // 2)
            if index == last:
                nn.init.zeros_(convolution.weight)
            else:
                nn.init.kaiming_normal_(convolution.weight, a=0.2)
            if convolution.bias is not None:
                nn.init.zeros_(convolution.bias)
            self.add_module(f"conv{index + 1}", convolution)

    def forward(self, x: Tensor) -> Tensor:
        if self.autocast is None:
            return self._computed(x)
        with torch.autocast(x.device.type, self.autocast):
            return self._computed(x).float()

    def read(self, tensors: list[_Value]) -> list[_Value]:
        """What the next convolution reads of the tensors so far, the function's input first."""
        return tensors if self.dense else tensors[-1:]

    def _computed(self, x: Tensor) -> Tensor:
        seen = [x]
        convolutions = list(self.children())
        for convolution in convolutions[:-1]:
            seen.append(functional.leaky_relu(convolution(torch.cat(self.read(seen), 1)), 0.2))
        result: Tensor = convolutions[-1](torch.cat(self.read(seen), 1))
        return result


class Coupling(nn.Module):
    """One coupling over channels split into (first, second): enhanced affine, or additive, which has no H."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.parts = first, second = config.split
        self.F = CouplingFunction(second, first, config)
        self.G = CouplingFunction(first, second, config)
        self.H = CouplingFunction(first, second, config) if config.coupling == "affine" else None

    def functions(self) -> list[CouplingFunction]:
        """F, G and, where there is one, H."""
        return [each for each in (self.F, self.G, self.H) if each is not None]

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = torch.split(x, list(self.parts), 1)
        y1 = x1 + self.F(x2)
        scaled = x2 if self.H is None else x2 * torch.exp(self.scale(self.H(y1)))
        return torch.cat((y1, scaled + self.G(y1)), 1)

    def inverse(self, y: Tensor) -> Tensor:
        y1, y2 = torch.split(y, list(self.parts), 1)
        x2 = y2 - self.G(y1)
        if self.H is not None:
            x2 = x2 * torch.exp(-self.scale(self.H(y1)))
        return torch.cat((y1 - self.F(x2), x2), 1)

    @staticmethod
    def scale(h: Tensor) -> Tensor:
        """s, within [-0.8, 0.8], of what H makes of the first part."""
        return SCALE_BOUND * (2 * torch.sigmoid(h) - 1)
