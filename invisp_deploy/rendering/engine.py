"""A picture's tiles through one runtime."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ContractError, EngineError
from invisp_deploy.graph_card import Direction
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY, Plan, Span, Tile, plan_tiles, plan_windows
from invisp_deploy.runtimes.base import Runtime

__all__ = ["Progress", "Window", "check_direction", "plan_for", "run_tiles", "seam_error"]

Float = npt.NDArray[np.float32]
Window = tuple[slice, slice]
Progress = Callable[[int], object]
"""Called with the number of finished pixels after each tile."""


def plan_for(runtime: Runtime, height: int, width: int, memory: int = DEFAULT_MEMORY, halo: int | None = None) -> Plan:
    """`plan_tiles` for a runtime's network; `plan_windows` where an engine bounds the tile, and `memory` does not.

    Raises RequestError as these do.
    """
    limits = runtime.inputs[0].limits
    if limits is None:
        return plan_tiles(height, width, runtime.card.config, memory, halo)
    return plan_windows(height, width, runtime.card.config, limits.smallest, limits.largest, halo)


def run_tiles(
    runtime: Runtime,
    plan: Plan,
    read: Callable[[Window], Float],
    write: Callable[[Window, Float], None],
    progress: Progress = lambda pixels: None,
) -> None:
    """For each tile: `read` its window (3, h, w), compute, `write` its core (3, h, w) at the core's place.

    Raises EngineError where the network returns something that is not finite.
    """
    for tile in plan:
        result = _compute(runtime, tile, read)
        core = result[:, tile.rows.inner, tile.columns.inner]
        if not np.isfinite(core).all():
            raise EngineError(
                f"{runtime.name} returned values that are not finite in rows {tile.rows.core_start} to "
                f"{tile.rows.core_stop}: the weights do not fit this input."
            )
        write((tile.rows.core, tile.columns.core), core)
        progress(core.shape[1] * core.shape[2])
        del result, core  # or they would stand in memory beside the next tile's tensors


def seam_error(runtime: Runtime, plan: Plan, read: Callable[[Window], Float]) -> float:
    """Largest difference that a halo below the exact one makes at the plan's first seam; 0 without seams.

    Computes one narrow strip beside the seam both ways, in windows that an engine takes where there is one.
    """
    exact, squeeze = runtime.card.halo, runtime.card.config.squeeze
    if plan.halo >= exact or len(plan) == 1:
        return 0.0
    axis = 0 if len(plan.rows) > 1 else 1
    spans = (plan.rows, plan.columns)[axis]
    across = (plan.columns, plan.rows)[axis][0]
    edge = spans[0].core_stop
    limits = runtime.inputs[0].limits
    strip = 2 * squeeze if limits is None else squeeze  # the smallest engine has room for no more
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
        result = _compute(runtime, tile, read)
        results.append(result[:, tile.rows.inner, tile.columns.inner])
    return float(np.abs(results[0] - results[1]).max())


def check_direction(runtime: Runtime, wanted: Direction, file: str) -> None:
    """Raise ContractError where a graph of the other direction is given that file."""
    if runtime.card.direction is wanted:
        return
    if wanted is Direction.INVERSE:
        raise ContractError(f"{file} is a picture, and the engine renders RAW files: pass the inverse graph.")
    raise ContractError(f"{file} is a RAW file, and the engine recovers RAW from pictures: pass the forward graph.")


def _compute(runtime: Runtime, tile: Tile, read: Callable[[Window], Float]) -> Float:
    window = read((tile.rows.window, tile.columns.window))
    result: Float = runtime.apply(np.ascontiguousarray(window[None]))[0]
    return result
