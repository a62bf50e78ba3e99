"""What the stages of a stream take by the size of a frame, and what that means elsewhere: `stream_rates.py PAGE JSON`.

Measures unless JSON is there, and writes it; then puts two tables between `<!-- begin NAME -->` and `<!-- end NAME -->`
of PAGE. `rates`: 12 bits packed to pictures or bare frames by `universal`, in processor time of one thread, least of
several, so that what else runs here hardly counts. `elsewhere`: an estimate for boards that were not at hand, by
arithmetic from what devices publish and from bytes and multiply-accumulates of docs/deployment.md.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from invisp_deploy.device.machine import read_machine
from invisp_deploy.files import write_whole
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.steps import Array
from invisp_deploy.rendering.model import load
from invisp_deploy.rendering.options import Explicit, RunOptions
from invisp_deploy.report.markdown import number, table
from invisp_deploy.sensor.layouts import layout_named
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.streaming.output import open_output, parse_output
from invisp_deploy.streaming.pipe_format import PipeFormat
from invisp_deploy.streaming.pipeline import Frame
from invisp_deploy.streaming.work import work_for

ROOT: Final = Path(__file__).parent.parent
SAMPLE: Final = ROOT / "samples" / "canon_eos30d_IMG_0848.CR2"
SIZES: Final = ((640, 480), (1280, 720), (1920, 1080), (3840, 2160))
ROUNDS: Final = 5

CARRYING, JPEG, NV12 = "JPEG, with its way back", "JPEG, record alone", "NV12"
OUTPUTS: Final[dict[str, RunOptions]] = {
    CARRYING: RunOptions(overwrite=True),
    JPEG: RunOptions(overwrite=True, raw_budget=RawBudget(0)),
    NV12: RunOptions(raw_budget=RawBudget(0)),
}

PI = "Raspberry Pi 5, 4 Cortex-A76"
PI_MACS: Final = 4 * 2.4e9 * 8
"""A second: four cores of 2.4 GHz with two pipes of four fp32 each (Arm's Cortex-A76 optimisation guide)."""
BYTES: Final = {
    PI: 4.267e9 * 4,  # LPDDR4X-4267, 32 bits wide
    "Jetson Orin Nano 8 GB (Super)": 102e9,
    "Jetson Orin NX 16 GB": 102.4e9,
    "Jetson AGX Orin 64 GB": 204.8e9,
}
"""Of memory a second, as Raspberry Pi and NVIDIA publish them."""


def main() -> None:
    page, record = Path(sys.argv[1]), Path(sys.argv[2])
    if not record.is_file():
        write_whole(record, json.dumps(measured(), indent=1) + "\n")
    facts = json.loads(record.read_text(encoding="utf-8"))
    text = page.read_text(encoding="utf-8")
    for name, rows in (("rates", rates_table(facts["sizes"])), ("elsewhere", elsewhere_table(facts))):
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.S)
        text = pattern.sub(lambda found, rows=rows: f"{found[1]}\n{rows}\n\n{found[2]}", text)  # type: ignore[misc]
    write_whole(page, text)


def measured() -> dict[str, Any]:
    sizes = {f"{width}x{height}": stages(width, height) for width, height in SIZES}
    return {"sizes": sizes, "matmul_macs": matmul_macs(), "machine": read_machine().to_dict()}


def stages(width: int, height: int) -> dict[str, float]:
    """Milliseconds: decode, infer, and an encode for each output."""
    frame = read_raw(SAMPLE)
    rows, columns = (
        np.arange(height) % 2300,
        np.arange(width) % 3500,
    )  # 4K is larger than the sample, whose tiles repeat
    samples = np.minimum(frame.mosaic[rows][:, columns], 4095)
    given = Explicit(black=frame.black[0], white=4095, white_balance=frame.gains, color_matrix=frame.color_matrix)
    pipe = PipeFormat(width, height, layout_named("pRCC"), given)
    data = packed(samples)
    found: dict[str, float] = {}
    with load("universal", threads=1) as model, tempfile.TemporaryDirectory() as folder:
        runtime = model.runtime(Direction.FORWARD, 8)
        for name, options in OUTPUTS.items():
            output = parse_output("-" if name == NV12 else folder, "nv12" if name == NV12 else None)
            with silenced(), open_output(output, print) as sink_for:
                work = work_for(runtime, sink_for(Direction.FORWARD, options), options, pipe)
                for _ in range(ROUNDS):
                    one = Frame("frame", "frame", bytearray(data))
                    for stage in ("decode", "infer", "encode"):
                        called: Callable[[Frame], Any] = getattr(work, stage)
                        begun = time.process_time()
                        one.load = called(one)
                        spent = 1000 * (time.process_time() - begun)
                        key = f"encode {name}" if stage == "encode" else f"infer {name}" if stage == "infer" else stage
                        found[key] = min(found.get(key, spent), spent)
    return {key: round(value, 2) for key, value in found.items()}


class silenced:  # noqa: N801
    """Standard output is the null device: bare frames go nowhere."""

    def __enter__(self) -> None:
        sys.stdout.flush()
        self.kept = os.dup(1)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)

    def __exit__(self, *error: object) -> None:
        os.dup2(self.kept, 1)
        os.close(self.kept)


def packed(samples: Array) -> bytes:
    """(H, W) of 12 bits as MIPI CSI-2 packs them: two pixels' high bytes, then their low halves."""
    pairs = samples.reshape(len(samples), -1, 2)
    low = pairs[..., 0] & 15 | (pairs[..., 1] & 15) << 4
    return np.stack([pairs[..., 0] >> 4, pairs[..., 1] >> 4, low], axis=-1).astype(np.uint8).tobytes()


def matmul_macs() -> float:
    """Multiply-accumulates a second of NumPy's matrix product in fp32 on one thread, which few programs exceed."""
    edge = 1024
    one = np.ones((edge, edge), np.float32)
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        one @ one
        best = min(best, time.process_time() - begun)
    return round(edge**3 / best, -6)


def rates_table(sizes: dict[str, dict[str, float]]) -> str:
    head = ["frame", "decode", *(f"infer and encode to {name}" for name in OUTPUTS)]
    head += [f"frames/s, {name}" for name in OUTPUTS]
    rows = []
    for size, found in sizes.items():
        row = [size, number(found["decode"], 1)]
        row += [f"{found[f'infer {name}']:,.0f} + {found[f'encode {name}']:,.0f}" for name in OUTPUTS]
        row += [number(1000 / slowest(found, name), 1) for name in OUTPUTS]
        rows.append(row)
    return table(head, rows)


def slowest(found: dict[str, float], name: str) -> float:
    return max(found["decode"], found[f"infer {name}"], found[f"encode {name}"])


def elsewhere_table(facts: dict[str, Any]) -> str:
    """Frames a second of the graph alone."""
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    costs = re.findall(r"\| `universal` \| (\w+) \| forward \| \*\*(\d+)\*\* \|[^|]*\|[^|]*\|[^|]*\| (\d+) \|", page)
    cost = {precision: (int(moved), int(macs)) for precision, moved, macs in costs}
    measured_size = f"{SIZES[2][0]}x{SIZES[2][1]}"
    pixels = SIZES[2][0] * SIZES[2][1]
    seconds = facts["sizes"][measured_size][f"infer {NV12}"] / 1000
    share = cost["fp32"][1] * pixels / seconds / facts["matmul_macs"]
    rows = []
    for board, rate in BYTES.items():
        precision = "fp32" if board == PI else "fp16"
        moved, macs = cost[precision]
        row = [board, precision, f"{moved} B", f"{rate / 1e9:.1f} GB/s"]
        for width, height in SIZES[2:]:
            by_bytes = rate / (moved * width * height)
            by_work = PI_MACS * share / (macs * width * height) if board == PI else by_bytes
            row.append(f"{min(by_bytes, by_work):,.0f}" + (f" (bytes alone: {by_bytes:,.0f})" if board == PI else ""))
        rows.append(row)
    return table(["board", "precision", "a pixel moves", "memory", "1080p, frames/s", "4K, frames/s"], rows)


if __name__ == "__main__":
    main()
