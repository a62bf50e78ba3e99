"""CycleISP's RGB-to-RAW branch: recursive residual groups of dual attention blocks.

Zamir, Arora, Khan, Hayat, Khan, Yang, Shao, "CycleISP: Real Image Restoration via Improved Data Synthesis", CVPR 2020,
sections 3.1 and 3.3, written from the paper: a convolution, N groups of P dual attention blocks, a convolution to three
channels. Theirs ends by sampling a Bayer mosaic; ours leaves the three channels to the loss, which compares all
methods in that domain, and the mosaic is sampled in the evaluation. Their N = 3, P = 5 are kept, their 96 channels are
19, so that a pixel costs what it costs InvISP of 8 dense blocks, growth 16, squeeze 2. Their weights are not used: they
are trained here on the same data.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from invisp_deploy.errors import RequestError


class DualAttention(nn.Module):
    """x + M([CA(u), SA(u)]) with u two convolutions of x: attention over channels and over places.

    (B, width, H, W) -> the same. reduction: how much narrower the channel attention's inner layer is.
    """

    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        inner = max(1, width // reduction)
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.PReLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.channels = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, inner, 1), nn.ReLU(), nn.Conv2d(inner, width, 1), nn.Sigmoid()
        )
        self.places = nn.Sequential(nn.Conv2d(2, 1, 5, padding=2), nn.Sigmoid())
        self.join = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        u = self.body(x)
        pooled = torch.cat((u.mean(1, keepdim=True), u.amax(1, keepdim=True)), 1)
        joined: Tensor = self.join(torch.cat((u * self.channels(u), u * self.places(pooled)), 1))
        return x + joined


class _Group(nn.Module):
    """P dual attention blocks and a convolution, with a skip around all."""

    def __init__(self, width: int, blocks: int, reduction: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(DualAttention(width, reduction) for _ in range(blocks)), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.body(x)
        return x + inner


class CycleIsp(nn.Module):
    """sRGB to RAW; what it inverts is LibRaw's rendering. width: channels; groups: N; blocks: P.

    The channel attention averages over all it is given, so crops and whole frames differ a little.
    """

    renders = False
    multiple = 1

    def __init__(self, width: int = 19, groups: int = 3, blocks: int = 5, reduction: int = 8) -> None:
        super().__init__()
        self.facts: dict[str, Any] = {"width": width, "groups": groups, "blocks": blocks, "reduction": reduction}
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            *(_Group(width, blocks, reduction) for _ in range(groups)),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(self, raw: Tensor) -> Tensor:
        """Raises RequestError: this branch renders nothing."""
        raise RequestError("CycleISP's branch only goes from sRGB to RAW: invert LibRaw's rendering with it.")

    def inverse(self, rgb: Tensor) -> Tensor:
        """(B, 3, H, W) sRGB in [0, 1] -> (B, 3, H, W) of the contract's domain."""
        raw: Tensor = self.body(rgb)
        return raw
