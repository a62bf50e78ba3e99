"""Invertible Grayscale with three channels in the middle: an encoder and a decoder of residual blocks.

Xia, Liu, Wong, "Invertible Grayscale", SIGGRAPH Asia 2018 (ACM TOG 37, 6), figure 3 and their public description of
the layers, written anew. Encoder: two residual blocks, two levels down (channels double twice), four residual blocks,
two levels up (nearest neighbour, then convolutions) with the skips added, two residual blocks. Decoder: eight residual
blocks at full resolution and a wide convolution. As InvISP, section 5.2, changes it: demosaiced RAW goes in, three
channels come out of the encoder, no lightness loss. Widths are 24 and 26 where theirs are 64, so that a pixel costs
what it costs InvISP of 8 dense blocks, growth 16, squeeze 2; the outputs are linear where theirs pass a tanh, because
white-balanced RAW may exceed 1.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from invisp_deploy.errors import RequestError


class _Residual(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.body(x)
        return x + inner


def _residuals(count: int, width: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(width) for _ in range(count)))


def _pair(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Two convolutions, the first without an activation: how this network changes resolution."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU()
    )


class _Encoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), _residuals(2, width))
        self.to_halves = _pair(width, 2 * width, 2)
        self.to_quarters = nn.Sequential(_pair(2 * width, 4 * width, 2), _residuals(4, 4 * width))
        self.back_to_halves = _pair(4 * width, 2 * width)
        self.back_to_full = _pair(2 * width, width)
        self.last = nn.Sequential(_residuals(2, width), nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        full = self.first(x)
        half = self.to_halves(full)
        up = half + self.back_to_halves(functional.interpolate(self.to_quarters(half), scale_factor=2))
        result: Tensor = self.last(full + self.back_to_full(functional.interpolate(up, scale_factor=2)))
        return result


class InvertibleGrayscale(nn.Module):
    """Both directions, each a network of its own. width, decoder_width: channels at full resolution.

    H and W must be multiples of 4; RequestError otherwise.
    """

    renders = True
    multiple = 4

    def __init__(self, width: int = 24, decoder_width: int = 26) -> None:
        super().__init__()
        self.facts: dict[str, Any] = {"width": width, "decoder_width": decoder_width}
        self.encoder = _Encoder(width)
        self.decoder = nn.Sequential(
            nn.Conv2d(3, decoder_width, 3, padding=1),
            _residuals(8, decoder_width),
            nn.Conv2d(decoder_width, 4 * decoder_width, 3, padding=1),
            nn.Conv2d(4 * decoder_width, 3, 1),
        )

    def forward(self, raw: Tensor) -> Tensor:
        """(B, 3, H, W) of the contract's domain -> (B, 3, H, W) sRGB, nominally in [0, 1]."""
        if raw.shape[-2] % self.multiple or raw.shape[-1] % self.multiple:
            raise RequestError(
                f"Height and width must be multiples of {self.multiple}, got {raw.shape[-2]}x{raw.shape[-1]}: pad the "
                "frame."
            )
        rgb: Tensor = self.encoder(raw)
        return rgb

    def inverse(self, rgb: Tensor) -> Tensor:
        """(B, 3, H, W) sRGB in [0, 1] -> (B, 3, H, W) of the contract's domain."""
        raw: Tensor = self.decoder(rgb)
        return raw
