"""What computes the shipped graphs fastest on a CPU: `cpu_runtimes.py PAGE JSON RAW...`.

Measures both tables unless JSON is there, and writes it; then puts them between `<!-- begin NAME -->` and
`<!-- end NAME -->` of PAGE. `runtimes`: whole graphs, from a mosaic to a picture and back, and what else than fp32
costs on the RAW files. `peers`: the network alone, beside the same weights in PyTorch.

One thread each, by the CPU time of this process, so that what else runs here hardly counts; all cases of a table
take turns as those of `invisp bench` do.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from invisp_deploy.benchmark.cases import Candidate, Case, cases_of
from invisp_deploy.benchmark.machine import describe
from invisp_deploy.benchmark.peers import PYTORCH, side_by_side
from invisp_deploy.benchmark.timing import Contender, Turn, Until, paired_ratio, take_turns, warm_up
from invisp_deploy.evaluation.files import measure_files
from invisp_deploy.files import write_whole
from invisp_deploy.graph_card import Direction
from invisp_deploy.models import shipped_folder
from invisp_deploy.rendering.model import Model
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.report.markdown import number, table
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.openvino_ import OpenVinoRuntime

EDGE: Final = 512
"""Of the tile, pixels."""

ROUNDS: Final = Until(runs=20)

SHIPPED: Final = shipped_folder("universal")

METRICS: Final = {"RGB": "rgb-psnr", "RAW unclipped": "raw-psnr-unclipped"}


class Bfloat16(OpenVinoRuntime):
    """No choice of the product: all of a graph is computed in it, the picture's own way through it, too."""

    precision = "bf16"


def main() -> None:
    page, record, raws = Path(sys.argv[1]), Path(sys.argv[2]), [Path(word) for word in sys.argv[3:]]
    if not record.is_file():
        write_whole(record, json.dumps(measured(raws), indent=1) + "\n")
    facts = json.loads(record.read_text(encoding="utf-8"))
    text = page.read_text(encoding="utf-8")
    for name, rows in (("runtimes", runtimes_table(facts["runtimes"])), ("peers", peers_table(facts["peers"]))):
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.S)
        text, count = pattern.subn(lambda found, rows=rows: f"{found[1]}\n{rows}\n\n{found[2]}", text)
        if count != 1:
            sys.exit(f"The page has {count} places for {name}, expected one.")
    write_whole(page, text)


def measured(raws: Sequence[Path]) -> dict[str, Any]:
    with TemporaryDirectory() as name:
        whole, alone = Path(name) / "int8", Path(name) / "float"
        export(whole, "--precision", "int8", "--scales", str(SHIPPED / "scales.json"))
        export(alone, "--io", "tensor")
        return {**describe(threads=1), "runtimes": runtimes(whole, raws), "peers": peers(alone)}


def export(folder: Path, *options: str) -> None:
    command = [sys.executable, "-m", "invisp_deploy", "export", "onnx", "-o", str(folder), *options]
    subprocess.run([*command, "--checkpoint", str(SHIPPED / "weights.safetensors")], check=True)


def runtimes(int8: Path, raws: Sequence[Path]) -> list[dict[str, Any]]:
    """The first is what the others are compared with."""
    opened: dict[str, list[Runtime]] = {
        label: [opener(folder / f"{way.value}.onnx", threads=1) for way in Direction]
        for label, opener, folder in (
            ("ONNX Runtime", OnnxRuntime, SHIPPED),
            ("ONNX Runtime, int8", OnnxRuntime, int8),
            ("OpenVINO", OpenVinoRuntime, SHIPPED),
            ("OpenVINO, bf16", Bfloat16, SHIPPED),
            ("OpenVINO, int8", OpenVinoRuntime, int8),
            ("closed form, ONNX Runtime", OnnxRuntime, shipped_folder("closed-form")),
        )
    }
    rows: list[dict[str, Any]] = [{"label": label} for label in opened]
    for place, way in enumerate(Direction):
        pairs = [(label, found[place]) for label, found in opened.items()]
        cases = [one for label, runtime in pairs for one in cases_of([Candidate(SHIPPED, label)], [runtime], [EDGE], 1)]
        for row, figures in zip(rows, in_turns(cases, base=0), strict=True):
            row[way.value] = figures
    base = Model.of("fp32", *opened["ONNX Runtime"])
    for row in rows[1:-1]:
        facts = measure_files(raws, Model.of(row["label"], *opened[row["label"]]), base, RunOptions())
        row["loss"] = {label: [one["gain"][metric] for one in facts["files"]] for label, metric in METRICS.items()}
    return rows


def peers(folder: Path) -> list[dict[str, Any]]:
    """Both directions; the base of a direction is whichever PyTorch is fastest."""
    rows: list[dict[str, Any]] = []
    for way in Direction:
        path = folder / f"{way.value}.onnx"
        own = [OnnxRuntime(path, threads=1), OpenVinoRuntime(path, threads=1)]
        cases = cases_of([Candidate(path)] * 2, own, [EDGE], 1)
        with TemporaryDirectory() as naive:
            found = side_by_side(cases, SHIPPED / "weights.safetensors", "cpu", 1, Path(naive))
            if found.failed:
                sys.exit(f"{found.failed[0].key}: {found.failed[0].why}")
            figures = in_turns(found.cases, among=PYTORCH)
        rows += [
            {"label": case.key.runtime, "direction": way.value, **one}
            for case, one in zip(found.cases, figures, strict=True)
        ]
    return rows


def in_turns(
    cases: Sequence[Case], base: int | None = None, among: frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    """Of each case: p50 in ms of CPU time, megapixels a second, and how many times as fast as the base.

    base: its place; None for the one of `among` with the least p50.
    """
    clock = time.process_time
    contenders = [Contender(case.run) for case in cases]
    expected = [warm_up(one.call, clock).median for one in contenders]
    turns = take_turns(contenders, expected, ROUNDS, clock)
    medians = [median(one) for one in turns]
    if base is None:
        base = min((i for i, case in enumerate(cases) if case.key.runtime in among), key=medians.__getitem__)
    return [
        {"p50_ms": 1e3 * middle, "megapixels": case.megapixels / middle, "ratio": paired_ratio(turns[base], one)}
        for case, one, middle in zip(cases, turns, medians, strict=True)
    ]


def median(turns: Sequence[Turn]) -> float:
    seconds = sorted(second for turn in turns for second in turn.seconds)
    return seconds[len(seconds) // 2]


def runtimes_table(rows: list[dict[str, Any]]) -> str:
    head = ("", *(f"{way.value}, MP/s" for way in Direction), *(f"{way.value}, times" for way in Direction), *METRICS)
    lines = []
    for row in rows:
        sides = [row[way.value] for way in Direction]
        rates = [number(side["megapixels"], 1) for side in sides]
        ratios = ["1" if row is rows[0] else times(side["ratio"]) for side in sides]
        losses = [spread(row["loss"][label]) if "loss" in row else "–" for label in METRICS]
        lines.append((row["label"], *rates, *ratios, *losses))
    return table(head, lines)


def peers_table(rows: list[dict[str, Any]]) -> str:
    labels = sorted({row["label"] for row in rows}, key=lambda label: -of(rows, label, Direction.FORWARD)["megapixels"])
    head = ("", *(f"{way.value}, MP/s" for way in Direction), *(f"{way.value}, times" for way in Direction))
    lines = []
    for label in labels:
        sides = [of(rows, label, way) for way in Direction]
        rates = [number(side["megapixels"], 1) for side in sides]
        lines.append((label, *rates, *(times(side["ratio"]) for side in sides)))
    return table(head, lines)


def of(rows: Sequence[dict[str, Any]], label: str, way: Direction) -> dict[str, Any]:
    return next(row for row in rows if (row["label"], row["direction"]) == (label, way.value))


def times(ratio: dict[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['p10']:.2f} to {ratio['p90']:.2f})"


def spread(differences: Sequence[float]) -> str:
    """The least and the largest of the files."""
    low, high = (f"{round(value, 2) + 0.0:+.2f}" for value in (min(differences), max(differences)))
    return low if low == high else f"{low} to {high}"


if __name__ == "__main__":
    main()
