"""Whole processes side by side: RAW to JPEG by LibRaw and Pillow, by `invisp-run`, and our way back to a DNG.

Each turn starts every process once, in an order that turns round, each in a fresh interpreter with compiled modules as
pip leaves them; the first turn fills the page cache and does not count. Nothing else goes back from a JPEG to a RAW
file, so that way is compared with the same LibRaw process. Ratios are of one turn, then their median; the machine's
other work hits both. Ours says by --json what it spent on decoding, the graph and encoding; start-up is what the
process took beside that, from its start to its end.

    python scripts/bench_process.py samples/canon_eos30d_IMG_0848.CR2 --megapixels 24,45

Larger frames repeat the file's mosaic in an uncompressed DNG: there LibRaw decodes faster than a camera's own format.
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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PEER = """
import sys
import rawpy
from PIL import Image
with rawpy.imread(sys.argv[1]) as raw:
    pixels = raw.postprocess(use_camera_wb=True, no_auto_bright=True)
Image.fromarray(pixels).save(sys.argv[2], quality=90, subsampling="4:2:2")
"""

MADE = """
import sys
from dataclasses import replace
import numpy as np
from invisp_deploy import read_raw
frame, pixels = read_raw(sys.argv[1]), float(sys.argv[3]) * 1e6
even = frame.mosaic[: frame.mosaic.shape[0] // 2 * 2, : frame.mosaic.shape[1] // 2 * 2]
height, width = (round((pixels * ratio) ** 0.5 / 2) * 2 for ratio in (2 / 3, 3 / 2))
times = (-(-height // even.shape[0]), -(-width // even.shape[1]))
replace(frame, mosaic=np.ascontiguousarray(np.tile(even, times)[:height, :width])).save(sys.argv[2])
"""

WAYS = ("peer", "forward", "back")
PARTS = ("decode", "network", "encode", "other", "startup")


@dataclass
class Runs:
    """One process's turns: seconds of each, peak memory of each in MB, and ours: seconds of each part."""

    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    parts: dict[str, list[float]] = field(default_factory=dict)


def run(words: list[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """Seconds, peak memory in MB, and what it printed. Raises SystemExit where the process fails."""
    with tempfile.TemporaryFile("w+") as said:
        begun = time.perf_counter()
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=said, env=environment, text=True)
        out = "" if process.stdout is None else process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)  # not wait(), which keeps the memory of this one child to itself
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(f"{' '.join(words[:6])}... failed: {said.read().strip()}")
    return seconds, usage.ru_maxrss / 1024, out


def ours(source: Path, output: Path, model: str | None) -> list[str]:
    chosen = [] if model is None else ["--model", model]
    return [
        sys.executable,
        "-m",
        "invisp_deploy",
        "run",
        *chosen,
        str(source),
        "-o",
        str(output),
        "--overwrite",
        "--json",
    ]


def measure(raw: Path, folder: Path, turns: int, model: str | None, environment: dict[str, str]) -> dict[str, Any]:
    photo = folder / "photo.jpg"
    words = {
        "peer": [sys.executable, "-c", PEER, str(raw), str(folder / "peer.jpg")],
        "forward": ours(raw, photo, model),
        "back": ours(photo, folder / "photo.dng", model),
    }
    runs = {way: Runs() for way in WAYS}
    for turn in range(turns + 1):
        for way in WAYS[turn % 3 :] + WAYS[: turn % 3]:
            seconds, memory, printed = run(words[way], environment)
            if not turn:
                continue
            runs[way].seconds.append(seconds)
            runs[way].memory.append(memory)
            if way != "peer":
                for name, part in parts(seconds, printed).items():
                    runs[way].parts.setdefault(name, []).append(part)
    result = json.loads(run(words["forward"], environment)[2])["files"][0]
    return {
        "file": raw.name,
        "megapixels": result["height"] * result["width"] / 1e6,
        "runtime": result["runtime"],
        "runs": {way: asdict(each) for way, each in runs.items()},
        "ratios": {way: ratio(runs[way], runs["peer"]) for way in WAYS[1:]},
    }


def parts(seconds: float, printed: str) -> dict[str, float]:
    """Seconds of each of `PARTS`; other is opening the model as far as decoding does not hide it, and planning."""
    result = json.loads(printed)["files"][0]
    found = {name: result[f"{name}_seconds"] for name in PARTS[:3]}
    return {**found, "other": result["seconds"] - sum(found.values()), "startup": seconds - result["seconds"]}


def ratio(one: Runs, peer: Runs) -> float:
    return statistics.median(a / b for a, b in zip(one.seconds, peer.seconds, strict=True))


def lines(case: dict[str, Any]) -> list[str]:
    told = [f"{case['file']}, {case['megapixels']:.1f} MP, {case['runtime']}"]
    for way, each in case["runs"].items():
        seconds = sorted(each["seconds"])
        low, high = (seconds[round(share * (len(seconds) - 1))] for share in (0.1, 0.9))
        compared = f", {case['ratios'][way]:.2f} x LibRaw and Pillow" if way in case["ratios"] else ""
        told.append(
            f"  {way:8} {statistics.median(seconds):6.2f} s (10 to 90 %: {low:.2f} to {high:.2f}), "
            f"{max(each['memory']):4.0f} MB{compared}"
        )
        if each["parts"]:
            medians = (f"{name} {statistics.median(values):.3f}" for name, values in each["parts"].items())
            told.append(f"           {', '.join(medians)} s")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, help="RAW files")
    parser.add_argument("--megapixels", default="", help="sizes of frames that repeat the first file, e.g. 24,45")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--model", help="as invisp-run takes it")
    parser.add_argument("--json", action="store_true", help="print all figures and single times")
    given = parser.parse_args()
    cases = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        made = [folder / f"made_{size}mp.dng" for size in given.megapixels.split(",") if size]
        for path in made:
            size = path.stem.removeprefix("made_").removesuffix("mp")
            run([sys.executable, "-c", MADE, str(given.files[0]), str(path), size], environment)
        for path in (*given.files, *made):
            cases.append(measure(path, folder, given.turns, given.model, environment))
            if not given.json:
                print("\n".join(lines(cases[-1])), flush=True)
    if given.json:
        machine = {"machine": platform.processor() or platform.machine(), "cores": len(os.sched_getaffinity(0))}
        print(json.dumps({**machine, "turns": given.turns, "cases": cases}, indent=2))


if __name__ == "__main__":
    main()
