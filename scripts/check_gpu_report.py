"""What scripts/check_gpu.sh measured in FOLDER, as report.json and a table. Exits with 1 if a step failed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from invisp_deploy.files import write_whole
from invisp_deploy.report.markdown import table

HEAD = ("run", "forward dB", "inverse dB", "round trip dB", "forward ms", "inverse ms", "size")


def main(folder: Path) -> int:
    taken = [line.split("\t", 3) for line in (folder / "steps.tsv").read_text(encoding="utf-8").splitlines()]
    steps = [
        {"status": status, "step": step, "seconds": int(seconds), "remark": remark}
        for status, step, seconds, remark in taken
    ]
    measured = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    measured.pop("report", None)
    measured.pop("scales", None)
    write_whole(folder / "report.json", json.dumps({"steps": steps, "measured": measured}, indent=2) + "\n")
    if rows := _rows(measured):
        print(table(HEAD, rows), end="\n\n")
    count = {status: sum(step["status"] == status for step in steps) for status in ("passed", "FAILED", "missing")}
    print(
        f"{count['passed']} steps passed, {count['FAILED']} failed, {count['missing']} are missing; "
        f"send {folder / 'report.json'} back"
    )
    return 1 if count["FAILED"] else 0


def _rows(measured: dict[str, Any]) -> list[list[str]]:
    """What ran, dB and latency of both ways; milliseconds, p50 and p90, copies included."""
    rows = []
    for name, data in measured.items():
        if "latency_ms" not in data:
            continue
        figures = {figure["name"]: figure["value"] for figure in data.get("figures", [])}
        cells = [_decibel(figures.get(f"{way} PSNR")) for way in ("forward", "inverse", "round trip")]
        for way in ("forward", "inverse"):
            found = [one for one in data["latency_ms"] if one["direction"] == way]
            cells.append(f"{found[0]['p50']:.2f} / {found[0]['p90']:.2f}" if found else "")
        sizes = sorted({"x".join(map(str, one["shape"][2:])) for one in data["latency_ms"]})
        rows.append([name, *cells, ", ".join(sizes)])
    return rows


def _decibel(value: Any) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value or "")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
