"""What the paper's published code does to files, faults included: for judging its checkpoints on its own terms.

Its black level stays in (a camera's name is misspelt), white is a constant of the make, and its demosaicing convolves
the sparse colour planes as an image library does: with zeros beyond the edge (`constant`, which its README tells to
set), or with repeated edge pixels (`reflect`, the library's default), which breaks the CFA phase. A flat field of 1
becomes 0.25 to 1 at the edges, or 0.25 to 2.25.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ContractError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.demosaic import sites
from invisp_deploy.isp.steps import Float

BORDERS: Final = ("constant", "reflect")

_BESIDE: Final = {"R": (0.5, 0.25), "G": (0.25, 0.0), "B": (0.5, 0.25)}
"""Weights of the edge neighbour and of the diagonal one in the bilinear kernel of a colour; the centre's is 1."""


def authors_frame(frame: RawFrame) -> RawFrame:
    """The frame with the levels that the authors' code takes: no black, 4095 for Canon and 16383 for every other make.

    With it and a contract of `white="file"` the product's own steps compute what theirs do, but for the edges.
    """
    white = 4095 if frame.make.strip().lower().startswith("canon") else 16383
    return replace(frame, black=(0.0, 0.0, 0.0, 0.0), white=white)


def authors_input(frame: RawFrame, border: str = BORDERS[0], gamma: float = 2.2) -> Float:
    """(3, H, W) float32: what the authors' network sees of a frame, faults included.

    Raises ContractError for another border or a frame without white balance.
    """
    if border not in BORDERS or frame.gains is None:
        raise ContractError(f"The authors' input needs as-shot gains and a border of {', '.join(BORDERS)}.")
    taken = authors_frame(frame)
    linear = np.clip(taken.mosaic / np.float32(taken.white), 0, 1, dtype=np.float32)
    around = np.pad(linear, 1, mode="symmetric" if border == "reflect" else "constant")
    colours = np.pad(_colours(taken), 1, mode="symmetric")
    planes = []
    for index, colour in enumerate("RGB"):
        sparse = np.where(colours == index, around, np.float32(0))
        beside, diagonal = (np.float32(weight) for weight in _BESIDE[colour])
        cross = sparse[:-2, 1:-1] + sparse[2:, 1:-1] + sparse[1:-1, :-2] + sparse[1:-1, 2:]
        corners = sparse[:-2, :-2] + sparse[:-2, 2:] + sparse[2:, :-2] + sparse[2:, 2:]
        plane = sparse[1:-1, 1:-1] + beside * cross + diagonal * corners
        planes.append(plane * np.float32(frame.gains[index] / max(frame.gains)))
    return np.power(np.stack(planes), np.float32(1 / gamma), dtype=np.float32)


def _colours(frame: RawFrame) -> npt.NDArray[np.int8]:
    """(H, W): 0, 1 or 2 for the colour of each site."""
    colours = np.empty(frame.mosaic.shape, np.int8)
    for index, colour in enumerate("RGB"):
        for row, column in sites(frame.cfa)[colour]:
            colours[row::2, column::2] = index
    return colours
