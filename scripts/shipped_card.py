"""Writes CARD.md of a shipped model: `shipped_card.py MODEL SAMPLE PHOTOS` (see `make model`).

MODEL is a folder with graphs, weights.safetensors (trained with --held-out) and scales.json. SAMPLE is a real RAW file;
its round trip is measured here, with the graphs. PHOTOS is the folder that the training files were made from, with
manifest.json beside them (file, source, licence).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from invisp_deploy.evaluation.metrics import Metrics, mean_metrics
from invisp_deploy.evaluation.roundtrip import round_trips
from invisp_deploy.files import write_whole
from invisp_deploy.models import MODELS
from invisp_deploy.network.checkpoint import Checkpoint, load_checkpoint
from invisp_deploy.rendering.files import RunOptions
from invisp_deploy.rendering.model import load
from invisp_deploy.report.markdown import number, table

METRICS = ("rgb-psnr", "raw-psnr-paper", "raw-psnr")
LEVELS = {1: "full", 2: "half", 4: "quarter"}

TEXT = """# {camera}, `{name}`

Renders RAW files of the {camera} as LibRaw does (as-shot white balance, no automatic brightening)
and recovers the RAW from the JPEG. {network}
Weights `{weights}`.

{files}

## Figures

Through a JPEG file of quality 90, 4:2:2, on disk; definitions in [evaluate](../../../docs/evaluate.md). All in dB.

{figures}

No pixel of these files was trained on; the real file gave camera data (levels, colour matrix, white balance, noise) to
the made ones. One real file is little evidence: it is well exposed, at ISO 100, and half of it is sky. Strongly
saturated colours are the hard case (red-cherry-leaves); colours that leave sRGB are clipped in the JPEG, which is the
likely reason, not a measured one.

## Training

{training}

Contract: {contract}.

## Licence

The weights are MIT like the program. The photographs they were trained and validated on are free ones, none of which
is part of this package:

{licences}
"""


def main(model: Path, sample: Path, photos: Path) -> None:
    checkpoint = load_checkpoint(model / "weights.safetensors")
    name = next(name for name, folder in MODELS.items() if folder == model.name)
    text = TEXT.format(
        camera=checkpoint.contract.camera,
        name=name,
        network=network(checkpoint),
        files=files(name),
        weights=checkpoint.weights,
        figures=figures(model, sample, checkpoint.card["validation"]),
        training=training(checkpoint.card),
        contract=json.dumps(checkpoint.contract.to_dict()),
        licences=licences(photos),
    )
    write_whole(model / "CARD.md", text)


def network(checkpoint: Checkpoint) -> str:
    config = checkpoint.config
    parameters = sum(parameter.numel() for parameter in checkpoint.network.parameters())
    functions = f"{config.kind}s of {config.depth} convolutions" if config.kind == "chain" else "dense blocks"
    return (
        f"{config.blocks} blocks, F, G and H {functions} with growth {config.growth}, {LEVELS[config.squeeze]} "
        f"resolution:\n{config.macs_per_pixel:,.0f} multiply-accumulates a pixel and direction, {parameters:,} "
        f"parameters, halo {config.halo} px."
    )


def files(name: str) -> str:
    rows = {
        "`forward.onnx`, `inverse.onnx`": f"what `invisp-run --model {name}` uses",
        "`forward16.onnx`, `inverse16.onnx`": "the same with pictures of 16 bits, for `.tif`",
        "`weights.safetensors`": "PyTorch weights, with configuration and camera contract in the header",
        "`scales.json`": "scales for int8 and fp8 exports of these weights ([precision](../../../docs/precision.md))",
        "`forward.onnx.npz` and one beside every graph": (
            "a small input and what PyTorch makes of it, for `invisp verify`"
        ),
        "`report.json`, `report.md`": "what the export compared",
    }
    return table(("file", "for"), list(rows.items()))


def figures(model: Path, sample: Path, made: dict[str, Metrics]) -> str:
    with load(model) as pair:
        (real,) = round_trips([sample], pair, RunOptions()).values()
    rows = [
        (f"**{sample.name}, a real file, whole**", *columns(real, "**")),
        *((f"made: {name}", *columns(one)) for name, one in sorted(made.items())),
        (f"mean of the {len(made)} made files", *columns(mean_metrics(made))),
    ]
    return table(("file", *METRICS), rows)


def columns(metrics: Metrics, mark: str = "") -> list[str]:
    return [f"{mark}{number(metrics[name], 1)}{mark}" for name in METRICS]


def training(card: Mapping[str, Any]) -> str:
    run = card["run"]
    optimiser, data, jpeg = run["optimiser"], run["data"], run["jpeg"]
    return (
        f"{run['source']['files']} DNGs made from photographs (`make model`), others held out. {card['steps']:,} steps "
        f"of {data['batch']} crop of\n{data['patch']}x{data['patch']}, Adam with a peak rate of "
        f"{optimiser['learning_rate']:g}, {optimiser['warmup']} steps of warm-up, {optimiser['schedule']} decay,\n"
        f"{run['loss']['norm'].upper()} both ways, JPEG simulator ({jpeg['rounding']}) at quality "
        f"{jpeg['quality'][0]}, average of the weights over {optimiser['ema_decay']}, seed {optimiser['seed']}.\n"
        f"{card['seconds'] / 60:.0f} minutes of steps on one core of a CPU."
    )


def licences(photos: Path) -> str:
    rows = json.loads((photos / "manifest.json").read_text(encoding="utf-8"))
    lines = [(row["file"], row["source"].split("@")[0], row["licence"]) for row in rows]
    return table(("photograph", "source", "licence"), lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
