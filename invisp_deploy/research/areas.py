"""What of a file is judged, and how a network goes over it: whole frames in windows, or fixed tiles."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from invisp_deploy.dataset.open import Shot
from invisp_deploy.errors import RequestError
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.demosaic import window_cfa
from invisp_deploy.isp.develop import Window
from invisp_deploy.isp.steps import Float

GRAIN: Final = 32
"""Sides of all areas are multiples of it, which every method takes."""

_CORE, _HALO = 24 * GRAIN, 6 * GRAIN
_AT_ONCE: Final = 1 << 20


@dataclass(frozen=True)
class Terms:
    """How a method is judged.

    quality, subsampling: of the JPEG files. tiles: fixed tiles of each file, None for whole files. tile_size: their
    edge, pixels. seed: of their places.
    """

    quality: int = 90
    subsampling: str = "4:2:2"
    tiles: int | None = None
    tile_size: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tile_size < 64 or self.tile_size % GRAIN:
            raise RequestError(f"`tile_size` must be a multiple of {GRAIN} from 64 on, got {self.tile_size}.")
        if self.tiles is not None and self.tiles < 1:
            raise RequestError(f"`tiles` must be at least 1, got {self.tiles}.")

    @property
    def extent(self) -> str:
        """What is judged, in words for reports."""
        if self.tiles is None:
            return f"whole files, cut to multiples of {GRAIN} pixels"
        return (
            f"{self.tiles} fixed tiles of {self.tile_size}x{self.tile_size} pixels of each file (seed {self.seed}), "
            "not whole files; each tile is rendered, saved and inverted as a picture of its own"
        )

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "extent": self.extent}


def areas_of(shot: Shot, cfa: str, terms: Terms) -> list[Window]:
    """Windows of a file that start at that CFA phase (RGGB where it is `any`).

    Tiles depend on the seed and the file's name alone, so every method gets the same. Raises RequestError for a file
    that is too small.
    """
    wanted = "RGGB" if cfa == "any" else cfa
    top, left = next((r, c) for r in (0, 1) for c in (0, 1) if window_cfa(shot.facts.frame.cfa, r, c) == wanted)
    height, width = shot.facts.height - top, shot.facts.width - left
    least = GRAIN * 3 if terms.tiles is None else terms.tile_size
    if min(height, width) < least:
        raise RequestError(
            f"{shot.name} is {shot.facts.width}x{shot.facts.height}: too small, expected {least + 1} pixels a side; "
            "pass `tiles` 1 with a smaller `tile_size`."
        )
    if terms.tiles is None:
        return [(_run(top, height // GRAIN * GRAIN), _run(left, width // GRAIN * GRAIN))]
    rng = np.random.default_rng((terms.seed, zlib.crc32(shot.name.encode())))
    size = terms.tile_size
    rows = top + 2 * rng.integers(0, (height - size) // 2 + 1, terms.tiles)
    columns = left + 2 * rng.integers(0, (width - size) // 2 + 1, terms.tiles)
    return [(_run(int(row), size), _run(int(column), size)) for row, column in zip(rows, columns, strict=True)]


def patches_of(shape: tuple[int, int], terms: Terms) -> list[Window]:
    """The paper's 3x3 patches without overlap of a whole frame, sides cut to multiples of 32; a tile is one patch."""
    if terms.tiles is not None:
        return [(_run(0, shape[0]), _run(0, shape[1]))]
    height, width = (side // 3 // GRAIN * GRAIN for side in shape)
    return [(_run(row * height, height), _run(column * width, width)) for row in range(3) for column in range(3)]


@torch.inference_mode()
def apply(network: nn.Module, direction: Direction, planes: Float) -> Float:
    """(3, H, W) through one direction of a network, H and W multiples of 32 -> (3, H, W) float32.

    More than a megapixel goes through in windows of 768 pixels with 192 around them, which bounds the memory.
    """
    height, width = planes.shape[1:]
    result = np.empty(planes.shape, np.float32)
    size = max(height, width) if height * width <= _AT_ONCE else _CORE
    for top in range(0, height, size):
        for left in range(0, width, size):
            rows, outer_rows = _span(top, size, height)
            columns, outer_columns = _span(left, size, width)
            given = _tensor(network, planes[:, outer_rows, outer_columns])
            part = getattr(network, direction.value)(given)[0].float().cpu().numpy()
            inner = (
                _run(top - outer_rows.start, rows.stop - top),
                _run(left - outer_columns.start, columns.stop - left),
            )
            result[(slice(None), rows, columns)] = part[(slice(None), *inner)]
    return result


def _tensor(network: nn.Module, planes: Float) -> Tensor:
    like = next(iter(network.parameters()), None)
    tensor = torch.from_numpy(np.ascontiguousarray(planes))[None]
    return tensor if like is None else tensor.to(like.device)


def _span(start: int, size: int, end: int) -> tuple[slice, slice]:
    stop = min(start + size, end)
    return slice(start, stop), slice(max(start - _HALO, 0), min(stop + _HALO, end))


def _run(start: int, size: int) -> slice:
    return slice(start, start + size)
