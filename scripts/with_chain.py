"""A command of the package with chains in the place of dense blocks: a trial of another kind of F, G and H.

    python scripts/with_chain.py train DATA -o RUN --blocks 8 --growth 32 --squeeze 2 --depth 3
    python scripts/with_chain.py evaluate table1 DATA --run NAME=RUN -o OUT

A chain is 3x3, 1x1, 3x3 with `growth` channels between (Kingma & Dhariwal, "Glow", 2018, section 3 of the appendix),
LeakyReLU 0.2 as in the dense blocks, the last convolution from zero. Its weights fit no configuration of the package.
"""

from __future__ import annotations

import runpy
import sys

import torch
from torch import Tensor, nn
from torch.nn import functional

from invisp_deploy.network import coupling


class Chain(nn.Module):
    """(B, inputs, H, W) -> (B, outputs, H, W), as DenseBlock, which it stands for."""

    autocast: torch.dtype | None = None

    def __init__(self, inputs: int, outputs: int, growth: int, depth: int) -> None:
        super().__init__()
        if depth != 3:
            sys.exit(f"A chain has three convolutions, got --depth {depth}.")
        self.conv1 = nn.Conv2d(inputs, growth, 3, padding=1)
        self.conv2 = nn.Conv2d(growth, growth, 1)
        self.conv3 = nn.Conv2d(growth, outputs, 3, padding=1)
        for convolution in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(convolution.weight, a=0.2)
        nn.init.zeros_(self.conv3.weight)
        for convolution in (self.conv1, self.conv2, self.conv3):
            nn.init.zeros_(convolution.bias)

    def forward(self, x: Tensor) -> Tensor:
        wide = functional.leaky_relu(self.conv1(x), 0.2)
        result: Tensor = self.conv3(functional.leaky_relu(self.conv2(wide), 0.2))
        return result


def multiply_accumulates(blocks: int, growth: int, squeeze: int) -> float:
    """Of one direction for one image pixel."""
    channels = 3 * squeeze**2
    first = channels // 2
    second = channels - first
    function = (
        9 * growth * (first + second) + growth**2
    )  # the same for F as for G and H: inputs and outputs change places
    return blocks * (3 * function + channels**2) / squeeze**2


if __name__ == "__main__":
    coupling.DenseBlock = Chain  # type: ignore[misc, assignment]  # before any other module takes it from there
    sys.argv = [f"with_chain {sys.argv[1]}", *sys.argv[2:]]
    runpy.run_module(f"invisp_deploy.cli.{sys.argv[0].split()[1]}", run_name="__main__")
