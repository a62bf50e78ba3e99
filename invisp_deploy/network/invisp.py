"""InvISP: a stack of invertible blocks between a camera's demosaiced RAW and sRGB (paper, eqs. 1 and 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import RequestError
from invisp_deploy.network.coupling import Coupling, CouplingFunction
from invisp_deploy.network.mixing import InvertibleMixing


class Block(Coupling):
    """An invertible 1x1 convolution, then the coupling: the authors' order."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__(config)
        self.invconv = InvertibleMixing(config.channels)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.invconv(x))

    def inverse(self, y: Tensor) -> Tensor:
        return self.invconv.inverse(super().inverse(y))


class InvISP(nn.Module):
    """The whole network. `forward` renders, `inverse` recovers; both (B, 3, H, W) -> (B, 3, H, W).

    forward: white-balanced, demosaiced, gamma-compressed RAW in [0, 1] -> sRGB, nominally in [0, 1]
        (not clamped: the inverse needs what lies outside).
    inverse: the way back.
    H and W must be multiples of `config.squeeze`; RequestError otherwise.

    State-dict keys are the authors': `operations.{i}.{F|G|H}.conv{1..depth}.{weight,bias}` and
    `operations.{i}.invconv.{p,sign_s,lower,log_s,upper}`. An untrained network is the identity: the
    last 1x1 matrix undoes the product of the random orthogonal ones before it.
    """

    renders = True

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.operations = nn.ModuleList(Block(config) for _ in range(config.blocks))
        product = torch.eye(config.channels, dtype=torch.float64)
        for block in self.blocks()[:-1]:
            product = block.invconv.matrix() @ product
        if config.blocks:
            self.blocks()[-1].invconv.set_matrix(torch.linalg.inv(product))

    @property
    def multiple(self) -> int:
        """What height and width must be multiples of."""
        return self.config.squeeze

    def autocast(self, precision: torch.dtype | None) -> None:
        """Let F, G and H compute in half precision, for training; the spine (1x1, exp, x, +) stays as it is."""
        for module in self.modules():
            if isinstance(module, CouplingFunction):
                module.autocast = precision

    def blocks(self) -> list[Block]:
        """The blocks in forward order."""
        return [block for block in self.operations if isinstance(block, Block)]

    def forward(self, raw: Tensor) -> Tensor:
        x = self.fold(raw)
        for block in self.blocks():
            x = block(x)
        return self.unfold(x)

    def inverse(self, rgb: Tensor) -> Tensor:
        y = self.fold(rgb)
        for block in reversed(self.blocks()):
            y = block.inverse(y)
        return self.unfold(y)

    def fold(self, x: Tensor) -> Tensor:
        """Lossless space-to-depth: (B, 3, H, W) -> (B, 3 squeeze^2, H / squeeze, W / squeeze)."""
        squeeze = self.config.squeeze
        if squeeze == 1:
            return x
        if x.shape[-2] % squeeze or x.shape[-1] % squeeze:
            raise RequestError(
                f"Height and width must be multiples of {squeeze}, got {x.shape[-2]}x{x.shape[-1]}: pad the frame."
            )
        return functional.pixel_unshuffle(x, squeeze)

    def unfold(self, x: Tensor) -> Tensor:
        """Inverse of `fold`."""
        return x if self.config.squeeze == 1 else functional.pixel_shuffle(x, self.config.squeeze)
