"""Cost against size: whole made frames through rendering's tiles, each in a process of its own, and a straight line."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from invisp_deploy.benchmark.alone import run_alone
from invisp_deploy.benchmark.cases import Source
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import Picture
from invisp_deploy.formats.record import Record
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.frame import FrameFacts
from invisp_deploy.memory import forget_peak, peak_memory
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.recover import recover
from invisp_deploy.rendering.render import render
from invisp_deploy.rendering.tiled import plan_for
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY
from invisp_deploy.runtimes.open import open_runtime

_PATCH = 512


def frame_shape(megapixels: float, step: int) -> tuple[int, int]:
    """Height and width of a 3:2 frame of about that size, multiples of `step` and of 2."""
    multiple = math.lcm(step, 2)
    height = max(round(math.sqrt(megapixels * 1e6 / 1.5) / multiple), 1) * multiple
    return height, max(round(height * 1.5 / multiple), 1) * multiple


def made_frame(shape: tuple[int, int], card: GraphCard) -> RawFrame:
    """A mosaic of a camera that the card's contract accepts: noise over a gradient, one patch repeated."""
    random = np.random.default_rng(0)
    patch = np.linspace(200, 3500, _PATCH)[:, None] + random.normal(0, 40, (_PATCH, _PATCH))
    mosaic = _repeated(np.clip(patch, 128, 4095).astype(np.uint16), shape)
    contract = card.contract
    cfa = "RGGB" if contract.cfa == "any" else contract.cfa
    facts = FrameFacts(cfa, (128.0,) * 4, 4095, (2.0, 1.0, 1.5), make=contract.make, model=contract.model)
    return RawFrame.of(facts, mosaic)


def made_picture(shape: tuple[int, int], card: GraphCard) -> Picture:
    """An 8-bit picture that carries the way back that a rendering by the card's weights would have left."""
    patch = np.random.default_rng(0).integers(20, 236, (_PATCH, _PATCH, 3)).astype(np.uint8)
    frame = made_frame((2, 2), card)
    record = Record(card.weights, card.precision, frame.facts, frame.recipe(card.contract), *shape)
    return Picture(_repeated(patch, shape), record)


def run_frame(task: dict[str, Any]) -> dict[str, Any]:
    """One made frame through a graph, once, in this process: its size, tiles, seconds and peak memory.

    seconds: of `render` or `recover` alone. peak_mb: of the process from the frame's making on, so with the frame,
    the result, Python and the runtime. Raises as these do.
    """
    with open_runtime(Path(task["graph"]), task["provider"], task["threads"]) as runtime:
        card = runtime.card
        shape = frame_shape(task["megapixels"], card.step)
        forget_peak()
        forward = card.direction is Direction.FORWARD
        given = made_frame(shape, card) if forward else made_picture(shape, card)
        begun = time.perf_counter()
        if isinstance(given, RawFrame):
            render(given, runtime, RunOptions(memory=task["memory"]))
        else:
            recover(given, runtime, RunOptions(memory=task["memory"]))
        seconds = time.perf_counter() - begun
        plan = plan_for(runtime, *shape, task["memory"])
    return {
        "height": shape[0],
        "width": shape[1],
        "megapixels": shape[0] * shape[1] / 1e6,
        "tiles": len(plan),
        "computed": plan.computed / (shape[0] * shape[1]),
        "seconds": seconds,
        "peak_mb": peak_memory() / 1e6,
    }


def measure_sizes(
    sources: Sequence[Source],
    megapixels: Sequence[float],
    threads: int,
    memory: int = DEFAULT_MEMORY,
    progress: Callable[[int], object] = lambda frames: None,
) -> list[dict[str, Any]]:
    """For each graph: `rows` of `run_frame`, and lines `seconds` and `peak_mb` over megapixels (`fit_line`).

    Sizes are the outer loop, graphs the inner one: they take turns. Raises EngineError where a frame fails.
    """
    rows: list[list[dict[str, Any]]] = [[] for _ in sources]
    for size in megapixels:
        for index, source in enumerate(sources):
            task = {"kind": "frame", "graph": str(source.path), "provider": source.provider, "megapixels": size}
            rows[index].append(run_alone({**task, "threads": threads, "memory": memory}, threads))
            progress(1)
    curves = []
    for source, taken in zip(sources, rows, strict=True):
        pixels = [row["megapixels"] for row in taken]
        lines = {name: fit_line(pixels, [row[name] for row in taken]) for name in ("seconds", "peak_mb")}
        curves.append({"graph": source.label or str(source.path), "memory_option": memory, "rows": taken, **lines})
    return curves


def fit_line(x: Sequence[float], y: Sequence[float]) -> dict[str, float] | None:
    """Least squares y = a + b x with R^2; None for fewer than 3 points, through which a line says nothing."""
    if len(x) < 3:
        return None
    b, a = np.polyfit(x, y, 1)
    values = np.asarray(y)
    residual = float(np.sum((values - (a + b * np.asarray(x))) ** 2))
    spread = float(np.sum((values - values.mean()) ** 2))
    return {"a": float(a), "b": float(b), "r2": 1 - residual / spread if spread else 1.0}


def _repeated(patch: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
    rows, columns = (-(-size // _PATCH) for size in shape)
    tiled = np.tile(patch, (rows, columns) + (1,) * (patch.ndim - 2))
    return np.ascontiguousarray(tiled[: shape[0], : shape[1]])
