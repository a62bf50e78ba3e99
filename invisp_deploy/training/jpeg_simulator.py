"""Differentiable JPEG (paper, section 4.2): what libjpeg does to a picture, with a gradient.

Every stage of the real codec is there: 8-bit input, BT.601 YCbCr rounded to 8 bits, chroma averaged down,
8x8 DCT, integer quantisation steps of the Annex K tables scaled by quality, inverse DCT rounded to 8
bits, libjpeg's triangle ("fancy") chroma upsampling, RGB rounded to 8 bits. Entropy coding is lossless
and left out. The rounding of DCT coefficients is a choice (training.rounding); the other roundings, which
are small, pass their gradient straight through.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.subsampling import SUBSAMPLINGS
from invisp_deploy.training.options import JpegOptions
from invisp_deploy.training.rounding import ROUND

_LUMA: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA: Final = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8 for _ in range(4)),
)
_TO_YCC: Final = ((0.299, 0.587, 0.114), (-0.168735892, -0.331264108, 0.5), (0.5, -0.418687589, -0.081312411))
_TO_RGB: Final = ((1, 0, 1.402), (1, -0.344136286, -0.714136286), (1, 1.772, 0))
_FACTORS: Final[dict[str, tuple[int, int]]] = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}


class Compression(NamedTuple):
    """How one picture is compressed. quality: 1 to 100. subsampling: `4:4:4`, `4:2:2` or `4:2:0`."""

    quality: int = 90
    subsampling: str = "4:2:2"


def draw_compressions(options: JpegOptions, count: int, rng: np.random.Generator) -> list[Compression]:
    """Quality and subsampling of `count` pictures, each drawn evenly."""
    low, high = options.quality
    qualities = rng.integers(low, high + 1, count)
    chosen = rng.integers(0, len(options.subsampling), count)
    return [Compression(int(q), options.subsampling[c]) for q, c in zip(qualities, chosen, strict=True)]


def quantisation_tables(quality: int) -> tuple[Tensor, Tensor]:
    """Luma and chroma steps, (8, 8) each, in libjpeg's integer arithmetic. Row is vertical frequency."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    luma, chroma = (
        torch.clamp((torch.tensor(table) * scale + 50) // 100, 1, 255).float() for table in (_LUMA, _CHROMA)
    )
    return luma, chroma


class JpegSimulator(nn.Module):
    """(B, 3, H, W) sRGB in [0, 1] -> the same after JPEG, in [0, 1], differentiable. Any height and width.

    rounding: of the DCT coefficients, `fourier`, `dsq` or `straight-through`.
    eight_bit: round where the codec rounds to 8 bits; without, the map is smooth except for clamps.
    """

    tables: Tensor
    dct: Tensor
    to_ycc: Tensor
    to_rgb: Tensor

    def __init__(self, rounding: str = "fourier", *, eight_bit: bool = True) -> None:
        super().__init__()
        if rounding not in ROUND:
            raise RequestError(f"The rounding of DCT coefficients is one of {', '.join(ROUND)}, got {rounding!r}.")
        self.rounding = rounding
        self.eight_bit = eight_bit
        frequency, place = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
        dct = torch.cos(math.pi / 8 * (place + 0.5) * frequency) * 0.5
        dct[0] *= math.sqrt(0.5)
        for name, value in (
            ("tables", torch.stack([torch.stack(quantisation_tables(quality)) for quality in range(1, 101)])),
            ("dct", dct),
            ("to_ycc", torch.tensor(_TO_YCC)),
            ("to_rgb", torch.tensor(_TO_RGB, dtype=torch.float32)),
        ):
            self.register_buffer(name, value, persistent=False)

    def forward(self, rgb: Tensor, jpegs: Sequence[Compression]) -> Tensor:
        """jpegs: one for each picture. Raises RequestError for values out of range."""
        if len(jpegs) != len(rgb):
            raise RequestError(
                f"Each picture of a batch is compressed in its own way: got {len(jpegs)} for {len(rgb)}."
            )
        for jpeg in jpegs:
            if not 1 <= jpeg.quality <= 100:
                raise RequestError(f"JPEG quality is 1 to 100, got {jpeg.quality}.")
            if jpeg.subsampling not in SUBSAMPLINGS:
                raise RequestError(f"JPEG subsampling is one of {', '.join(SUBSAMPLINGS)}, got {jpeg.subsampling!r}.")
        tables = self.tables[[jpeg.quality - 1 for jpeg in jpegs]]
        kinds = [jpeg.subsampling for jpeg in jpegs]
        if len(set(kinds)) == 1:
            return self._compressed(rgb, tables, kinds[0])
        parts: list[Tensor] = []
        order: list[int] = []
        for kind in sorted(set(kinds)):
            own = [index for index, one in enumerate(kinds) if one == kind]
            parts.append(self._compressed(rgb[own], tables[own], kind))
            order += own
        return torch.cat(parts)[[order.index(index) for index in range(len(kinds))]]

    def _compressed(self, rgb: Tensor, tables: Tensor, subsampling: str) -> Tensor:
        """tables: (B, 2, 8, 8) steps of luma and chroma."""
        height, width = rgb.shape[-2:]
        factors = _FACTORS[subsampling]
        ycc = torch.einsum("ij,bjhw->bihw", self.to_ycc, self._byte(rgb * 255))
        y = self._byte(ycc[:, :1])
        colour = self._shrink(self._byte(ycc[:, 1:] + 128), factors)
        y = self._coded(y, tables[:, 0])[..., :height, :width]
        colour = self._coded(colour, tables[:, 1])[..., : -(-width // factors[1])]
        colour = self._enlarge(colour, factors)[..., :height, :width]
        decoded = torch.einsum("ij,bjhw->bihw", self.to_rgb, torch.cat((y, colour - 128), 1))
        return self._byte(decoded) / 255

    def _byte(self, x: Tensor, biases: tuple[float, float] = (0.5, 0.5)) -> Tensor:
        """Clamp to a byte and round down after adding a bias, alternately one of two along the columns."""
        x = x.clamp(0, 255)
        if not self.eight_bit:
            return x
        bias = torch.tensor(biases, dtype=x.dtype, device=x.device).repeat(-(-x.shape[-1] // 2))
        return x + (torch.floor(x + bias[: x.shape[-1]]) - x).detach()

    def _coded(self, plane: Tensor, steps: Tensor) -> Tensor:
        """Each 8x8 block through DCT, quantisation by steps (B, 8, 8) and back; padded to whole blocks."""
        height, width = plane.shape[-2:]
        padded = functional.pad(plane, (0, -width % 8, 0, -height % 8), mode="replicate")
        batch, channels, rows, columns = padded.shape
        blocks = padded.reshape(batch, channels, rows // 8, 8, columns // 8, 8) - 128
        steps = steps[:, None, None, None]
        coefficients = torch.einsum("ui,vj,bcriwj->bcrwuv", self.dct, self.dct, blocks) / steps
        quantised = ROUND[self.rounding](coefficients) * steps
        decoded = torch.einsum("ui,vj,bcrwuv->bcriwj", self.dct, self.dct, quantised)
        return self._byte(decoded.reshape(padded.shape) + 128)[..., :height, :width]

    def _shrink(self, chroma: Tensor, factors: tuple[int, int]) -> Tensor:
        """Means of so many pixels. Rows are first widened to whole blocks of the result, as libjpeg does (jcsample.c):
        the last chroma sample and its padding are then not alike. Whole blocks of rows are filled after shrinking.
        """
        if factors == (1, 1):
            return chroma
        height, width = chroma.shape[-2:]
        vertical, horizontal = factors
        padded = functional.pad(chroma, (0, -width % (8 * horizontal), 0, -height % vertical), mode="replicate")
        return self._byte(functional.avg_pool2d(padded, factors), (0.25, 0.5) if vertical == 2 else (0, 0.5))

    def _enlarge(self, chroma: Tensor, factors: tuple[int, int]) -> Tensor:
        if factors == (1, 1):
            return chroma
        if factors[0] == 2:
            chroma = _triangle(chroma.transpose(-1, -2)).transpose(-1, -2)
        return self._byte(_triangle(chroma), (8 / 16, 7 / 16) if factors[0] == 2 else (1 / 4, 2 / 4))


def _triangle(x: Tensor) -> Tensor:
    """Double the width: three quarters of the nearer sample, one of the farther, edges repeated."""
    edged = functional.pad(x, (1, 1, 0, 0), mode="replicate")
    left = 0.75 * x + 0.25 * edged[..., :-2]
    right = 0.75 * x + 0.25 * edged[..., 2:]
    return torch.stack((left, right), -1).flatten(-2)
