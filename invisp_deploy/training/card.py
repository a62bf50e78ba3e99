"""CARD.md: what a run made, of what, at what cost, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invisp_deploy.contract import LIBRAW
from invisp_deploy.evaluation.metrics import Metrics
from invisp_deploy.report.markdown import number, table
from invisp_deploy.training.run import Run


def card_text(
    run: Run,
    card: Mapping[str, Any],
    *,
    macs: float,
    weights: str,
    machine: Mapping[str, str],
) -> str:
    """The text. card: of the weights: `steps`, `seconds`, and where they were measured `crops` (figures of the last
    held-out crops) and `validation` (of whole files). macs: of one direction (the inverse), a pixel. weights: their
    hash. machine: facts in words.
    """
    camera = run.contract.camera or "every camera"
    what = f"`{run.config}`" if run.config is not None else f"`{run.method}`"
    digest = run.source.digest[:12]
    made = f", {run.source.made} of them made from photographs" if run.source.made else ""
    lines = [f"# {camera}, {what}", ""]
    facts = {
        "method": run.method,
        "configuration": "its own sizes" if run.config is None else _words(run.config.to_dict()),
        "multiply-accumulates a pixel and direction": f"{macs:,.0f}",
        "weights": f"`{weights}`",
        "data": f"{run.source.files} files{made}; digest `{digest}`",
        "camera contract": _words(run.contract.to_dict()),
        "crops": _words(vars(run.data)),
        "loss": _words(vars(run.loss)),
        "simulated JPEG": _jpeg(run),
        "optimiser": _words(vars(run.optimiser)),
        "started from": "new weights" if run.start is None else _words(run.start),
        "optimiser time": _time(float(card["seconds"]), int(card["steps"]), run.minutes),
    }
    lines += [table(("", ""), list(facts.items())), "", "## Machine", "", table(("", ""), list(machine.items()))]
    lines += ["", "## Figures", ""]
    lines += _figures(card.get("validation"), card.get("crops"), run.contract.look)
    lines += ["", "`run.json` repeats the run: `invisp train --run run.json SOURCE -o FOLDER`.", ""]
    return "\n".join(lines)


def _jpeg(run: Run) -> str:
    low, high = run.jpeg.quality
    quality = f"{low}" if low == high else f"drawn from {low} to {high}"
    if run.jpeg.rounding == "none":
        return f"none; measured at quality {run.jpeg.typical[0]}, {run.jpeg.typical[1]}"
    return f"rounding {run.jpeg.rounding}, quality {quality}, subsampling {' or '.join(run.jpeg.subsampling)}"


def _figures(files: Mapping[str, Metrics] | None, crops: Mapping[str, Any] | None, look: str) -> list[str]:
    lines = []
    if crops is not None:
        named = {name: value for name, value in crops.items() if "psnr" in name and value is not None}
        found = ", ".join(f"{name} {value:.2f} dB" for name, value in named.items())
        lines.append(
            f"Crops of {crops['crops']} files through JPEG in memory, peak 1 in the network's domain: {found}."
        )
    if files:
        metrics = list(next(iter(files.values())))
        rows = [(name, *(number(figures[metric], 2) for metric in metrics)) for name, figures in files.items()]
        lines += ["", "Held-out files through JPEG files on disk, dB:", "", table(("file", *metrics), rows)]
        if look != LIBRAW:
            lines += [
                "",
                f"`rgb-psnr` is to LibRaw's rendering, which the look `{look}` was not taught; the crops' is.",
            ]
    return lines or ["None were measured."]


def _time(seconds: float, steps: int, minutes: float | None) -> str:
    asked = "" if minutes is None else f"; {minutes:g} minutes were asked for"
    return f"{seconds:,.1f} s for {steps:,} steps, crops read included, measuring and saving not{asked}"


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
