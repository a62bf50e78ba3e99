"""How long the page takes beside Python on this machine: `time_page.py PAGE JSON RAW...`.

Measures unless JSON is there, and writes it; then puts the table between `<!-- begin times -->` and
`<!-- end times -->` of PAGE. Both render to a JPEG and take it back, in turns, everything opened before; the least of
the turns counts. The page is that of `make web`, in Chromium without a screen.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from check_page import drive  # beside this script

from invisp_deploy.files import write_whole
from invisp_deploy.rendering.model import Model, load
from invisp_deploy.report.markdown import number, table

TURNS = 2
STEPS = {
    "reading": ("Reading the RAW file", "Opening the model"),
    "graph": ("Rendering",),
    "rest": ("Looking for highlights", "Encoding", "Fitting the way back"),
}


def main() -> None:
    page, record, raws = Path(sys.argv[1]), Path(sys.argv[2]), [Path(word).absolute() for word in sys.argv[3:]]
    if not record.is_file():
        write_whole(record, json.dumps(measured(raws), indent=1) + "\n")
    text = page_of(json.loads(record.read_text(encoding="utf-8")))
    pattern = re.compile(r"(<!-- begin times -->\n).*?(<!-- end times -->)", re.S)
    filled, count = pattern.subn(lambda found: f"{found[1]}\n{text}\n{found[2]}", page.read_text(encoding="utf-8"))
    if count != 1:
        sys.exit(f"The page has {count} places for the table, expected one.")
    write_whole(page, filled)


def measured(raws: list[Path]) -> dict[str, Any]:
    turns: list[dict[str, Any]] = []
    with load() as model, TemporaryDirectory() as folder:
        for _ in range(TURNS):
            steps: dict[str, dict[str, Any]] = {"open": {"do": "open"}}
            for path in raws:  # twice, for the first compiles WebAssembly
                steps[f"{path.name} cold"] = steps[path.name] = {"do": "time", "file": path, "look": "universal"}
            found = drive(steps)
            turns.append({path.name: (found[path.name], in_python(path, model, Path(folder))) for path in raws})
    rows = []
    for path in raws:
        pages, pythons = zip(*(turn[path.name] for turn in turns), strict=True)
        best = min(pages, key=lambda each: each["there"])
        rows.append(
            {
                "file": path.name,
                "pixels": best["pixels"],
                "there": best["there"],
                "back": min(each["back"] for each in pages),
                **{name: sum(best["parts"].get(step, 0) for step in taken) for name, taken in STEPS.items()},
                "python_there": min(there for there, _ in pythons),
                "python_back": min(back for _, back in pythons),
                "peak": max(each["peak"] for each in pages),
            }
        )
    return {"cores": os.cpu_count(), "files": rows}


def in_python(path: Path, model: Model, folder: Path) -> tuple[float, float]:
    """Seconds there and back, files and all."""
    times = [time.perf_counter()]
    model.render(path).save(folder / "there.jpg")
    times.append(time.perf_counter())
    model.recover(folder / "there.jpg").save(folder / "back.dng")
    times.append(time.perf_counter())
    return times[1] - times[0], times[2] - times[1]


def page_of(found: dict[str, Any]) -> str:
    parts = ["there", *STEPS, "python_there", "back", "python_back"]
    head = ["file", "MP", "page", *(f"of it {name}" for name in STEPS), "Python", "back, page", "Python", "peak, MB"]
    rows = []
    for row in found["files"]:
        megapixels = row["pixels"] / 1e6
        shares = [number(row[name] / megapixels, 2) for name in parts]
        rows.append([f"`{row['file']}`", number(megapixels, 1), *shares, number(row["peak"], 0)])
    return f"Seconds a megapixel on {found['cores']} cores:\n\n{table(head, rows)}\n"


if __name__ == "__main__":
    main()
