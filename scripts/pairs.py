"""Trainings two at a time, one core each, with equal optimiser time: what the scripts of the experiments share.

A training on two cores is less than twice as fast as one on one core, so pairs come further. The number of steps is
the time over what a step takes; all steps are timed beforehand, in turns and in pairs, so that work beside a training
changes how long it takes and not how far it comes.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from invisp_deploy.files import write_whole

COMMON = ["--patch", "96"]
"""What every training of the experiments has in common: crops; the contract is the default, for any camera."""

TRAIN = ["-m", "invisp_deploy", "train"]

Result = TypeVar("Result")


def at_once(work: Callable[[str], Result], names: Sequence[str]) -> list[Result]:
    """Two at a time, results in the order of the names."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, names))


def python(arguments: Sequence[str], log: Path) -> None:
    """Run on one core; what it prints goes to the log."""
    with log.open("a") as stream:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, *arguments], check=True, stdout=stream, stderr=stream, env=environment)


def asked(description: str | None) -> argparse.Namespace:
    """`data`, `out` (made) and `minutes` of a script's command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    return arguments


def step_times(trainings: Mapping[str, Sequence[str]], out: Path) -> dict[str, float]:
    """Seconds of a step by training: mean of two measurements beside each other, kept in OUT/step_times.json.

    trainings: command of each, `python` left out, without output folder and without steps.
    """
    path = out / "step_times.json"
    known: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}
    missing = [name for name in trainings if name not in known]

    def turn(label: str) -> list[float]:
        return [_step_time(trainings[name], out / f"times-{label}" / name) for name in missing]

    first, second = at_once(turn, ["a", "b"])
    known |= {name: (one + two) / 2 for name, one, two in zip(missing, first, second, strict=True)}
    write_whole(path, json.dumps(known, indent=1) + "\n")
    return known


def steps_within(minutes: float, times: Mapping[str, float]) -> dict[str, int]:
    """Steps of each training that take so long."""
    return {name: max(1, round(minutes * 60 / seconds)) for name, seconds in times.items()}


def trained(training: Sequence[str], folder: Path, steps: int, seed: int = 0) -> None:
    """Run a training to its end unless the folder holds one that ended."""
    if not (folder / "CARD.md").is_file():
        options = ["--steps", str(steps), "--seed", str(seed), "--sample-every", str(max(1, steps // 10))]
        python([*training, "-o", str(folder), *options], folder.parent / f"{folder.name}.log")


def _step_time(training: Sequence[str], folder: Path) -> float:
    folder.mkdir(parents=True)
    python([*training, "-o", str(folder / "run"), "--minutes", "0.01"], folder / "log")
    found = re.search(r"([0-9.e-]+) s a step", (folder / "log").read_text())
    if found is None:
        sys.exit(f"{folder / 'log'} has no time of a step.")
    return float(found[1])
