"""What rendering costs beside the network, and what memory it takes at 8 and 24 megapixels.

Each figure is of a whole process, started fresh: `invisp-run` on a RAW file (decode, tiles, JPEG), and the
bare ONNX Runtime calls on the very same tiles with their inputs made beforehand. The two take turns, the
ratio is of their medians. Peak memory is the operating system's maximum resident set size.

    python scripts/bench_render.py [--runs 3] [--output docs/bench_render.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from invisp_deploy.camera.dng import write_dng
from invisp_deploy.camera.frame import RawFrame
from invisp_deploy.camera.raw import read_raw
from invisp_deploy.graph_card import Direction
from invisp_deploy.models import shipped_graph
from invisp_deploy.rendering.engine import plan_for
from invisp_deploy.rendering.render import FrameSource
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime

SAMPLE = Path(__file__).parent.parent / "samples" / "canon_eos30d_IMG_0848.CR2"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--bare", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        _bare_calls(arguments.bare)
        return
    with tempfile.TemporaryDirectory() as folder:
        report = _measure(Path(folder), arguments.runs)
    text = json.dumps(report, indent=2)
    print(text)
    if arguments.output:
        arguments.output.write_text(text + "\n")


def _measure(folder: Path, runs: int) -> dict[str, Any]:
    frame = read_raw(SAMPLE)
    large = folder / "large.dng"
    write_dng(large, _enlarged(frame, 4000, 6000))
    tiles = folder / "tiles"
    tiles.mkdir()
    with OnnxRuntime(shipped_graph(Direction.FORWARD)) as runtime:
        source = FrameSource(frame, runtime)
        plan = plan_for(runtime, *source.mosaic.shape)
        for index, tile in enumerate(plan):
            np.save(tiles / f"{index:03}.npy", source.read((tile.rows.window, tile.columns.window))[None])
    here = str(Path(__file__))
    render, bare = [], []
    for _ in range(runs):
        render.append(_process([*_run_command(SAMPLE, folder / "photo.jpg")]))
        bare.append(_process([sys.executable, here, "--bare", str(tiles)]))
    huge = _process(_run_command(large, folder / "large.jpg"))
    seconds = {"invisp-run": [item["seconds"] for item in render], "bare calls": [item["inner"] for item in bare]}
    peak = max(item["peak_mb"] for item in render)
    return {
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)),
            "system": platform.platform(),
            "python": platform.python_version(),
            "onnxruntime": onnxruntime.__version__,
        },
        "picture": f"{frame.mosaic.shape[1]}x{frame.mosaic.shape[0]}",
        "tiles": len(plan),
        "computed_pixels_over_picture": round(plan.computed / frame.mosaic.size, 3),
        "seconds": seconds,
        "render_over_bare_calls": round(
            statistics.median(seconds["invisp-run"]) / statistics.median(seconds["bare calls"]), 3
        ),
        "peak_mb": {"8 MP": round(peak), "24 MP": round(huge["peak_mb"])},
        "peak_24_over_8": round(huge["peak_mb"] / peak, 3),
        "includes": "invisp-run: process start to JPEG on disk. bare calls: session.run on ready inputs, session made "
        "and files loaded outside the clock; no warm-up in either, each tile is run once.",
    }


def _bare_calls(tiles: Path) -> None:
    with OnnxRuntime(shipped_graph(Direction.FORWARD)) as runtime:
        inputs = [np.load(path) for path in sorted(tiles.glob("*.npy"))]
        begun = time.perf_counter()
        for tensor in inputs:
            runtime.apply(tensor)
        print(time.perf_counter() - begun)


def _run_command(source: Path, output: Path) -> list[str]:
    return [sys.executable, "-m", "invisp_deploy.cli.run", str(source), "-o", str(output), "--overwrite"]


def _process(command: list[str]) -> dict[str, float]:
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    lines = output.strip().splitlines()
    inner = float(lines[-1]) if "--bare" in command else 0.0
    return {"seconds": time.perf_counter() - begun, "inner": inner, "peak_mb": usage.ru_maxrss * 1.024 / 1000}


def _enlarged(frame: RawFrame, height: int, width: int) -> RawFrame:
    """The frame repeated until it has that size; its even sides keep the CFA phase."""
    rows, columns = (-(-size // side) for size, side in zip((height, width), frame.mosaic.shape, strict=True))
    return replace(frame, mosaic=np.ascontiguousarray(np.tile(frame.mosaic, (rows, columns))[:height, :width]))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
