"""The front of fidelity against work, from the closed form to 30,000 multiply-accumulates a pixel.

    python scripts/search_configurations.py DATA OUT [--minutes 10]

Each is trained twice, with two seeds, for the same optimiser time, two at a time (scripts/pairs.py), and judged as it
ends, on the same tiles. What stands in OUT is kept. Writes front.json into OUT, which scripts/front.py draws.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from front import smallest_of_the_best
from pairs import COMMON, TRAIN, asked, at_once, python, step_times, steps_within, trained

from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.files import write_whole

CANDIDATES = {
    "s2-b1-w4-chain": NetworkConfig(1, 4, 2, depth=3, kind="chain"),
    "s2-b1-w8-chain": NetworkConfig(1, 8, 2, depth=3, kind="chain"),
    "s2-b2-w8-chain": NetworkConfig(2, 8, 2, depth=3, kind="chain"),
    "s2-b2-w16-chain": NetworkConfig(2, 16, 2, depth=3, kind="chain"),
    "s2-b4-w8-chain": NetworkConfig(4, 8, 2, depth=3, kind="chain"),
    "s2-b4-w16-chain": NetworkConfig(4, 16, 2, depth=3, kind="chain"),
    "s2-b4-w32-chain": NetworkConfig(4, 32, 2, depth=3, kind="chain"),
    "s2-b8-w32-chain": NetworkConfig(8, 32, 2, depth=3, kind="chain"),
    "s2-b2-g8-d3": NetworkConfig(2, 8, 2, depth=3),
    "s2-b4-g8-d3": NetworkConfig(4, 8, 2, depth=3),
}
"""By squeeze, blocks, growth (w in a chain), depth where it is not 5 (3 in a chain)."""

SEEDS = (0, 1)

TILES = ["--tiles", "2", "--tile", "256"]


def main() -> None:
    arguments = asked(__doc__)
    data, out = arguments.data, arguments.out
    times = step_times({name: training(data, config) for name, config in CANDIDATES.items()}, out)
    steps = steps_within(arguments.minutes, times)
    rows: list[dict[str, Any]] = []
    for seed in SEEDS:
        rows += at_once(partial(row, data, out, seed, steps, times), list(CANDIDATES))
    rows.insert(0, closed_form(out))
    write_whole(out / "front.json", json.dumps(rows, indent=1) + "\n")
    found = smallest_of_the_best(rows)
    print(f"{found['name']}, {found['macs']:,.0f} MAC/px: {found['rgb']:.2f} dB RGB, {found['raw']:.2f} dB RAW")


def training(data: Path, config: NetworkConfig) -> list[str]:
    """The command without the output folder."""
    sizes = [part for name, value in asdict(config).items() if value for part in (f"--{name}", str(value))]
    return [*TRAIN, str(data), *COMMON, *sizes]


def row(
    data: Path, out: Path, seed: int, steps: Mapping[str, int], times: Mapping[str, float], name: str
) -> dict[str, Any]:
    """Train and judge unless that has been done; the figures of the run."""
    config, label = CANDIDATES[name], f"{name}-seed{seed}"
    run, judged = out / label, out / f"{label}-judged"
    trained(training(data, config), run, steps[name], seed)
    if not (judged / "table1.json").is_file():
        table1 = ["-m", "invisp_deploy", "research", "table1", str(data), "--run", f"{label}={run}"]
        python([*table1, *TILES, "-o", str(judged)], out / f"{label}.log")
    figures = judged_row(judged, "label", label)
    made = {"steps": steps[name], "seconds_per_step": times[name]}
    return figures | {"name": name, "seed": seed, "macs": config.macs_per_pixel} | made


def closed_form(out: Path) -> dict[str, Any]:
    """Its figures, which stand in every table: those beside the first candidate."""
    figures = judged_row(out / f"{next(iter(CANDIDATES))}-seed{SEEDS[0]}-judged", "kind", "closed-form")
    macs = CONFIGURATIONS["closed-form"].macs_per_pixel
    return figures | {"name": "closed-form", "seed": 0, "macs": macs, "steps": 0, "seconds_per_step": 0.0}


def judged_row(folder: Path, key: str, value: str) -> dict[str, float]:
    rows = json.loads((folder / "table1.json").read_text())["rows"]
    correct = next(row["correct"] for row in rows if row[key] == value)
    return {"rgb": correct["rgb-psnr"], "raw": correct["raw-psnr"], "raw_paper": correct["raw-psnr-paper"]}


if __name__ == "__main__":
    main()
