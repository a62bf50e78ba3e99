"""A real JPEG between the directions, in memory: what lies in a file is 8-bit pixels that libjpeg wrote and read."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from invisp_deploy.formats.pixels import Rgb8
from invisp_deploy.isp.steps import Codes


class JpegCodec:
    """Pillow's libjpeg as files are written: 8 bit, quality, subsampling."""

    def __init__(self, quality: int = 90, subsampling: str = "4:2:2") -> None:
        self.quality = quality
        self.subsampling = subsampling

    def __call__(self, srgb: Tensor) -> Tensor:
        """(B, 3, H, W) float, nominally in [0, 1] -> what a decoder makes of its JPEG files, same shape, float32."""
        from PIL import Image

        decoded = []
        for pixels in codes_of(srgb):
            stream = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(pixels)).save(
                stream, "JPEG", quality=self.quality, subsampling=self.subsampling
            )
            with Image.open(stream) as image:
                decoded.append(np.asarray(image))
        return planes_of(decoded)


def codes_of(srgb: Tensor) -> list[Rgb8]:
    """(B, 3, H, W) float on the CPU -> B pictures (H, W, 3) uint8, as rendering writes them."""
    return [Codes().forward(planes, {}) for planes in srgb.float().numpy()]


def planes_of(pictures: Sequence[Rgb8]) -> Tensor:
    """Pictures (H, W, 3) uint8 of one size -> (B, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.stack([Codes().inverse(codes, {}) for codes in pictures]))
