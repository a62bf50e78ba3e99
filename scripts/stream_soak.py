"""A stream against its slowest stage alone, and its memory over many small frames.

Pace: in rounds, the stages one after the other, each on all frames by itself, then the stream over the same files; per
number of runtime threads. Ratios are of one round, their median is reported. Memory: `invisp stream` as a process
of its own over `--frames` files, its resident set read from /proc while it runs.

Pipe: `--piped` frames of 1080p, 12 bits packed as cameras send them (RAW12 of MIPI CSI-2), through the pipes of such a
process, in and out. A number stands in each frame's pixels and is read from the NV12 that comes out, so order is
what arrived. Then the same with a source that does not wait, whose frames are dropped.

    python scripts/stream_soak.py [--frames 10000] [--rounds 5] [--output docs/stream_soak.json] [--plot memory.png]
    python scripts/stream_soak.py --frames 0 --rounds 0 --piped 10000 --output docs/stream_soak.json
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from invisp_deploy.device.machine import read_machine
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.steps import Array
from invisp_deploy.models import shipped_folder
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.report.figures import write_figure
from invisp_deploy.runtimes.around import StepsAround
from invisp_deploy.runtimes.base import Feeds, Runtime, graph_specs
from invisp_deploy.runtimes.open import open_runtime
from invisp_deploy.streaming.output import Sink, open_output, parse_output
from invisp_deploy.streaming.pipeline import STAGES, Frame, Pipeline
from invisp_deploy.streaming.sources import played
from invisp_deploy.streaming.work import work_for

SAMPLE = Path(__file__).parent.parent / "samples" / "canon_eos30d_IMG_0848.CR2"
DISTINCT = 50
EVERY = 2.0  # seconds between looks at the memory
PAGE = os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=10_000, help="of the memory run; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=5, help="of the pace; 0 leaves it out")
    parser.add_argument("--per-round", type=int, default=100, help="frames")
    parser.add_argument("--size", type=int, default=64, help="edge of a frame, pixels")
    parser.add_argument(
        "--threads", type=int, nargs="+", default=[1, 2], help="of the runtime; the memory run: the first"
    )
    parser.add_argument("--engine", type=Path, default=shipped_folder() / "forward.onnx")
    parser.add_argument("--device", type=float, help="ms that the runtime waits instead, as for a GPU; of the pace")
    parser.add_argument("--piped", type=int, default=0, help="frames through a pipe")
    parser.add_argument("--minutes", type=float, default=1e9, help="after which no more are fed")
    parser.add_argument("--output", type=Path, help="JSON; a part that is left out keeps what stands there")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    if arguments.output and arguments.output.is_file():
        found = json.loads(arguments.output.read_text())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.rounds:
            found["pace"] = pace(frames_in(folder / "pace", arguments.per_round, arguments.size), folder, arguments)
        if arguments.frames:
            source = frames_in(folder / "memory", arguments.frames, arguments.size)
            found["memory"] = memory(source, folder / "memory_out", arguments)
    if arguments.piped:
        found["pipe"] = pipe(arguments.piped, arguments)
    text = json.dumps(found, indent=1) + "\n"
    if arguments.output:
        arguments.output.write_text(text)
    print(
        json.dumps({key: value for part in found.values() for key, value in part.items() if key != "samples"}, indent=1)
    )
    if arguments.plot and "memory" in found:
        plot(found["memory"], arguments.plot)


def frames_in(folder: Path, count: int, size: int) -> Path:
    """So many DNG files, fifty crops of the sample in turn."""
    folder.mkdir()
    frame = read_raw(SAMPLE)
    for number in range(count):
        path = folder / f"{number:06}.dng"
        if number < DISTINCT:
            left = 1200 + 8 * number
            write_dng(path, replace(frame, mosaic=frame.mosaic[1000 : 1000 + size, left : left + size].copy()))
        else:
            path.hardlink_to(folder / f"{number % DISTINCT:06}.dng")
    return folder


def pace(source: Path, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    rounds: dict[str, list[dict[str, float]]] = {str(threads): [] for threads in arguments.threads}
    for number in range(arguments.rounds):
        for threads in arguments.threads:
            with runtime_for(arguments, threads) as runtime:
                figures = alone(source, _fresh(folder, f"alone{number}-{threads}"), runtime)
                figures["stream"] = together(source, _fresh(folder, f"stream{number}-{threads}"), runtime)
            figures["ratio"] = figures["stream"] / min(figures[stage] for stage in STAGES)
            rounds[str(threads)].append(figures)
            print(f"round {number + 1}, {threads} threads:", _rounded(figures), f"load {os.getloadavg()[0]:.1f}")
    medians = {
        threads: _rounded({name: statistics.median(one[name] for one in done) for name in done[0]})
        for threads, done in rounds.items()
    }
    return {
        "frames_per_second": medians,
        "ratios": {threads: [round(one["ratio"], 3) for one in done] for threads, done in rounds.items()},
        "frames_a_round": arguments.per_round,
        **setting(arguments),
    }


class Waiting(Runtime):
    """In the place of a device: waits, and gives the planes back."""

    def __init__(self, card: GraphCard, milliseconds: float) -> None:
        self.name = "waiting"
        self.card = replace(card, form="tensor")
        self.inputs, self.outputs = graph_specs(self.card)
        self._seconds = milliseconds / 1000

    def _run(self, feeds: Feeds) -> dict[str, Array]:
        time.sleep(self._seconds)
        return {self.outputs[0].name: feeds[self.inputs[0].name]}


def runtime_for(arguments: argparse.Namespace, threads: int) -> Runtime:
    runtime = open_runtime(arguments.engine, None, threads)
    if arguments.device is None:
        return runtime

    with runtime:
        return StepsAround(Waiting(runtime.card, arguments.device), runtime.card.bits)


def folder_sink(output: Path, options: RunOptions) -> Sink:
    with open_output(parse_output(str(output), None), print) as sink_for:
        return sink_for(Direction.FORWARD, options)


def alone(source: Path, output: Path, runtime: Any) -> dict[str, float]:
    """Frames a second of each stage by itself, after one frame through all of them as warm-up."""
    work = work_for(runtime, folder_sink(output, RunOptions(overwrite=True)), RunOptions(overwrite=True))
    frames = list(played(sorted(source.iterdir())))
    warm = replace(frames[0])
    for stage in STAGES:
        warm.load = getattr(work, stage)(warm)
    figures = {}
    for stage in STAGES:
        step, begun = getattr(work, stage), time.perf_counter()
        for frame in frames:
            frame.load = step(frame)
        figures[stage] = len(frames) / (time.perf_counter() - begun)
    return figures


def together(source: Path, output: Path, runtime: Any) -> float:
    """Frames a second of the stream, the runtime warm."""
    frames: list[Frame] = list(played(sorted(source.iterdir())))
    work = work_for(runtime, folder_sink(output, RunOptions()), RunOptions())
    pipeline = Pipeline(frames, work, threading.Event())
    pipeline.start()
    while not pipeline.wait(1):
        pass
    if pipeline.done != len(frames):
        raise SystemExit(f"{pipeline.failures or pipeline.fatal}")
    return pipeline.done / pipeline.seconds


def memory(source: Path, output: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    report = source.parent / "report.json"
    command = [sys.executable, "-m", "invisp_deploy", "stream", str(source), "-o", str(output)]
    command += ["--engine", str(arguments.engine), "--threads", str(arguments.threads[0]), "--report", str(report)]
    process = subprocess.Popen(command)
    samples = []
    while process.poll() is None:
        time.sleep(EVERY)
        done = len(os.listdir(output)) if output.is_dir() else 0
        if done and (resident := _resident(process.pid)):
            samples.append((done, round(resident / 1e6, 2)))
    if process.returncode:
        raise SystemExit(f"the stream ended with {process.returncode}")
    data = json.loads(report.read_text())
    return {
        "done": data["done"],
        "seconds": data["seconds"],
        "stream_frames_per_second": data["frames_per_second"],
        "infer_busy": data["stages"]["infer"]["busy"],
        "peak_memory_mb": data["peak_memory_mb"],
        **memory_figures(samples, arguments.frames),
        **setting(arguments),
        "samples": thinned(samples),
    }


def memory_figures(samples: list[tuple[int, float]], frames: int) -> dict[str, Any]:
    """Of (frames done, MB), the first tenth left out."""
    steady = np.array([one for one in samples if one[0] > frames / 10])
    if len(steady) < 3:
        raise SystemExit(f"{frames} frames are done before their memory is seen three times: pass more")
    slope = float(np.polyfit(steady[:, 0], steady[:, 1], 1)[0])
    return {
        "resident_mb_after_a_tenth": {
            "least": float(steady[:, 1].min()),
            "most": float(steady[:, 1].max()),
            "slope_per_1000_frames": round(1000 * slope, 4),
        }
    }


def thinned(samples: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return samples[:: max(len(samples) // 200, 1)]


WIDTH, HEIGHT = 1920, 1080
STRIDE = WIDTH * 3 // 2
BLOCK = 32  # pixels, edge of a square that is black or white for a bit of a frame's number
BITS = 16
MATRIX = "0.6257,-0.0303,-0.1,-0.788,1.5621,0.2396,-0.1714,0.1904,0.7046"  # of the sample's camera


def pipe(count: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Frames that wait, all of them; then a tenth at most, twice as fast as they were taken, that do not."""
    waited = through_pipe(count, arguments, rate=None)
    count = waited["report"]["taken"]
    if waited["arrived"] != list(range(count)):
        raise SystemExit("frames are missing, or not in order")
    behind = through_pipe(min(count // 10, 500), arguments, rate=2 * waited["report"]["frames_per_second"])
    arrived, report = behind["arrived"], behind["report"]
    if arrived != sorted(set(arrived)) or len(arrived) + report["dropped"] != report["taken"]:
        raise SystemExit("frames are twice there, not in order, or not counted")
    figures = {"done": waited["report"]["done"], "in_order": True, **memory_figures(waited["samples"], count)}
    names = ("seconds", "frames_per_second", "megapixels_per_second", "peak_memory_mb", "latency", "stages", "dropped")
    return {
        **figures,
        **{name: waited["report"][name] for name in names},
        "behind": {name: report[name] for name in ("taken", "done", "dropped", "frames_per_second")},
        **setting(arguments),
        "frame": f"{WIDTH}x{HEIGHT} RAW12",
        "samples": thinned(waited["samples"]),
    }


def through_pipe(count: int, arguments: argparse.Namespace, rate: float | None) -> dict[str, Any]:
    """The numbers that arrive, the report, and (frames arrived, MB) meanwhile. rate: of a source that does not wait."""
    with tempfile.TemporaryDirectory() as name:
        report = Path(name) / "report.json"
        command = [
            sys.executable,
            "-m",
            "invisp_deploy",
            "stream",
            "--pipe",
            f"{WIDTH}x{HEIGHT}",
            "-o",
            "-",
            "--as",
            "nv12",
        ]
        command += ["--format", "pRCC", "--stride", str(STRIDE), "--black", "128", "--white-balance", "1.96,1,1.67"]
        command += ["--color-matrix", MATRIX, "--engine", str(arguments.engine), "--threads", str(arguments.threads[0])]
        command += ["--report", str(report)]
        command += ["--when-behind", "drop-oldest"] if rate else []
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        feeding = threading.Thread(target=feed, args=(process, count, arguments.minutes, rate), daemon=True)
        feeding.start()
        arrived: list[int] = []
        samples: list[tuple[int, float]] = []
        looked = time.perf_counter()
        assert process.stdout is not None
        while planes := process.stdout.read(WIDTH * HEIGHT * 3 // 2):
            arrived.append(number_in(planes))
            if time.perf_counter() - looked > EVERY and (resident := _resident(process.pid)):
                looked = time.perf_counter()
                samples.append((len(arrived), round(resident / 1e6, 2)))
        if process.wait():
            raise SystemExit(f"the stream ended with {process.returncode}")
        return {"arrived": arrived, "samples": samples, "report": json.loads(report.read_text())}


def feed(process: Any, count: int, minutes: float, rate: float | None) -> None:
    mosaic = np.minimum(read_raw(SAMPLE).mosaic[600 : 600 + HEIGHT, 800 : 800 + WIDTH], 4095)
    frame = packed(mosaic)
    begun = time.perf_counter()
    for number in range(count):
        if time.perf_counter() - begun > 60 * minutes:
            break
        for bit in range(BITS):
            square = frame[:BLOCK, bit * BLOCK * 3 // 2 : (bit + 1) * BLOCK * 3 // 2]
            square[:] = 0xFF if number >> bit & 1 else 0
        if rate:
            time.sleep(max(begun + number / rate - time.perf_counter(), 0))
        process.stdin.write(frame)
    process.stdin.close()


def packed(mosaic: Array) -> Array:
    """(H, W) of 12 bits -> (H, 3W/2) bytes: two pixels' high bytes, then their low halves (MIPI CSI-2, RAW12)."""
    pairs = mosaic.reshape(len(mosaic), -1, 2)
    low = pairs[..., 0] & 15 | (pairs[..., 1] & 15) << 4
    return np.stack([pairs[..., 0] >> 4, pairs[..., 1] >> 4, low], axis=-1).astype(np.uint8).reshape(len(mosaic), -1)


def number_in(planes: bytes) -> int:
    """Of the squares of a frame of NV12, by their luma."""
    top = np.frombuffer(planes, np.uint8, BLOCK * WIDTH).reshape(BLOCK, -1)
    inner = top[8:-8, : BITS * BLOCK].reshape(-1, BITS, BLOCK)[..., 8:-8].mean((0, 2))
    return sum(int(level > 128) << bit for bit, level in enumerate(inner))


def setting(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "frame": f"{arguments.size}x{arguments.size}",
        "engine": "/".join(arguments.engine.parts[-2:]),
        "machine": read_machine().to_dict(),
        "load_at_the_end": [round(load, 1) for load in os.getloadavg()],
    }


def plot(found: dict[str, Any], path: Path) -> None:
    done, resident = zip(*found["samples"], strict=True)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot(done, resident, color="#2f6fb5")
        axes.set(xlabel=f"frames of {found['frame']} done", ylabel="resident set, MB", ylim=(0, 1.25 * max(resident)))
        axes.grid(alpha=0.3)

    write_figure(path, draw, (8, 2.6))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def _fresh(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


if __name__ == "__main__":
    main()
