"""What a file costs beside its network: `invisp-run` as people call it, and the bare calls on the very same tiles."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from invisp_deploy.benchmark.alone import run_alone
from invisp_deploy.benchmark.cases import Source
from invisp_deploy.errors import EngineError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.graph_card import Direction
from invisp_deploy.rendering.files import decode, is_picture
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.recover import way_back_of
from invisp_deploy.rendering.render import AlignedFrame
from invisp_deploy.rendering.tiled import plan_for
from invisp_deploy.runtimes.base import Array, Runtime
from invisp_deploy.runtimes.open import open_runtime

__all__ = ["bare_calls", "fits", "measure_file"]

_PAIRS: Final = 3


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
        plan = plan_for(runtime, height, width, options.memory)
        inputs = [np.ascontiguousarray(pixels[tile.rows.window, tile.columns.window]) for tile in plan]
        begun = time.perf_counter()
        for window in inputs:
            runtime.apply(window, numbers)
        seconds = time.perf_counter() - begun
    return {"seconds": seconds, "tiles": len(inputs), "pixels": height * width, "computed": plan.computed}


def fits(file: Path, runtime: Runtime) -> bool:
    """Whether a runtime goes the way of that file: pictures are recovered, anything else is rendered."""
    return is_picture(file) is (runtime.card.direction is Direction.INVERSE)


def measure_file(
    source: Source, file: Path, threads: int, memory: int, progress: Callable[[int], object] = lambda pairs: None
) -> dict[str, Any]:
    """Three pairs in turns: `whole`, seconds of an `invisp-run` process from its start to the file on disk, and `bare`.

    ratio: median of whole over bare, pair by pair. Raises EngineError where either fails.
    """
    task = {"kind": "bare", "graph": str(source.path), "provider": source.provider, "file": str(file)}
    whole, bare, found = [], [], {}
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / ("out.dng" if is_picture(file) else "out.jpg")
        command = [sys.executable, "-m", "invisp_deploy", "run", str(file), "-o", str(output), "--overwrite"]
        command += ["--engine", str(source.path), "--memory", str(memory)]
        command += [] if source.provider is None else ["--provider", source.provider]
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
    return {"graph": source.label or str(source.path), "file": str(file), **found, "whole": whole, "bare": bare} | {
        "ratio": ratio
    }
