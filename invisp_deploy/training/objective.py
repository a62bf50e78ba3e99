"""What training lowers: the rendering against the target, the RAW that is recovered through a JPEG against the RAW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor, nn

from invisp_deploy.training.jpeg_simulator import Compression, JpegSimulator
from invisp_deploy.training.options import JpegOptions, LossOptions

HALF: Final = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Precision of the options -> what convolutions are cast to, None for nothing."""


class Objective(nn.Module):
    """Both losses of a method, in one forward pass, so that one wrapper for several processes sees all of a step.

    method: `forward` RAW -> sRGB, `inverse` the way back, both (B, 3, H, W); where its `renders` is False, the target
    itself stands for the rendering. precision: autocast of a whole method that has no spine to keep in fp32.
    """

    def __init__(
        self, method: nn.Module, loss: LossOptions, jpeg: JpegOptions, precision: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.method = method
        self.loss = loss
        self.precision = precision
        self.simulator = None if jpeg.rounding == "none" else JpegSimulator(jpeg.rounding)

    def forward(self, raw: Tensor, target: Tensor, jpegs: Sequence[Compression]) -> tuple[Tensor, Tensor]:
        """raw, target: (B, 3, H, W), target in [0, 1]. Gives |f(x) - y| and |f^-1(jpeg(clamp(f(x)))) - x| of eq. 8.

        Where y is 0 or 1, f(x) beyond it is the same picture and no error: pulled back, saturated colours would lose
        what their other channels have right. Both are means over all elements, in the norm of the options; the second
        is weighted where f(x) clips.
        """
        with torch.autocast(raw.device.type, self.precision, enabled=self.precision is not None):
            rendered = self.method(raw).float() if self.method.renders else target
        shown = rendered.clamp(0, 1)
        compressed = shown if self.simulator is None else self.simulator(shown, jpegs)
        with torch.autocast(raw.device.type, self.precision, enabled=self.precision is not None):
            recovered = self.method.inverse(compressed).float()  # type: ignore[operator]
        rgb_error, raw_error = self._size(_beyond(rendered, target) - target), self._size(recovered - raw)
        if self.loss.clipped_weight != 1:
            clipped = ((rendered < 0) | (rendered > 1)).any(1, keepdim=True)
            raw_error = raw_error * torch.where(clipped, self.loss.clipped_weight, 1.0)
        return rgb_error.mean(), raw_error.mean()

    def _size(self, difference: Tensor) -> Tensor:
        return difference.abs() if self.loss.norm == "l1" else difference.square()


def _beyond(rendered: Tensor, target: Tensor) -> Tensor:
    """The rendering; the target where both clip at the same end."""
    same = ((target <= 0) & (rendered < 0)) | ((target >= 1) & (rendered > 1))
    return torch.where(same, target, rendered)
