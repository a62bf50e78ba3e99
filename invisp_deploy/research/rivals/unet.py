"""A pair of U-nets, one for each direction.

Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, with the sizes of Chen, Chen, Xu, Koltun, "Learning to See in the
Dark", CVPR 2018: five levels, two 3x3 convolutions each, LeakyReLU 0.2, maximum pooling, transposed convolutions up.
As InvISP, section 5.2, uses it: the encoder sees the mosaic packed as R, G, G, B at half resolution and returns to full
resolution by depth-to-space; the decoder goes the other way. Both directions share no weights.

The decoder predicts three colours at every pixel (twelve channels at half resolution, then depth-to-space), not the
four samples of the mosaic: the RAW loss then is that of every other method, and so are the mosaic, which is sampled
from these, and the demosaiced figure of the paper, which is demosaiced from that mosaic.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.errors import RequestError

_LEVELS: Final = 5


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.LeakyReLU(0.2),
    )


class _Unet(nn.Module):
    """(B, inputs, h, w) -> (B, 12, h, w); h and w multiples of 16."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(_LEVELS)]
        self.down = nn.ModuleList(_double(a, b) for a, b in zip([inputs, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1]))
        self.join = nn.ModuleList(_double(2 * w, w) for w in reversed(widths[:-1]))
        self.last = nn.Conv2d(width, 12, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for up, join, skip in zip(self.up, self.join, reversed(skips[:-1]), strict=True):
            x = join(torch.cat((up(x), skip), 1))
        result: Tensor = self.last(x)
        return result


class UnetPair(nn.Module):
    """Encoder and decoder. cfa: the phase that all frames have (RGGB, GRBG, ...). width: channels of the first level.
    samples: of each 2x2 square that the encoder reads: 4 as the sensor took them, or all 12 of a demosaiced one, where
    a matrix has mixed them.

    H and W must be multiples of 32; RequestError otherwise, and for a phase that is `any`.
    """

    renders = True
    multiple = 2**_LEVELS

    def __init__(self, cfa: str, width: int = 52, samples: int = 4) -> None:
        super().__init__()
        if cfa not in CFA_PATTERNS:
            raise RequestError(
                f"The U-net packs the mosaic, so all its frames have one phase, got {cfa!r}: pass `cfa` with one of "
                f"{', '.join(CFA_PATTERNS)}."
            )
        self.facts: dict[str, Any] = {"cfa": cfa, "width": width, "samples": samples}
        self.encoder = _Unet(samples, width)
        self.decoder = _Unet(12, width)

    def forward(self, raw: Tensor) -> Tensor:
        """(B, 3, H, W) of the contract's domain -> (B, 3, H, W) sRGB, nominally in [0, 1]; reads what `samples` say."""
        x = self._checked(raw)
        read = self.packed(x) if self.facts["samples"] == 4 else functional.pixel_unshuffle(x, 2)
        return functional.pixel_shuffle(self.encoder(read), 2)

    def inverse(self, rgb: Tensor) -> Tensor:
        """(B, 3, H, W) sRGB in [0, 1] -> (B, 3, H, W) of the contract's domain."""
        return functional.pixel_shuffle(self.decoder(functional.pixel_unshuffle(self._checked(rgb), 2)), 2)

    def packed(self, raw: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 4, H / 2, W / 2): the sample at each site of the pattern, in the order R, G, G, B."""
        cfa: str = self.facts["cfa"]
        order = sorted(range(4), key=lambda site: ("RGB".index(cfa[site]), site))
        return torch.stack([raw[:, "RGB".index(cfa[s]), s // 2 :: 2, s % 2 :: 2] for s in order], 1)

    def _checked(self, x: Tensor) -> Tensor:
        if x.shape[-2] % self.multiple or x.shape[-1] % self.multiple:
            raise RequestError(
                f"Height and width must be multiples of {self.multiple}, got {x.shape[-2]}x{x.shape[-1]}: pad the "
                "frame."
            )
        return x
