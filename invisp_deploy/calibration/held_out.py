"""Tiles to measure losses on: at places that no range was measured on, with LibRaw's rendering of the same pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from invisp_deploy.calibration.content import check_content
from invisp_deploy.calibration.tiles import Place, TileSource, check_tiles
from invisp_deploy.contract import CameraContract
from invisp_deploy.formats.raw import render_libraw
from invisp_deploy.isp.recipe import Recipe

__all__ = ["HeldOut", "held_out"]


@dataclass(frozen=True)
class HeldOut:
    """raw (3, H, W) float32 of the network's domain; libraw (H, W, 3) uint8; levels of the frame."""

    path: Path
    raw: npt.NDArray[np.float32]
    libraw: npt.NDArray[np.uint8]
    levels: Recipe


def held_out(
    paths: Sequence[Path],
    contract: CameraContract,
    *,
    size: int,
    per_file: int,
    seed: int,
    avoid: Mapping[Path, Sequence[Place]],
    on_file: Callable[[int], object] = lambda count: None,
) -> list[HeldOut]:
    """Tiles that share no pixel with those to avoid. Raises what `TileSource` and `check_content` raise."""
    check_tiles(paths, size, per_file)
    found = []
    for index, path in enumerate(paths):
        source = TileSource.open(path, contract)
        check_content(source.mosaic, source.levels, path)
        border = source.border
        around = ((border.top, border.bottom), (border.left, border.right), (0, 0))
        target = np.pad(render_libraw(path), around, mode="reflect")
        rng = np.random.default_rng((seed, index, 1))
        for tile in source.tiles(per_file, size, rng, avoid=avoid.get(path, ())):
            window = (slice(tile.row, tile.row + size), slice(tile.column, tile.column + size))
            found.append(HeldOut(path, tile.raw[0], target[window].copy(), source.levels))
        on_file(1)
    return found
