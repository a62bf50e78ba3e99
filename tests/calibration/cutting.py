"""Tiles of several files at once, as a calibration sees them one file after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from invisp_deploy.calibration.tiles import CalibrationTile, TileSource
from invisp_deploy.contract import CameraContract


def calibration_tiles(
    paths: Sequence[Path], contract: CameraContract, *, size: int = 64, per_file: int = 8, seed: int = 0
) -> Iterator[CalibrationTile]:
    for index, path in enumerate(paths):
        yield from TileSource.open(path, contract).tiles(per_file, size, np.random.default_rng((seed, index)))
