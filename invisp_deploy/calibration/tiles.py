"""Network inputs from RAW files, tile by tile: what ranges and golden inputs are measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from invisp_deploy.camera.align import aligned, border_for
from invisp_deploy.camera.levels import levels_of, network_input
from invisp_deploy.camera.raw import read_raw
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import ContractError, RequestError

__all__ = ["CalibrationTile", "calibration_tiles"]


@dataclass(frozen=True)
class CalibrationTile:
    """One tile of a RAW file as the forward graph sees it: (1, 3, size, size) float32, and where it lies."""

    path: Path
    row: int
    column: int
    raw: npt.NDArray[np.float32]


def calibration_tiles(
    paths: Sequence[Path], contract: CameraContract, *, size: int = 256, per_file: int = 8, seed: int = 0
) -> Iterator[CalibrationTile]:
    """Tiles at random places of each file, one file in memory at a time; equal seeds give equal tiles.

    size: edge in pixels, even. Raises RequestError for no files, an odd size, or a file smaller than a
    tile; ContractError for another camera; RawFileError for a file that does not open.
    """
    if not paths:
        raise RequestError("Calibration needs RAW files, got none.")
    if size < 2 or size % 2 or per_file < 1:
        raise RequestError(f"Calibration tiles have an even size and there is at least one, got {size} and {per_file}.")
    for index, path in enumerate(paths):
        frame = read_raw(path)
        if not contract.accepts(frame.make, frame.model):
            raise ContractError(
                f"{path} is from {frame.camera or 'an unknown camera'}, these weights are for {contract.camera}."
            )
        border = border_for((frame.mosaic.shape[0], frame.mosaic.shape[1]), frame.cfa, contract.cfa, 2)
        mosaic = aligned(frame.mosaic, border)
        levels = levels_of(frame, contract).shifted(border.top, border.left)
        if min(mosaic.shape) < size:
            raise RequestError(f"{path} is smaller than a tile of {size} pixels: use a larger file or a smaller tile.")
        rng = np.random.default_rng((seed, index))
        for _ in range(per_file):
            row, column = (2 * int(rng.integers(0, (side - size) // 2 + 1)) for side in mosaic.shape)
            window = (slice(row, row + size), slice(column, column + size))
            yield CalibrationTile(path, row, column, network_input(mosaic, levels, window)[None])
