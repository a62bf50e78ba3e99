"""The two directions of one network as two modules, with everything constant folded.

A view shares F, G and H with the network it looks at. Each invertible 1x1 convolution becomes a plain one:
W, or its inverse, is built in float64 and cast to float32 once, so neither LU factors nor an inverse is left
to compute.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from invisp_deploy.graph_card import Direction
from invisp_deploy.network.coupling import Coupling
from invisp_deploy.network.invisp import Block, InvISP


class View(nn.Module):
    """What both directions share; blocks are indexed as in the network."""

    direction: ClassVar[Direction]

    def __init__(self, network: InvISP, matrices: list[Tensor]) -> None:
        super().__init__()
        self.config = network.config
        self.couplings = nn.ModuleList(_SharedCoupling(block) for block in network.blocks())
        self.mixings = nn.ModuleList(_plain(matrix) for matrix in matrices)

    def blocks(self) -> list[tuple[int, Coupling, nn.Conv2d]]:
        """Index, coupling and folded 1x1 convolution of each block, in this view's order of computing."""
        blocks = [
            (index, coupling, mixing)
            for index, (coupling, mixing) in enumerate(zip(self.couplings, self.mixings, strict=True))
            if isinstance(coupling, Coupling) and isinstance(mixing, nn.Conv2d)
        ]
        return blocks if self.direction is Direction.FORWARD else blocks[::-1]


class ForwardView(View):
    """raw -> srgb, (B, 3, H, W) float32 both; the same numbers as `InvISP.forward` up to rounding."""

    direction = Direction.FORWARD

    def __init__(self, network: InvISP) -> None:
        super().__init__(network, [block.invconv.matrix() for block in network.blocks()])

    def forward(self, raw: Tensor) -> Tensor:
        x = functional.pixel_unshuffle(raw, self.config.squeeze)
        for _, coupling, mixing in self.blocks():
            x = coupling(mixing(x))
        return functional.pixel_shuffle(x, self.config.squeeze)


class InverseView(View):
    """srgb -> raw, (B, 3, H, W) float32 both; the same numbers as `InvISP.inverse` up to rounding."""

    direction = Direction.INVERSE

    def __init__(self, network: InvISP) -> None:
        super().__init__(network, [block.invconv.inverse_matrix() for block in network.blocks()])

    def forward(self, srgb: Tensor) -> Tensor:
        y = functional.pixel_unshuffle(srgb, self.config.squeeze)
        for _, coupling, mixing in self.blocks():
            y = mixing(coupling.inverse(y))
        return functional.pixel_shuffle(y, self.config.squeeze)


class _SharedCoupling(Coupling):
    """A coupling over the functions of a block, without the block's 1x1 convolution."""

    def __init__(self, block: Block) -> None:
        nn.Module.__init__(self)  # Coupling's own would make new F, G and H
        self.parts = block.parts
        self.F, self.G, self.H = block.F, block.G, block.H


def _plain(matrix: Tensor) -> nn.Conv2d:
    """(C, C) float64 -> a 1x1 convolution in float32 that is not trained."""
    channels = len(matrix)
    convolution = nn.Conv2d(channels, channels, 1, bias=False).requires_grad_(False)
    with torch.no_grad():
        convolution.weight.copy_(matrix[..., None, None])
    return convolution
