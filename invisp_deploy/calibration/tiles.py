"""Network inputs from RAW files, tile by tile: what ranges and losses are measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import CalibrationError, ContractError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.isp.alignment import Alignment, alignment_for
from invisp_deploy.isp.develop import develop
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.recipe import Recipe

Place = tuple[int, int, int]
"""Row, column and size of a tile in the aligned mosaic."""

_ATTEMPTS: Final = 200


@dataclass(frozen=True)
class CalibrationTile:
    """One tile of a RAW file as the forward graph sees it: (1, 3, size, size) float32, and where it lies."""

    path: Path
    row: int
    column: int
    raw: npt.NDArray[np.float32]

    @property
    def place(self) -> Place:
        return self.row, self.column, self.raw.shape[-1]


@dataclass(frozen=True)
class TileSource:
    """One RAW file, aligned to the contract, whose tiles can be cut. mosaic: `frame`'s after `alignment`."""

    path: Path
    frame: RawFrame
    mosaic: Mosaic
    recipe: Recipe
    alignment: Alignment = field(default_factory=Alignment)

    @classmethod
    def open(cls, path: Path, contract: CameraContract) -> TileSource:
        """Raises ContractError for another camera, RawFileError for a file that does not open."""
        frame = read_raw(path)
        if not contract.accepts(frame.make, frame.model):
            raise ContractError(
                f"{path} is from {frame.camera or 'an unknown camera'}, these weights are for {contract.camera}."
            )
        alignment = alignment_for(frame.mosaic.shape, frame.cfa, contract.cfa, 2)
        recipe = frame.recipe(contract).shifted(alignment.top, alignment.left)
        return cls(path, frame, alignment.forward(frame.mosaic), recipe, alignment)

    def tiles(
        self, count: int, size: int, rng: np.random.Generator, *, avoid: Sequence[Place] = ()
    ) -> Iterator[CalibrationTile]:
        """That many tiles at random even places, none of which shares a pixel with those to avoid.

        Raises RequestError for a file smaller than a tile, CalibrationError where what is to be avoided leaves no room.
        """
        if min(self.mosaic.shape) < size:
            raise RequestError(
                f"{self.path} is smaller than a tile of {size} pixels: use a larger file or a smaller tile."
            )
        for _ in range(count):
            for _ in range(_ATTEMPTS):
                row, column = (2 * int(rng.integers(0, (side - size) // 2 + 1)) for side in self.mosaic.shape)
                if not any(_overlap((row, column, size), other) for other in avoid):
                    break
            else:
                raise CalibrationError(
                    f"The tiles of {self.path} leave no room for held-out ones of {size} pixels: take fewer or "
                    "smaller tiles, or hold other files out."
                )
            window = (slice(row, row + size), slice(column, column + size))
            yield CalibrationTile(self.path, row, column, develop(self.mosaic, self.recipe, window)[None])


def check_tiles(paths: Sequence[Path], size: int, per_file: int) -> None:
    """Raise RequestError for no files or impossible tiles."""
    if not paths:
        raise RequestError("Calibration needs RAW files, got none.")
    if size < 2 or size % 2 or per_file < 1:
        raise RequestError(f"Calibration tiles have an even size and there is at least one, got {size} and {per_file}.")


def _overlap(one: Place, other: Place) -> bool:
    return all(one[axis] < other[axis] + other[2] and other[axis] < one[axis] + one[2] for axis in (0, 1))
