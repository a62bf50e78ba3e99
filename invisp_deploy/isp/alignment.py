"""Frames brought to the phase and size a network needs, by mirroring, and cut back again.

A network that folds pixel squares into channels has learned which corner of a square is red. A frame
of another phase gets one mirrored row or column in front (row -1 is row 1, which keeps the CFA
periodic), and one behind where a side is no multiple of the square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from invisp_deploy.isp.demosaic import window_cfa
from invisp_deploy.isp.frame import Mosaic

__all__ = ["Border", "aligned", "border_for"]


@dataclass(frozen=True)
class Border:
    """Mirrored rows and columns around a frame."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def cut(self, height: int, width: int) -> tuple[slice, slice]:
        """The frame's own window in a bordered picture of that size."""
        return slice(self.top, height - self.bottom), slice(self.left, width - self.right)


def border_for(shape: tuple[int, int], cfa: str, wanted: str, multiple: int) -> Border:
    """The smallest border after which the pattern is `wanted` (or `any`) and both sides are multiples."""
    top = left = 0
    if wanted != "any":
        top, left = next((r, c) for r in (0, 1) for c in (0, 1) if window_cfa(cfa, r, c) == wanted)
    height, width = shape
    return Border(top, left, -(height + top) % multiple, -(width + left) % multiple)


def aligned(mosaic: Mosaic, border: Border) -> Mosaic:
    """(H, W) -> the mosaic with its border; the same array where there is none."""
    if border == Border():
        return mosaic
    return np.pad(mosaic, ((border.top, border.bottom), (border.left, border.right)), mode="reflect")
