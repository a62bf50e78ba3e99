"""Writes CARD.md of a shipped model: `shipped_card.py MODEL --table FILES.json --runs ... --dngs ... --photos ...`,
and of a look: `shipped_card.py MODEL --look REPORT --renders 'as darktable does' --runs ...`.

MODEL is a folder with graphs and weights.safetensors. FILES.json is of `invisp eval files`, the model beside the closed
form; REPORT is the folder of `invisp eval look`, whose figures go to docs/measured/looks/, by the name of the
look. The runs are those of its training in their order, the DNGs what they
were trained on (see `make model`), the photographs what these were made from, with manifest.json beside them (file,
source or package, licence).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from invisp_deploy.files import write_whole
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.models import MODELS
from invisp_deploy.network.checkpoint import Checkpoint, load_checkpoint
from invisp_deploy.report.look import look_files, look_means
from invisp_deploy.report.markdown import number, table

METRICS = ("rgb-psnr", "raw-psnr-paper", "raw-psnr", "raw-psnr-unclipped")
LEVELS = {1: "full", 2: "half", 4: "quarter"}

TEXT = """# `{name}`

Renders RAW files of any camera with a Bayer sensor {renders} and
recovers the RAW from the JPEG. Levels, white balance, the file's colour matrix and the curve are computed exactly; the
network does what remains. {network}
Weights `{weights}`.

{files}

{figures}

## Training

{training}

Contract: {contract}.

## Licence

The weights are MIT like the program. The photographs they were trained on are free ones, none of which is part of this
package:

{licences}
"""


TABLE = """## Figures

Whole real files through JPEG files of quality {quality}, {subsampling}, on disk, in dB; the closed form, which is the
same without a network, → the model. Definitions in [evaluate](../../../docs/evaluate.md), and what is lost where
pictures clip.

{table}

No file of this table was trained on, and no colour matrix of its camera was drawn to make training files. Size and
losses of the network were chosen by looking at such files."""

LOOK = """## Figures

Definitions in [looks](../../../docs/looks.md#measure-one). {means}

![One photograph in the shipped looks](../../../docs/images/looks.png)

Files, {columns}:

{table}"""

AS_LIBRAW = "as LibRaw does (as-shot white balance, no automatic brightening)"
DOCS = Path(__file__).parent.parent / "docs"


def main(
    model: Path,
    measured: Path | None,
    look: Path | None,
    renders: str,
    runs: Sequence[Path],
    dngs: Sequence[Path],
    photos: Sequence[Path],
) -> None:
    checkpoint = load_checkpoint(model / "weights.safetensors")
    name = next(name for name, folder in MODELS.items() if folder == model.name)
    text = TEXT.format(
        name=name,
        renders=renders,
        network=network(checkpoint),
        files=files(model, name),
        weights=checkpoint.weights,
        figures=look_figures(look, name) if look is not None else table_figures(measured),
        training=training(runs, dngs),
        contract=json.dumps(checkpoint.contract.to_dict()),
        licences=licences(photos),
    )
    write_whole(model / "CARD.md", text)


def table_figures(measured: Path) -> str:
    facts = json.loads(measured.read_text(encoding="utf-8"))
    return TABLE.format(quality=facts["quality"], subsampling=facts["subsampling"], table=figures(facts))


def look_figures(report: Path, name: str) -> str:
    """What `invisp eval look` left; its figures are copied to where pages show them."""
    source = (report / "report.json").read_bytes()
    place = DOCS / "measured" / "looks" / f"{name}.json"
    place.parent.mkdir(exist_ok=True)
    write_whole(place, source)
    facts = json.loads(source)
    columns, rows = look_files(facts)
    return LOOK.format(means=look_means(facts), name=name, columns=columns, table=rows)


def network(checkpoint: Checkpoint) -> str:
    config = checkpoint.config
    parameters = sum(parameter.numel() for parameter in checkpoint.network.parameters())
    functions = f"{config.kind}s of {config.depth} convolutions" if config.kind == "chain" else "dense blocks"
    blocks = "1 block" if config.blocks == 1 else f"{config.blocks} blocks"
    return (
        f"{blocks}, {config.coupling} couplings, {functions} with growth {config.growth}, "
        f"{LEVELS[config.squeeze]} resolution:\n{config.macs_per_pixel:,.0f} multiply-accumulates a pixel and "
        f"direction, {parameters:,} parameters, halo {config.halo} px."
    )


def files(model: Path, name: str) -> str:
    rows = {
        "`forward.onnx`, `inverse.onnx`": f"what `invisp-run --model {name}` uses",
        "`forward16.onnx`, `inverse16.onnx`": "the same with pictures of 16 bits, for `.tif`",
        "`weights.safetensors`": "PyTorch weights, with configuration and camera contract in the header",
        "`forward.onnx.npz` and one beside every graph": (
            "a small input and what PyTorch makes of it, for `invisp verify`"
        ),
        "`report.json`, `report.md`": "what the export compared",
    }
    if (model / "scales.json").is_file():
        rows["`scales.json`"] = "scales for int8 and fp8 exports ([precision](../../../docs/precision.md))"
    return table(("file", "for"), list(rows.items()))


def figures(facts: Mapping[str, Any]) -> str:
    rows = [(row["file"], row["camera"] or "–", *(beside(row, metric) for metric in METRICS)) for row in facts["files"]]
    mean = ("**mean**", "", *(f"**{beside(facts['mean'], metric)}**" for metric in METRICS))
    return table(("file", "camera", *METRICS), [*rows, mean])


def beside(row: Mapping[str, Any], metric: str) -> str:
    return f"{number(row['against'][metric], 2)} → {number(row['model'][metric], 2)}"


def training(runs: Sequence[Path], dngs: Sequence[Path]) -> str:
    cameras = {read_raw(path).camera for folder in dngs for path in folder.glob("*.dng")}
    described = [json.loads((folder / "run.json").read_text(encoding="utf-8")) for folder in runs]
    first, files = described[0], sum(len([*folder.glob("*.dng")]) for folder in dngs)
    head = ("", "files", "steps", "peak rate", "RAW weighed", "times, where pictures clip", "minutes")
    stages = [
        stage(place, run, seconds(folder)) for place, (run, folder) in enumerate(zip(described, runs, strict=True))
    ]
    data, jpeg, optimiser = first["data"], first["jpeg"], first["optimiser"]
    return (
        f"{files} DNGs made from photographs ([how](../../../docs/train.md#from-photographs)), with colour matrices of "
        f"{len(cameras)} cameras.\nCrops of {data['patch']}x{data['patch']}, {data['batch']} a step, Adam, "
        f"{optimiser['warmup']} steps of warm-up, {optimiser['schedule']} decay, {first['loss']['norm'].upper()} both "
        f"ways,\nJPEG simulator ({jpeg['rounding']}) at quality {jpeg['quality'][0]}, average of the weights over "
        f"{optimiser['ema_decay']}, seed {optimiser['seed']}. Each run\nwent on from the weights of the one before; "
        f"minutes are of optimiser steps on one core of a CPU:\n\n{table(head, stages)}"
    )


def stage(place: int, run: Mapping[str, Any], spent: float) -> tuple[str, ...]:
    optimiser, loss = run["optimiser"], run["loss"]
    numbers = (optimiser["learning_rate"], loss["raw_weight"], loss["clipped_weight"])
    sizes = (str(run["source"]["files"]), f"{optimiser['steps']:,}")
    return (str(place + 1), *sizes, *(f"{value:g}" for value in numbers), f"{spent / 60:.0f}")


def seconds(run: Path) -> float:
    """Of all optimiser steps, as the last line of the run's log has them."""
    lines = (run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return max(float(json.loads(line).get("seconds", 0)) for line in lines)


def licences(folders: Sequence[Path]) -> str:
    rows = [row for folder in folders for row in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))]
    lines = [(row["file"], source(row), row["licence"]) for row in rows]
    return table(("photograph", "source", "licence"), lines)


def source(row: Mapping[str, str]) -> str:
    return row["source"].split("@")[0] if "source" in row else row["package"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    figures_of = parser.add_mutually_exclusive_group(required=True)
    figures_of.add_argument("--table", type=Path)
    figures_of.add_argument("--look", type=Path)
    parser.add_argument("--renders", default=AS_LIBRAW)
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument("--dngs", type=Path, nargs="+", required=True)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    asked = parser.parse_args()
    main(asked.model, asked.table, asked.look, asked.renders, asked.runs, asked.dngs, asked.photos)
