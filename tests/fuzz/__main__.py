"""`make fuzz`: every target for long, each in a process of its own; a table, and the bytes of whatever broke."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.target import Outcome, Target, fuzz
from tests.fuzz.targets import TARGETS

LIMIT = 30
"""Seconds of one run that count as a hang."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broken", type=Path, default=Path("work/fuzz"), help="folder for inputs that broke something")
    parser.add_argument("--page", type=Path, help="page whose table is written again")
    parser.add_argument("--target", choices=[target.name for target in TARGETS], help="this one alone, all runs")
    words = parser.parse_args()
    if words.target is not None:
        return alone(next(each for each in TARGETS if each.name == words.target), words.runs, words.seed, words.broken)
    total = sum(target.share for target in TARGETS)
    found: dict[str, Outcome] = {}
    broken = 0
    for target in TARGETS:
        runs = -int(-words.runs * target.share // total)
        command = [sys.executable, "-W", "error", "-m", "tests.fuzz", "--target", target.name, "--runs", str(runs)]
        command += ["--seed", str(words.seed), "--broken", str(words.broken)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        try:
            told = json.loads(done.stdout.splitlines()[-1])
        except (ValueError, IndexError):
            print(f"{target.name}: the process ended with {done.returncode}: {done.stderr[-2000:]}", flush=True)
            broken += 1
            continue
        for trace in told.pop("traces"):
            print(f"{target.name}: {trace}", flush=True)
            broken += 1
        found[target.name] = Outcome(**told)
        print(row(target.name, found[target.name]), flush=True)
    lines = table(found)
    print("\n".join(lines))
    if words.page is not None and not broken:
        text = words.page.read_text(encoding="utf-8")
        block = "\n".join(("<!-- begin fuzz -->", *lines, "<!-- end fuzz -->"))
        page = re.sub("<!-- begin fuzz -->.*<!-- end fuzz -->", lambda _: block, text, flags=re.S)
        words.page.write_text(page, encoding="utf-8")
    return 1 if broken else 0


def alone(target: Target, runs: int, seed: int, broken: Path) -> int:
    """Run one target in this process; its outcome is the last line of standard output."""
    broken.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=broken) as folder:
        outcome = fuzz(target, runs, Path(folder), seed=seed, limit=LIMIT)
    for number, (data, _) in enumerate(outcome.broken.values()):
        (broken / f"{target.name.replace(' ', '_')}-{seed}-{number}.bin").write_bytes(data)
    told = {name: value for name, value in vars(outcome).items() if name != "broken"}
    print()
    print(json.dumps({**told, "traces": [trace for _, trace in outcome.broken.values()]}))
    return 0


def row(name: str, outcome: Outcome) -> str:
    slowest = f"{1000 * outcome.slowest:.0f}"
    return f"| {name} | {outcome.runs:,} | {outcome.refused:,} | {slowest} | {outcome.memory:.0f} |"


def table(found: dict[str, Outcome]) -> list[str]:
    whole = Outcome(
        sum(each.runs for each in found.values()),
        sum(each.refused for each in found.values()),
        max(each.slowest for each in found.values()),
        max(each.memory for each in found.values()),
    )
    head = [
        "| target | runs | refused | slowest run, ms | memory that the runs took at most, MB |",
        "|---|---|---|---|---|",
    ]
    return [*head, *(row(name, outcome) for name, outcome in found.items()), row("all", whole)]


if __name__ == "__main__":
    raise SystemExit(main())
