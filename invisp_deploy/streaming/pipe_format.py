"""A frame as bytes: fixed size, no header; everything else is said by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from invisp_deploy.errors import RawFileError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import Picture
from invisp_deploy.rendering.options import Explicit

BITS: Final = (10, 12, 14, 16)
"""Depths of a sensor's samples; each stands in the low bits of two bytes."""

_EDGE: Final = 65536


@dataclass(frozen=True)
class PipeFormat:
    """What a pipe carries: mosaics (little-endian uint16, row by row); for an inverse graph pictures (uint8 R, G, B).

    width, height: pixels. bits: of a sample, which may not exceed it. values: levels, gains and CFA of every frame.
    camera: its name, as the weights' contract spells it.
    """

    width: int
    height: int
    bits: int
    values: Explicit
    camera: str = ""
    pictures: bool = False

    @property
    def frame_bytes(self) -> int:
        return self.width * self.height * (3 if self.pictures else 2)

    def picture(self, data: bytearray) -> Picture:
        """(H, W, 3) uint8, without a way back."""
        return Picture(np.frombuffer(data, np.uint8).reshape(self.height, self.width, 3), None)

    def mosaic(self, data: bytearray, name: str) -> RawFrame:
        """The frame, in sensor order. Raises RawFileError for a sample that `bits` cannot hold, or for levels that do
        not fit; RequestError where cfa or black is missing.
        """
        values = self.values
        if values.cfa is None or values.black is None:
            raise RequestError("A pipe of RAW frames says nothing of itself: pass `cfa` and `black`.")
        samples = np.frombuffer(data, "<u2").astype(np.uint16, copy=False).reshape(self.height, self.width)
        most = (1 << self.bits) - 1
        if (highest := int(samples.max())) > most:
            raise RawFileError(
                f"{name} holds the value {highest}, {self.bits} bits end at {most}: frames are little-endian uint16, "
                "aligned to the low bits."
            )
        black = (values.black,) * 4
        white = most if values.white is None else values.white
        return RawFrame(
            values.cfa,
            black,
            white,
            values.white_balance,
            color_matrix=values.color_matrix,
            model=self.camera,
            mosaic=samples,
        )


def pipe_size(text: str) -> tuple[int, int]:
    """`WIDTHxHEIGHT` in pixels. Raises RequestError for anything else."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip().lower())
    size = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 2 <= min(size) <= max(size) <= _EDGE:
        raise RequestError(f"`pipe` takes the size of a frame such as 3520x2344, at least 2x2 pixels, got {text!r}.")
    return size
