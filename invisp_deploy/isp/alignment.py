"""Frames brought to the phase and size a network needs, by mirroring, and cut back again.

A network that folds pixel squares into channels has learned which corner of a square is red. A frame
of another phase gets one mirrored row or column in front (row -1 is row 1, which keeps the CFA
periodic), and one behind where a side is no multiple of the square.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ContractError
from invisp_deploy.isp.demosaic import window_cfa
from invisp_deploy.isp.frame import Mosaic


@dataclass(frozen=True)
class Alignment:
    """Mirrored rows and columns around a frame, each 0 to 15. Raises ContractError for others."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def __post_init__(self) -> None:
        for count in (self.top, self.left, self.bottom, self.right):
            if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count < 16:
                raise ContractError(f"An alignment adds 0 to 15 rows and columns, got {count!r}.")

    def forward(self, mosaic: Mosaic) -> Mosaic:
        """(H, W) -> the mosaic with mirrored rows and columns around it; the same array where there are none."""
        if self == Alignment():
            return mosaic
        return np.pad(mosaic, ((self.top, self.bottom), (self.left, self.right)), mode="reflect")

    def inverse(self, aligned: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(H, W) or (H, W, 3), a mosaic or its picture -> the frame's own window of it, a view."""
        height, width = aligned.shape[:2]
        return aligned[self.top : height - self.bottom, self.left : width - self.right]


def alignment_for(shape: tuple[int, ...], cfa: str, wanted: str, multiple: int) -> Alignment:
    """The smallest alignment after which the pattern is `wanted` (or `any`) and both sides are multiples."""
    top = left = 0
    if wanted != "any":
        top, left = next((r, c) for r in (0, 1) for c in (0, 1) if window_cfa(cfa, r, c) == wanted)
    height, width = shape
    return Alignment(top, left, -(height + top) % multiple, -(width + left) % multiple)
