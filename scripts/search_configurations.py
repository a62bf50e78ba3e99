"""The front of fidelity against work: a dozen configurations, each trained for the same optimiser time.

    python scripts/search_configurations.py DATA OUT [--minutes 10]

Trainings run two at a time (scripts/pairs.py). Each is judged as it ends, on the same tiles; the best three below the
limit of `edge` are trained again with another seed. What stands in OUT is kept. Writes front.json into OUT, the closed
form first, which scripts/front.py draws.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from front import LIMITS, score
from pairs import COMMON, TRAIN, asked, at_once, python, step_times, steps_within, trained

from invisp_deploy.config import NetworkConfig
from invisp_deploy.files import write_whole

CANDIDATES = {
    "s2-b8-g16": NetworkConfig(8, 16, 2),
    "s2-b4-g8": NetworkConfig(4, 8, 2),
    "s2-b8-w96-chain": NetworkConfig(8, 96, 2, depth=3, kind="chain"),
    "s2-b8-w32-chain": NetworkConfig(8, 32, 2, depth=3, kind="chain"),
    "s2-b8-g32-d3": NetworkConfig(8, 32, 2, depth=3),
    "s2-b8-g8-d3": NetworkConfig(8, 8, 2, depth=3),
    "s2-b8-w64-chain": NetworkConfig(8, 64, 2, depth=3, kind="chain"),
    "s2-b16-w32-chain": NetworkConfig(16, 32, 2, depth=3, kind="chain"),
    "s4-b4-g32": NetworkConfig(4, 32, 4),
    "s2-b4-g24": NetworkConfig(4, 24, 2),
    "s2-b8-g16-f3": NetworkConfig(8, 16, 2, first=3),
    "s1-b8-g32": NetworkConfig(8, 32, 1),
}
"""By squeeze, blocks, growth (w in a chain), depth where it is not 5 (3 in a chain), first channels where not half."""

TILES = ["--tiles", "2", "--tile", "256"]


def main() -> None:
    arguments = asked(__doc__)
    data, out = arguments.data, arguments.out
    times = step_times({name: training(data, config) for name, config in CANDIDATES.items()}, out)
    steps = steps_within(arguments.minutes, times)
    rows = at_once(lambda name: row(data, out, name, 0, steps[name], times[name]), list(CANDIDATES))
    best = sorted((row for row in rows if row["macs"] < LIMITS["edge"]), key=score, reverse=True)[:3]
    rows += at_once(lambda name: row(data, out, name, 1, steps[name], times[name]), [row["name"] for row in best])
    known = figures(judged(out, label(rows[0]["name"], 0)), "closed form")
    closed = {"name": "closed-form", "seed": 0, "macs": 0.0, **known, "steps": 0, "seconds_per_step": 0.0}
    write_whole(out / "front.json", json.dumps([closed, *rows], indent=1) + "\n")
    for name, limit in LIMITS.items():
        found = max((row for row in rows if row["macs"] < limit), key=score)
        print(f"{name}: {found['name']}, {found['rgb']:.2f} dB RGB, {found['raw']:.2f} dB RAW")


def training(data: Path, config: NetworkConfig) -> list[str]:
    """The command without the output folder."""
    sizes = [part for name, value in asdict(config).items() if value for part in (f"--{name}", str(value))]
    return [*TRAIN, str(data), *COMMON, *sizes]


def row(data: Path, out: Path, name: str, seed: int, steps: int, seconds: float) -> dict[str, Any]:
    """Train and judge unless that has been done; the figures of the run."""
    config, one = CANDIDATES[name], label(name, seed)
    trained(training(data, config), out / one, steps, seed)
    table = judged(out, one)
    if not table.is_file():
        table1 = ["-m", "invisp_deploy", "research", "table1", str(data), "--run", f"{one}={out / one}"]
        python([*table1, *TILES, "-o", str(table.parent)], out / f"{one}.log")
    return {
        "name": name,
        "seed": seed,
        "macs": config.macs_per_pixel,
        **figures(table, one),
        "steps": steps,
        "seconds_per_step": seconds,
    }


def label(name: str, seed: int) -> str:
    return f"{name}-seed{seed}"


def judged(out: Path, one: str) -> Path:
    return out / f"{one}-judged" / "table1.json"


def figures(table: Path, one: str) -> dict[str, float]:
    """What the picture shows of a row of a table."""
    correct = next(row["correct"] for row in json.loads(table.read_text())["rows"] if row["label"] == one)
    return {"rgb": correct["rgb-psnr"], "raw": correct["raw-psnr"], "raw_paper": correct["raw-psnr-paper"]}


if __name__ == "__main__":
    main()
