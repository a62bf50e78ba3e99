"""The paper's Table 1 on any prepared dataset: every method by both protocols, and foreign JPEGs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from invisp_deploy.dataset.open import Dataset, Shot
from invisp_deploy.report.markdown import number, table
from invisp_deploy.research.areas import Settings
from invisp_deploy.research.methods import Method, check_alike
from invisp_deploy.research.paper import PAPER_TABLE_1
from invisp_deploy.research.protocol import AS_RUN, CORRECT, judge


def table1(
    methods: Sequence[Method],
    dataset: Dataset,
    settings: Settings,
    on_file: Callable[[Shot], object] = lambda shot: None,
) -> dict[str, Any]:
    """Judge all methods on the test files; plain data for JSON.

    Rows stand in the paper's order, rows that it has not at the end. `foreign` holds the inverse of every method that
    renders on JPEGs that LibRaw rendered, beside its own. Raises as `judge` and `methods.check_alike`.
    """
    contract = check_alike(methods, dataset)
    rows, foreign = [], []
    for method in in_order(methods):
        judged = judge(method, dataset, contract, settings, on_file=on_file)
        rows.append(
            {
                "label": method.label,
                "kind": method.kind,
                "weights": method.weights,
                "optimiser_seconds": method.seconds,
                "macs_per_pixel": {"forward": method.macs[0], "inverse": method.macs[1]},
                "notes": method.notes,
                **judged.to_dict(),
            }
        )
        if method.renders:
            other = judge(method, dataset, contract, settings, foreign=True, on_file=on_file)
            foreign.append({"label": method.label, "own": judged.correct, "foreign": other.correct})
    return {
        "experiment": "table1",
        "dataset": {
            "camera": dataset.camera,
            "train": len(dataset.shots("train")),
            "test": len(dataset.shots("test")),
            "made": sum(shot.made for shot in dataset.shots("test")),
            "quality": dataset.quality,
            "subsampling": dataset.subsampling,
        },
        "contract": contract.to_dict(),
        "settings": settings.to_dict(),
        "definitions": {"correct": CORRECT, "as_run": AS_RUN},
        "rows": rows,
        "foreign": foreign,
    }


def in_order(methods: Sequence[Method]) -> list[Method]:
    """The paper's rows in its order, the others behind them as they came."""
    order = {label: place for place, label in enumerate(PAPER_TABLE_1)}
    return sorted(methods, key=lambda method: order.get(method.label, len(order)))


def table1_markdown(facts: Mapping[str, Any]) -> str:
    """The tables of `table1` as people read them, the paper's figures beside ours."""
    data, settings = facts["dataset"], facts["settings"]
    made = f", {data['made']} of them made from photographs" if data["made"] else ""
    return f"""{data["camera"]}: {data["train"]} training files, {data["test"]} test files{made}. JPEG quality \
{settings["quality"]}, {settings["subsampling"]}. Judged on {settings["extent"]}.

Correct protocol:

{_ours(facts["rows"], "correct", tuple(facts["definitions"]["correct"]))}

As the authors ran it, and what the paper reports (other cameras, other data; order and distances compare, not levels):

{_as_run(facts["rows"])}

Foreign JPEGs: the same inverse on JPEGs that the method rendered, and on those that LibRaw rendered:

{_foreign(facts["foreign"])}
"""


def _ours(rows: Sequence[Mapping[str, Any]], protocol: str, names: Sequence[str]) -> str:
    head = ["method", *names, "MAC/px forward", "MAC/px inverse", "optimiser time"]
    lines = []
    for row in rows:
        cost = row["macs_per_pixel"]
        lines.append(
            [
                row["label"],
                *(number(row[protocol].get(name), 4 if "ssim" in name else 2) for name in names),
                number(cost["forward"], 0),
                number(cost["inverse"], 0),
                f"{row['optimiser_seconds'] / 60:.1f} min",
            ]
        )
    return table(head, lines)


def _as_run(rows: Sequence[Mapping[str, Any]]) -> str:
    head = ["method", "RGB PSNR", "RGB SSIM", "RAW PSNR", "paper: D700 RGB", "D700 RAW", "5D RGB", "5D RAW"]
    lines = []
    for row in rows:
        ours = row["as_run"]
        cells = [number(ours.get("rgb-psnr"), 2), number(ours.get("rgb-ssim"), 4), number(ours["raw-psnr"], 2)]
        known = PAPER_TABLE_1.get(row["label"])
        for camera in () if known is None else known:
            rgb, ssim, raw = camera
            cells += ["–" if rgb is None else f"{rgb:.2f} / {ssim:.4f}", f"{raw:.2f}"]
        lines.append([row["label"], *cells, *["–"] * (7 - len(cells))])
    return table(head, lines)


def _foreign(rows: Sequence[Mapping[str, Any]]) -> str:
    names = ("raw-psnr-paper", "raw-psnr", "raw-psnr-clipped", "raw-psnr-unclipped")
    head = ["method", *(f"{name}, {whose}" for name in names for whose in ("own", "LibRaw's"))]
    lines = [
        [row["label"], *(number(row[whose].get(name), 2) for name in names for whose in ("own", "foreign"))]
        for row in rows
    ]
    return table(head, lines)
