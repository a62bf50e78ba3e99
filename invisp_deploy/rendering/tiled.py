"""A picture's tiles through one runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from invisp_deploy.errors import ContractError, EngineError
from invisp_deploy.graph_card import Direction
from invisp_deploy.rendering.camera import Window
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY, Grain, Plan, Span, Tile, plan_tiles, plan_windows
from invisp_deploy.runtimes.base import NO_LEVELS, Array, Feeds, Runtime

__all__ = ["Progress", "Read", "check_direction", "plan_for", "run_tiles", "seam_error"]

Read = Callable[[Window], Array]
"""Planes (C, h, w) of a window."""

Progress = Callable[[int], object]
"""Called with the number of finished pixels after each tile."""


def plan_for(runtime: Runtime, height: int, width: int, memory: int = DEFAULT_MEMORY, halo: int | None = None) -> Plan:
    """`plan_tiles` for a runtime's graph; `plan_windows` where an engine bounds the tile, and `memory` does not.

    Raises RequestError as these do.
    """
    limits, card = runtime.inputs[0].limits, runtime.card
    grain = Grain(card.step, card.reach)
    if limits is None:
        return plan_tiles(height, width, card.config, memory, halo, grain)
    return plan_windows(height, width, card.config, limits.smallest, limits.largest, halo, grain)


def run_tiles(
    runtime: Runtime,
    plan: Plan,
    read: Read,
    write: Callable[[Window, Array], None],
    progress: Progress = lambda pixels: None,
    levels: Feeds = NO_LEVELS,
) -> None:
    """For each tile: `read` its window (C, h, w), compute, `write` its core (C, h, w) at the core's place.

    levels: of a camera graph. Raises EngineError where a tensor graph returns something that is not finite.
    """
    for tile in plan:
        result = _compute(runtime, tile, read, levels)
        core = result[:, tile.rows.inner, tile.columns.inner]
        if not np.isfinite(core).all():
            raise EngineError(
                f"{runtime.name} returned values that are not finite in rows {tile.rows.core_start} to "
                f"{tile.rows.core_stop}: the weights do not fit this input."
            )
        write((tile.rows.core, tile.columns.core), core)
        progress(core.shape[1] * core.shape[2])
        del result, core  # or they would stand in memory beside the next tile's tensors


def seam_error(runtime: Runtime, plan: Plan, read: Read, levels: Feeds = NO_LEVELS) -> float:
    """Largest difference that a halo below the exact one makes at the plan's first seam; 0 without seams.

    In the units of a tensor graph; of a camera graph, codes of 255 or DN of white. Computes one narrow strip beside
    the seam both ways, in windows that an engine takes where there is one.
    """
    exact, step = runtime.card.reach, runtime.card.step
    if plan.halo >= exact or len(plan) == 1:
        return 0.0
    axis = 0 if len(plan.rows) > 1 else 1
    spans = (plan.rows, plan.columns)[axis]
    across = (plan.columns, plan.rows)[axis][0]
    edge = spans[0].core_stop
    limits = runtime.inputs[0].limits
    strip = 2 * step if limits is None else step  # the smallest engine has room for no more
    size = spans[-1].stop
    if limits is None:
        windows = [(max(edge - strip - exact, 0), min(edge + reach, size)) for reach in (plan.halo, exact)]
    else:
        whole = max(spans[0].size, min(strip + 2 * exact, size))
        start = max(min(edge + exact, size) - whole, 0)
        windows = [(0, spans[0].stop), (start, start + whole)]
    results = []
    for start, stop in windows:
        along = Span(start, edge - strip, edge, stop)
        tile = Tile(along, across) if axis == 0 else Tile(across, along)
        result = _compute(runtime, tile, read, levels)
        results.append(result[:, tile.rows.inner, tile.columns.inner].astype(np.float32))
    full = {"uint8": 255.0, "uint16": float(levels["white"][0]) if levels else 1.0}.get(result.dtype.name, 1.0)
    return float(np.abs(results[0] - results[1]).max()) / full


def check_direction(runtime: Runtime, wanted: Direction, file: str) -> None:
    """Raise ContractError where a graph of the other direction is given that file."""
    if runtime.card.direction is wanted:
        return
    if wanted is Direction.INVERSE:
        raise ContractError(f"{file} is a picture, and the engine renders RAW files: pass the inverse graph.")
    raise ContractError(f"{file} is a RAW file, and the engine recovers RAW from pictures: pass the forward graph.")


def _compute(runtime: Runtime, tile: Tile, read: Read, levels: Feeds) -> Array:
    result: Array = runtime.apply(read((tile.rows.window, tile.columns.window))[None], levels)[0]
    return result
