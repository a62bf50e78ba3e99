"""A short `make torture`: a few kills, two writers, full disks, folders that are read-only."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_a_few_kills_and_small_disks_leave_nothing_half_written() -> None:
    words = ["--kills", "10", "--commands", "run,stream,prepare", "--short"]
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "torture.py", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WRONG" not in done.stdout
    rows = [
        line.strip("|").split("|") for line in done.stdout.splitlines() if re.match(r"\| (run|stream|prepare)", line)
    ]
    assert sum(int(row[1]) for row in rows) == 10
    assert sum(int(row[2]) for row in rows) > 0, "they were killed while they ran"
    assert re.search(r"full \| run, TIFF \| (\d+) \| ([1-9]\d*) \| \2 \| 0 \| \1 \|", done.stdout) or (
        "the system lets nobody mount here" in done.stdout
    )
