"""Whole frames: cost against size, and what a file costs beside its network.

Made frames of several sizes go through rendering's tiles, each in a process of its own, with a straight line through
the figures. A file goes through `invisp-run` as people call it, and the bare calls over the very same tiles.
"""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.benchmark.alone import run_alone
from invisp_deploy.benchmark.cases import Candidate
from invisp_deploy.errors import EngineError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import Picture, bit_depth
from invisp_deploy.formats.record import Record
from invisp_deploy.formats.walk import is_picture
from invisp_deploy.graph_card import BITS, Direction, GraphCard
from invisp_deploy.isp.frame import FrameFacts
from invisp_deploy.isp.steps import Array
from invisp_deploy.memory import forget_peak, peak_memory
from invisp_deploy.rendering.files import decode
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.recover import recover, way_back_of
from invisp_deploy.rendering.render import AlignedFrame, render
from invisp_deploy.rendering.tiled import plan_for
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.open import open_runtime

_PATCH = 512
_PAIRS: Final = 3


def frame_shape(megapixels: float, multiple: int) -> tuple[int, int]:
    """Height and width of a 3:2 frame of about that size, multiples of `multiple` and of 2."""
    multiple = math.lcm(multiple, 2)
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
        shape = frame_shape(task["megapixels"], card.multiple)
        forget_peak()
        forward = card.direction is Direction.FORWARD
        given = made_frame(shape, card) if forward else made_picture(shape, card)
        begun = time.perf_counter()
        if isinstance(given, RawFrame):
            render(given, runtime, RunOptions(memory=task["memory"]))
        else:
            recover(given, runtime, RunOptions(memory=task["memory"]))
        seconds = time.perf_counter() - begun
        tiling = plan_for(runtime, *shape, task["memory"])
    return {
        "height": shape[0],
        "width": shape[1],
        "megapixels": shape[0] * shape[1] / 1e6,
        "tiles": len(tiling),
        "computed": tiling.computed / (shape[0] * shape[1]),
        "seconds": seconds,
        "peak_mb": peak_memory() / 1e6,
    }


def measure_sizes(
    candidates: Sequence[Candidate],
    megapixels: Sequence[float],
    threads: int,
    memory: int = DEFAULT_MEMORY,
    progress: Callable[[int], object] = lambda frames: None,
) -> list[dict[str, Any]]:
    """For each graph: `rows` of `run_frame`, and lines `seconds` and `peak_mb` over megapixels (`fit_line`).

    Sizes are the outer loop, graphs the inner one: they take turns. Raises EngineError where a frame fails.
    """
    rows: list[list[dict[str, Any]]] = [[] for _ in candidates]
    for size in megapixels:
        for index, candidate in enumerate(candidates):
            task = {"kind": "frame", "graph": str(candidate.path), "provider": candidate.provider, "megapixels": size}
            rows[index].append(run_alone({**task, "threads": threads, "memory": memory}, threads))
            progress(1)
    curves = []
    for candidate, taken in zip(candidates, rows, strict=True):
        pixels = [row["megapixels"] for row in taken]
        lines = {name: fit_line(pixels, [row[name] for row in taken]) for name in ("seconds", "peak_mb")}
        curves.append(
            {"graph": candidate.label or str(candidate.path), "memory_option": memory, "rows": taken, **lines}
        )
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


def bare_calls(task: dict[str, Any]) -> dict[str, Any]:
    """`seconds` of a runtime's calls on the `tiles` of a file, their inputs made before the clock starts."""
    options = RunOptions(memory=task["memory"])
    with open_runtime(Path(task["graph"]), task["provider"], task["threads"]) as runtime:
        decoded = decode(Path(task["file"]), options)
        if isinstance(decoded, RawFrame):
            aligned = AlignedFrame(decoded, runtime)
            pixels: Array = aligned.mosaic
            numbers = aligned.recipe.numbers()
        else:
            pixels, numbers = decoded.pixels, way_back_of(decoded, runtime).recipe.numbers()
        height, width = pixels.shape[:2]
        tiling = plan_for(runtime, height, width, options.memory)
        inputs = [np.ascontiguousarray(pixels[tile.rows.window, tile.columns.window]) for tile in tiling]
        begun = time.perf_counter()
        for window in inputs:
            runtime.apply(window, numbers)
        seconds = time.perf_counter() - begun
    return {"seconds": seconds, "tiles": len(inputs), "pixels": height * width, "computed": tiling.computed}


def fits(file: Path, runtime: Runtime) -> bool:
    """Whether a runtime goes the way of that file, pictures in their depth to RAW and anything else to a .jpg."""
    bits = bit_depth(file) if is_picture(file) else BITS[0]
    return is_picture(file) is (runtime.card.direction is Direction.INVERSE) and runtime.card.bits == bits


def measure_file(
    candidate: Candidate, file: Path, threads: int, memory: int, progress: Callable[[int], object] = lambda pairs: None
) -> dict[str, Any]:
    """Three pairs in turns: `whole`, seconds of an `invisp-run` process from its start to the file on disk, and `bare`.

    ratio: median of whole over bare, pair by pair. Raises EngineError where either fails.
    """
    task = {"kind": "bare", "graph": str(candidate.path), "provider": candidate.provider, "file": str(file)}
    whole, bare, found = [], [], {}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / ("out.dng" if is_picture(file) else "out.jpg")
        command = [sys.executable, "-m", "invisp_deploy", "run", str(file), "-o", str(output), "--overwrite"]
        command += ["--engine", str(candidate.path), "--memory", str(memory)]
        command += [] if candidate.provider is None else ["--provider", candidate.provider]
        for _ in range(_PAIRS):
            begun = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            whole.append(time.perf_counter() - begun)
            if done.returncode != 0:
                raise EngineError(f"invisp-run on {file} ended with {done.returncode}: {done.stderr.strip()}")
            found = run_alone({**task, "threads": threads, "memory": memory}, threads)
            bare.append(found.pop("seconds"))
            progress(1)
    ratio = statistics.median(one / other for one, other in zip(whole, bare, strict=True))
    return {
        "graph": candidate.label or str(candidate.path),
        "file": str(file),
        **found,
        "whole": whole,
        "bare": bare,
    } | {"ratio": ratio}


def _repeated(patch: npt.NDArray[Any], shape: tuple[int, int]) -> npt.NDArray[Any]:
    rows, columns = (-(-size // _PATCH) for size in shape)
    tiled = np.tile(patch, (rows, columns) + (1,) * (patch.ndim - 2))
    return np.ascontiguousarray(tiled[: shape[0], : shape[1]])
