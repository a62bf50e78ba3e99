"""A picture's tiles through one runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from invisp_deploy.errors import ContractError
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.recipe import Numbers
from invisp_deploy.isp.steps import Array
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY, Grain, Span, Tile, Tiling, plan_tiles, plan_windows
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.golden import shares

Progress = Callable[[int], object]
"""Called with the number of finished pixels after each tile."""


def silent(pixels: int) -> None:
    """No progress."""


def plan_for(
    runtime: Runtime, height: int, width: int, memory: int = DEFAULT_MEMORY, halo: int | None = None
) -> Tiling:
    """`plan_tiles` for a runtime's graph; `plan_windows` where an engine bounds the tile, and `memory` does not.

    Raises RequestError as these do.
    """
    limits, card = runtime.inputs[0].limits, runtime.card
    grain = Grain(card.multiple, card.reach)
    if limits is None:
        return plan_tiles(height, width, card.config, memory, halo, grain)
    return plan_windows(height, width, card.config, limits.smallest, limits.largest, halo, grain)


def run_tiles(
    runtime: Runtime, tiling: Tiling, pixels: Array, numbers: Numbers, result: Array, progress: Progress = silent
) -> None:
    """Compute each tile's window of `pixels` and write its core into `result`, which has the same height and width.

    numbers: of the whole picture; tiles begin at multiples of the card's, which keeps the CFA phase. Raises as
    `Runtime.apply`.
    """
    for tile in tiling:
        core = _compute(runtime, tile, pixels, numbers)
        result[tile.rows.core, tile.columns.core] = core
        progress(core.shape[0] * core.shape[1])
        del core  # or it would stand in memory beside the next tile's tensors


def seam_error(runtime: Runtime, tiling: Tiling, pixels: Array, numbers: Numbers) -> float:
    """Largest difference that a halo below the exact one makes at the tiling's first seam; 0 without seams.

    As a share of full scale. Computes one narrow strip beside the seam both ways, in windows that an engine takes
    where there is one.
    """
    exact, multiple = runtime.card.reach, runtime.card.multiple
    if tiling.halo >= exact or len(tiling) == 1:
        return 0.0
    axis = 0 if len(tiling.rows) > 1 else 1
    spans = (tiling.rows, tiling.columns)[axis]
    across = (tiling.columns, tiling.rows)[axis][0]
    edge = spans[0].core_stop
    limits = runtime.inputs[0].limits
    strip = 2 * multiple if limits is None else multiple  # the smallest engine has room for no more
    size = spans[-1].stop
    if limits is None:
        windows = [(max(edge - strip - exact, 0), min(edge + reach, size)) for reach in (tiling.halo, exact)]
    else:
        whole = max(spans[0].size, min(strip + 2 * exact, size))
        start = max(min(edge + exact, size) - whole, 0)
        windows = [(0, spans[0].stop), (start, start + whole)]
    results = []
    for start, stop in windows:
        along = Span(start, edge - strip, edge, stop)
        tile = Tile(along, across) if axis == 0 else Tile(across, along)
        results.append(shares(_compute(runtime, tile, pixels, numbers), numbers))
    return float(np.abs(results[0] - results[1]).max())


def check_direction(runtime: Runtime, wanted: Direction, file: str) -> None:
    """Raise ContractError where a graph of the other direction is given that file."""
    if runtime.card.direction is wanted:
        return
    if wanted is Direction.INVERSE:
        raise ContractError(f"{file} is a picture, and the graph renders RAW files: pass the inverse graph.")
    raise ContractError(f"{file} is a RAW file, and the graph recovers RAW from pictures: pass the forward graph.")


def _compute(runtime: Runtime, tile: Tile, pixels: Array, numbers: Numbers) -> Array:
    made = runtime.apply(pixels[tile.rows.window, tile.columns.window], numbers)
    core: Array = made[tile.rows.inner, tile.columns.inner]
    return core
