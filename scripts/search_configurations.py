"""The front of fidelity against work: a dozen configurations, each trained for the same optimiser time.

    python scripts/search_configurations.py DATA OUT [--minutes 10] [--tiles 4]

Trains each configuration that has no run in OUT yet, judges all on the same tiles of the test files, trains the best
three below the limit of `edge` again with another seed, and writes front.json, front.md and front.png into OUT.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.files import write_whole

CANDIDATES = {
    "paper": CONFIGURATIONS["paper"],
    "edge": CONFIGURATIONS["edge"],
    "s1-b8-g8": NetworkConfig(8, 8, 1),
    "s2-b4-g24": NetworkConfig(4, 24, 2),
    "s2-b8-g12": NetworkConfig(8, 12, 2),
    "s2-b8-g24-d3": NetworkConfig(8, 24, 2, depth=3),
    "s2-b6-g16-f3": NetworkConfig(6, 16, 2, first=3),
    "s2-b8-g16-d3": NetworkConfig(8, 16, 2, depth=3),
    "s2-b4-g8": NetworkConfig(4, 8, 2),
    "s2-b6-g12-d3": NetworkConfig(6, 12, 2, depth=3),
    "s4-b4-g32": NetworkConfig(4, 32, 4),
    "s4-b4-g24-d3": NetworkConfig(4, 24, 4, depth=3),
}
"""By squeeze, blocks, growth, depth and first channels; from 0.02 to 1.4 M multiply-accumulates a pixel."""

LIMITS = {"edge": 0.13e6, "nano": 0.03e6}
"""Multiply-accumulates a pixel below which the best is looked for."""

COMMON = ["--patch", "96", "--white", "adjusted", "--white-balance", "min", "--cfa", "RGGB"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--tiles", type=int, default=4)
    arguments = parser.parse_args()
    for name, config in CANDIDATES.items():
        train(arguments, name, config, seed=0)
    rows = judged(arguments, list(CANDIDATES))
    below = [row for row in rows if row["macs"] < LIMITS["edge"]]
    best = sorted(below, key=score, reverse=True)[:3]
    again = [f"{row['name']}-seed1" for row in best]
    for row, name in zip(best, again, strict=True):
        train(arguments, name, CANDIDATES[row["name"]], seed=1)
    rows = judged(arguments, [*CANDIDATES, *again])
    write_whole(arguments.out / "front.json", json.dumps(rows, indent=1) + "\n")
    write_whole(arguments.out / "front.md", table(rows))
    plot(rows, arguments.out / "front.png")
    for name, limit in LIMITS.items():
        row = max((row for row in rows if row["macs"] < limit), key=score)
        print(f"{name}: {row['name']}, {row['rgb']:.2f} dB RGB, {row['raw']:.2f} dB RAW")


def train(arguments: argparse.Namespace, name: str, config: NetworkConfig, seed: int) -> None:
    folder = arguments.out / name
    if (folder / "CARD.md").is_file():
        return
    sizes = [part for key, value in {"depth": 5, **config.to_dict()}.items() for part in (f"--{key}", str(value))]
    command = [sys.executable, "-m", "invisp_deploy.cli.train", str(arguments.data), "-o", str(folder), *COMMON]
    subprocess.run([*command, *sizes, "--minutes", str(arguments.minutes), "--seed", str(seed)], check=True)


def judged(arguments: argparse.Namespace, names: list[str]) -> list[dict[str, Any]]:
    runs = [part for name in names for part in ("--run", f"{name}={arguments.out / name}")]
    command = [sys.executable, "-m", "invisp_deploy.cli.evaluate", "table1", str(arguments.data), *runs]
    out = arguments.out / "judged"
    subprocess.run([*command, "--tiles", str(arguments.tiles), "-o", str(out), "--overwrite"], check=True)
    rows = json.loads((out / "table1.json").read_text())["rows"]
    return [
        {
            "name": row["label"],
            "macs": row["macs_per_pixel"]["forward"],
            "rgb": row["correct"]["rgb-psnr"],
            "raw": row["correct"]["raw-psnr"],
            "raw_paper": row["correct"]["raw-psnr-paper"],
            "seconds": row["optimiser_seconds"],
            "steps": row["notes"]["steps"],
        }
        for row in rows
        if row["kind"] == "invisp"
    ]


def score(row: dict[str, Any]) -> float:
    """Both figures count alike."""
    return float(row["rgb"] + row["raw"])


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| configuration | MAC/px | RGB, dB | RAW, dB | RAW (paper), dB | steps | s |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in sorted(rows, key=lambda row: float(row["macs"])):
        figures = (
            f"{row['rgb']:.2f} | {row['raw']:.2f} | {row['raw_paper']:.2f} | {row['steps']} | {row['seconds']:.0f}"
        )
        lines.append(f"| {row['name']} | {row['macs']:,.0f} | {figures} |")
    return "\n".join(lines) + "\n"


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, (key, label) in zip(figure.subplots(1, 2), (("rgb", "RGB PSNR"), ("raw", "RAW PSNR")), strict=True):
        for row in rows:
            axes.plot(row["macs"], row[key], "o", color="tab:orange" if "seed1" in row["name"] else "tab:blue")
            axes.annotate(row["name"], (row["macs"], row[key]), fontsize=7, xytext=(3, 3), textcoords="offset points")
        axes.set(xscale="log", xlabel="multiply-accumulates a pixel and direction", ylabel=f"{label}, dB")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
