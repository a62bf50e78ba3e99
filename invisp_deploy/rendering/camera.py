"""The camera's arithmetic around a graph: in numpy around a tensor graph, inside a camera graph.

::

    separate steps   mosaic --levels, demosaicing--> float32 --graph--> float32 --clamp, round--> codes
    in the graph     mosaic -----------------------------graph------------------------------------> codes

Planes are (C, h, w), of the window that a tile reads or of the core that it writes.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ContractError, RequestError
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.levels import Levels, network_input, recovered_mosaic
from invisp_deploy.runtimes.base import NO_LEVELS, Array, Feeds

__all__ = ["CameraPart", "InGraph", "InNumpy", "Pixels", "Window", "camera_part"]

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
Window = tuple[slice, slice]


class CameraPart(Protocol):
    """Between files' pixels and a graph's planes, both ways. tensors: what the graph takes beside the planes."""

    tensors: Feeds

    def check_depth(self, bits: int) -> None:
        """Raise RequestError for a depth of the picture that the graph does not give."""

    def of_mosaic(self, mosaic: Mosaic, window: Window) -> Array:
        """(H, W) DN -> planes of the window for the forward graph."""

    def to_pixels(self, planes: Array, bits: int) -> Pixels:
        """The forward graph's planes -> (h, w, 3) codes of 8 or 16 bits."""

    def of_pixels(self, pixels: Pixels, window: Window) -> Array:
        """(H, W, 3) codes -> planes of the window for the inverse graph."""

    def to_mosaic(self, planes: Array, origin: tuple[int, int], shape: tuple[int, int]) -> Mosaic:
        """The inverse graph's planes -> (h, w) DN; origin: their place in the frame of that shape."""


class InNumpy:
    """Around a tensor graph, which takes and gives float32."""

    def __init__(self, levels: Levels) -> None:
        self.levels = levels
        self.tensors: Feeds = NO_LEVELS

    def check_depth(self, bits: int) -> None:
        return None

    def of_mosaic(self, mosaic: Mosaic, window: Window) -> Array:
        return network_input(mosaic, self.levels, window)

    def to_pixels(self, planes: Array, bits: int) -> Pixels:
        codes = np.rint(np.clip(planes, 0, 1) * np.float32((1 << bits) - 1)).transpose(1, 2, 0)
        return codes.astype(np.uint8) if bits == 8 else codes.astype(np.uint16)

    def of_pixels(self, pixels: Pixels, window: Window) -> Array:
        planes = pixels[window].transpose(2, 0, 1).astype(np.float32)
        return planes / np.float32(np.iinfo(pixels.dtype).max)

    def to_mosaic(self, planes: Array, origin: tuple[int, int], shape: tuple[int, int]) -> Mosaic:
        return recovered_mosaic(planes, self.levels, origin, shape)


class InGraph:
    """Around a camera graph, which takes and gives DN and 8-bit codes. Windows start at even rows and columns.

    Raises ContractError for levels of another gamma than the graph's, or of another border than mirrored. 16 bits are
    a RequestError both ways.
    """

    def __init__(self, levels: Levels, card: GraphCard) -> None:
        if levels.gamma != card.contract.gamma:
            raise ContractError(
                f"The picture's way back has the gamma {levels.gamma:g}, the camera graph {card.contract.gamma:g}: "
                "recover it with the tensor graph of its own weights."
            )
        if levels.border != "mirror":
            raise ContractError(
                f"The levels have the border {levels.border!r}, camera graphs demosaic with mirrored borders only: use "
                "the tensor graph of the same weights."
            )
        self.tensors: Feeds = levels.tensors()

    def check_depth(self, bits: int) -> None:
        if bits != 8:
            raise RequestError(
                f"A camera graph renders 8 bits and the output holds {bits}: name it .jpg or .png, or pass the tensor "
                "graph."
            )

    def of_mosaic(self, mosaic: Mosaic, window: Window) -> Array:
        return mosaic[window][None]

    def to_pixels(self, planes: Array, bits: int) -> Pixels:
        pixels: npt.NDArray[np.uint8] = planes.transpose(1, 2, 0)
        return pixels

    def of_pixels(self, pixels: Pixels, window: Window) -> Array:
        if pixels.dtype != np.uint8:
            raise RequestError("A camera graph takes pictures of 8 bits, this one has 16: pass the tensor graph.")
        return pixels[window].transpose(2, 0, 1)

    def to_mosaic(self, planes: Array, origin: tuple[int, int], shape: tuple[int, int]) -> Mosaic:
        mosaic: Mosaic = planes[0]
        return mosaic


def camera_part(card: GraphCard, levels: Levels) -> CameraPart:
    """What is to be done around a graph of that card for a frame of those levels."""
    return InGraph(levels, card) if card.takes_mosaic else InNumpy(levels)
