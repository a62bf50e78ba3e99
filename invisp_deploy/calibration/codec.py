"""A real JPEG between the directions, in memory: what lies in a file is 8-bit pixels that libjpeg wrote and read."""

from __future__ import annotations

import io

import numpy as np
import torch
from torch import Tensor


class JpegCodec:
    """Pillow's libjpeg as files are written: 8 bit, quality, subsampling."""

    def __init__(self, quality: int = 90, subsampling: str = "4:2:2") -> None:
        self.quality = quality
        self.subsampling = subsampling

    def __call__(self, srgb: Tensor) -> Tensor:
        """(B, 3, H, W) float, nominally in [0, 1] -> what a decoder makes of its JPEG files, same shape, float32."""
        from PIL import Image

        decoded = []
        for pixels in rounded8(srgb).movedim(1, -1).contiguous().numpy():
            stream = io.BytesIO()
            Image.fromarray(pixels).save(stream, "JPEG", quality=self.quality, subsampling=self.subsampling)
            with Image.open(stream) as image:
                decoded.append(np.asarray(image))
        return torch.from_numpy(np.stack(decoded)).movedim(-1, 1).float() / 255


def rounded8(srgb: Tensor) -> Tensor:
    """uint8, clamped to [0, 1] first, as rendering writes it."""
    return (srgb.float().clamp(0, 1) * 255).round().to(torch.uint8)
