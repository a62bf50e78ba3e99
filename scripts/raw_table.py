"""What comes back of real RAW files by the record alone and by what pictures carry: `raw_table.py PAGE JSON RAW...`.

Measures unless JSON is there, and writes it; then puts the table between `<!-- begin raw -->` and `<!-- end raw -->` of
PAGE. The network's inverse with the same filter behind it (`fitted`) is what a predictor might have been made of.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from invisp_deploy.errors import InvispError
from invisp_deploy.evaluation.roundtrip import Original, round_trip
from invisp_deploy.files import write_whole
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.rendering.model import Model, load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.report.markdown import number, table
from invisp_deploy.sidedata.options import RawBudget

ASKED = {"record": RawBudget(0), "carried": RawBudget(), "archive": RawBudget(max_noise=3)}
EXACT = RawBudget(max_error=0)
FIGURES = ("raw-psnr", "raw-psnr-unclipped", "raw-psnr-clipped")


def main() -> None:
    page, record, raws = Path(sys.argv[1]), Path(sys.argv[2]), [Path(word) for word in sys.argv[3:]]
    if not record.is_file():
        write_whole(record, json.dumps(measured(raws), indent=1) + "\n")
    text = page_of(json.loads(record.read_text(encoding="utf-8")))
    pattern = re.compile(r"(<!-- begin raw -->\n).*?(<!-- end raw -->)", re.S)
    filled, count = pattern.subn(lambda found: f"{found[1]}\n{text}\n{found[2]}", page.read_text(encoding="utf-8"))
    if count != 1:
        sys.exit(f"The page has {count} places for the table, expected one.")
    write_whole(page, filled)


def measured(raws: list[Path]) -> list[dict[str, Any]]:
    rows = []
    with load() as model:
        for path in raws:
            try:
                rows.append(measured_file(path, model))
            except InvispError as error:
                print(error, file=sys.stderr)
    return rows


def measured_file(path: Path, model: Model) -> dict[str, Any]:
    """Of each that is asked for: bytes of the file, bytes that it carries, figures. Raises InvispError."""
    original = Original(path)
    row: dict[str, Any] = {"file": path.name, "camera": original.frame.camera, "bytes": path.stat().st_size}
    for name, budget in ASKED.items():
        try:
            row[name] = _tried(original, model, budget)
        except InvispError as error:
            if name != "archive":  # whose bound takes a noise that can be measured
                raise
            row[name] = {"why": str(error), "figures": {}}
    row["lossless"] = _tried(original, model, EXACT)
    if row["lossless"]["figures"]["raw-psnr"] is not None:
        sys.exit(f"{path} did not come back exactly.")
    return row


def _tried(original: Original, model: Model, budget: RawBudget) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        jpeg = Path(folder) / "a.jpg"
        options = RunOptions(raw_budget=budget)
        trip = round_trip(original, jpeg, Path(folder) / "a.dng", model, options)
        picture = read_picture(jpeg)
        layers = {name: len(data) for name, data in picture.layers.items() if name != "negative"}
        if picture.gain_map is not None:
            layers["gain map"] = len(picture.gain_map.image)
        figures = {name: trip.metrics[name] for name in FIGURES}
        return {"bytes": jpeg.stat().st_size, "layers": layers, "figures": figures}


def page_of(rows: list[dict[str, Any]]) -> str:
    head = (
        "file",
        "RAW",
        "where it does not clip",
        "where it clips",
        "carries, kB",
        "`--archive`",
        "kB",
        "`--lossless`",
    )
    lines = []
    for row in rows:
        record, carried, archive = (row[name] for name in ASKED)
        pairs = [f"{number(record['figures'][key], 1)} → {number(carried['figures'][key], 1)}" for key in FIGURES]
        size = sum(carried["layers"].values()) / 1000
        lines.append(
            (
                f"`{row['file']}`",
                *pairs,
                f"{size:.1f}",
                number(archive["figures"].get("raw-psnr"), 1),
                f"{archive['layers'].get('residual', 0) / 1000:.0f}" if "layers" in archive else "–",
                f"{row['lossless']['bytes'] / row['bytes']:.0%}",
            )
        )
    means = []
    for key in FIGURES:
        both = [[row[name]["figures"][key] for row in rows] for name in ("record", "carried")]
        kept = [[value for value in values if value is not None] for values in both]
        means.append(" → ".join(number(sum(values) / len(values), 1) for values in kept))
    lines.append(("**mean**", *means, "", "", "", ""))
    return table(head, lines)


if __name__ == "__main__":
    main()
