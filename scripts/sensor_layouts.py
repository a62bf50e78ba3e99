"""Write the table of layouts into docs/sensors.md, with the megapixels a second that one core unpacks of each.

    python scripts/sensor_layouts.py docs/sensors.md docs/measured/sensors.json

Measures where the JSON is not there: frames of 4056x3040 pixels, the best of 25 rounds in which all take turns, in time
of the processor: what else the machine does counts little.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from invisp_deploy.device.machine import read_machine
from invisp_deploy.files import write_whole
from invisp_deploy.report.markdown import number, table
from invisp_deploy.sensor.layouts import LAYOUTS, Layout
from invisp_deploy.sensor.unpack import unpack

WIDTH, HEIGHT, ROUNDS = 4056, 3040, 25
NO_WORK = 100_000
"""Megapixels a second from where on nothing can have been done to them."""


def main() -> None:
    page, measured = Path(sys.argv[1]), Path(sys.argv[2])
    if not measured.exists():
        write_whole(measured, json.dumps(measure(), indent=1) + "\n")
    figures = json.loads(measured.read_text(encoding="utf-8"))
    text = page.read_text(encoding="utf-8")
    written = re.sub(
        r"(<!-- begin layouts -->\n).*?(<!-- end layouts -->)",
        lambda found: f"{found[1]}\n{layouts_table(figures['megapixels_per_second'])}\n\n{found[2]}",
        text,
        flags=re.S,
    )
    write_whole(page, written)


def families() -> list[list[Layout]]:
    """Layouts that differ in the pattern of colours alone, in the order of the table."""
    found: dict[tuple[str, str, int], list[Layout]] = {}
    for layout in LAYOUTS.values():
        found.setdefault((layout.source, layout.packing.name, layout.bits), []).append(layout)
    return list(found.values())


def measure() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    best = {family[0].name: float("inf") for family in families()}
    frames = {name: frame(LAYOUTS[name], rng) for name in best}
    for _ in range(ROUNDS):
        for name, data in frames.items():
            started = time.thread_time()
            unpack(data, LAYOUTS[name], WIDTH, HEIGHT)
            best[name] = min(best[name], time.thread_time() - started)
    speed = {name: round(WIDTH * HEIGHT / seconds / 1e6) for name, seconds in best.items()}
    machine = {**read_machine().to_dict(), "numpy": np.__version__}
    return {"width": WIDTH, "height": HEIGHT, "machine": machine, "megapixels_per_second": speed}


def frame(layout: Layout, rng: np.random.Generator) -> bytes:
    """Random bytes; of words, samples that the layout can hold; of PiSP, one word in 16 of the coarsest grid."""
    count = layout.row_bytes(WIDTH) * HEIGHT
    if layout.packing.compressed:
        words = rng.integers(0, 1 << 32, count // 4, np.uint32) & ~np.uint32(3)
        words[::16] |= 3
        return words.tobytes()
    if layout.packing.bytes != 2:
        return rng.integers(0, 256, count, np.uint8).tobytes()
    places = layout.packing.places[0]
    samples = rng.integers(0, layout.white + 1, count // 2, np.uint16)
    return samples.astype(">u2").tobytes() if places[0] > places[-1] else (samples << places[0]).astype("<u2").tobytes()


def layouts_table(speed: dict[str, int]) -> str:
    rows = []
    for family in families():
        first = family[0]
        names = " ".join(f"`{layout.name}`" for layout in family)
        others = " ".join(f"`{name}`" for name in first.names) or "–"
        source = f"[page]({first.source})" if first.source.startswith("http") else first.source
        rows.append(
            (names, others, str(first.bits), first.packing.name, f"{first.row_bytes(1920):,}",
             number(speed[first.name], 0) if speed[first.name] < NO_WORK else "no copy", source)
        )  # fmt: skip
    return table(("`--format`", "the first is also", "bits", "packing", "bytes of 1,920 px", "MP/s", "source"), rows)


if __name__ == "__main__":
    main()
