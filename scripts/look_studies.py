"""What a look needs to be learned: from one pair to all, and from one picture with its lens.

    python scripts/look_studies.py pairs DATASET JUDGED -o pairs.json [--counts 1,10,100] [--steps 6000]
    python scripts/look_studies.py picture DATASET -o picture.json [--steps 8000]
    python scripts/look_studies.py page pairs.json picture.json -o docs/looks.md

`pairs` trains the `look` configuration on 1, 10 and 100 files of a prepared dataset, and judges windows of the test
split of another, whose cameras were not trained on. `picture` takes a dataset of one picture: it learns its left 60 %,
lens shading estimated there alone, and judges the right third, with the shading given back and without it. All figures
are of windows of 448 pixels, through JPEG files of quality 90, 4:2:2; the RAW's are of the network's domain.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invisp_deploy.calibration.codec import JpegCodec
from invisp_deploy.config import CONFIGURATIONS
from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.dataset.open import open_dataset
from invisp_deploy.files import write_whole
from invisp_deploy.isp.develop import Window, develop
from invisp_deploy.isp.shading import gain_at, without_shading
from invisp_deploy.models import shipped_folder
from invisp_deploy.network.checkpoint import load_checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.report.markdown import table
from invisp_deploy.training.data import Pair, dataset_pairs
from invisp_deploy.training.lens_shading import fitted_shading
from invisp_deploy.training.loop import fit
from invisp_deploy.training.make import described
from invisp_deploy.training.method import InvispMethod, new_network
from invisp_deploy.training.options import DataOptions, LossOptions, OptimiserOptions, TrainingOptions

EDGE, MARGIN = 448, 32
TAUGHT, JUDGED = 0.60, 0.64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=("pairs", "picture", "page"))
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--counts", default="1,10,100")
    parser.add_argument("--steps", type=int, default=6000)
    given = parser.parse_args()
    if given.study == "page":
        pairs, picture = (json.loads(path.read_text(encoding="utf-8")) for path in given.datasets)
        page = given.output.read_text(encoding="utf-8")
        write_whole(given.output, filled(filled(page, "pairs", of_pairs_text(pairs)), "picture", of_one(picture)))
        return
    torch.set_num_threads(1)
    if given.study == "pairs":
        rows = of_pairs(*given.datasets, [int(count) for count in given.counts.split(",")], given.steps)
    else:
        rows = of_picture(*given.datasets, given.steps)
    write_whole(given.output, json.dumps({"steps": given.steps, "rows": rows}, indent=1) + "\n")


def filled(page: str, name: str, text: str) -> str:
    """The page with that text between its marks."""
    pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.S)
    page, count = pattern.subn(lambda around: f"{around[1]}\n{text}\n\n{around[2]}", page)
    if count != 1:
        sys.exit(f"The page has {count} places for {name}, expected one.")
    return page


def of_pairs_text(study: dict[str, Any]) -> str:
    rows = [[str(row["pairs"]), f"{row['rgb_psnr']:.2f}", f"{row['raw_psnr']:.2f}"] for row in study["rows"]]
    return table(["pairs", "RGB, dB", "RAW where nothing clips, dB"], rows)


def of_one(study: dict[str, Any]) -> str:
    rows = []
    for row in study["rows"]:
        label = "`universal`" if row.get("universal") else "the look, without the lens"
        if row.get("shading"):
            label = "the look, with the lens: gains of {:.2f} halfway to the corner, {:.2f} in it".format(
                *row["shading"]
            )
        rows.append([label, f"{row['rgb_psnr']:.2f}", f"{row['raw_psnr']:.2f}"])
    return table(["", "RGB, dB", "RAW where nothing clips, dB"], rows)


def of_pairs(learned: Path, judged: Path, counts: Sequence[int], steps: int) -> list[dict[str, Any]]:
    rows = []
    for count in counts:
        network, pairs, contract = trained(learned, steps, count)
        windows = []
        for pair in dataset_pairs(open_dataset(judged), "test", contract):
            height, width = pair.mosaic.shape
            if min(height, width) >= 2 * EDGE:
                windows += [(pair, window(height * y // 8, width * x // 8)) for y, x in ((1, 1), (3, 4), (4, 1))]
        rows.append({"pairs": len(pairs), **measured(network, windows)})
        print(rows[-1], flush=True)
    return rows


def of_picture(learned: Path, steps: int) -> list[dict[str, Any]]:
    rows = [{"universal": True, **measured(*of_universal(learned))}]
    for shaded in (False, True):
        frame = open_dataset(learned).shots("train")[0].frame
        contract = described(TrainingOptions(), InvispMethod(CONFIGURATIONS["look"]), frame, "camera").contract
        pair = dataset_pairs(open_dataset(learned), "train", contract)[0]
        width = pair.mosaic.shape[1]
        part = slice(0, int(width * TAUGHT) // 2 * 2)
        gains: list[float] = []
        if shaded:
            seen = np.array(pair.mosaic)
            seen[:, part.stop :] = 0  # black squares do not count
            shading = fitted_shading([replace(pair, mosaic=seen)])
            gains = gain_at(np.array([0.25, 1.0]), shading).round(3).tolist()
            pair = replace(pair, mosaic=without_shading(np.asarray(pair.mosaic), shading, pair.recipe.black))
        taught = replace(pair, mosaic=pair.mosaic[:, part])
        network, _, _ = trained(learned, steps, 1, [taught])
        rows.append({"shading": gains, **measured(network, judged(pair))})
        print(rows[-1], flush=True)
    return rows


def of_universal(learned: Path) -> tuple[InvISP, list[tuple[Pair, Window]]]:
    """The shipped network, and the same windows as its contract sees them."""
    network = load_checkpoint(shipped_folder() / "weights.safetensors").network
    return network, judged(dataset_pairs(open_dataset(learned), "train", UNIVERSAL)[0])


def judged(pair: Pair) -> list[tuple[Pair, Window]]:
    height, width = pair.mosaic.shape
    places = [(height * y // 16, int(width * JUDGED) + x) for y in (1, 4, 8, 12) for x in (0, 490, 940)]
    return [(pair, window(*place)) for place in places]


def trained(learned: Path, steps: int, count: int, pairs: list[Pair] | None = None) -> tuple[InvISP, list[Pair], Any]:
    """The `look` configuration after so many steps, what it learned from, and its contract."""
    dataset = open_dataset(learned)
    options = TrainingOptions(
        data=DataOptions(patch=96),
        loss=LossOptions(raw_weight=1.5),
        optimiser=OptimiserOptions(steps=steps, learning_rate=0.001),
    )
    method, frame = InvispMethod(CONFIGURATIONS["look"]), dataset.shots("train")[0].frame
    run = described(options, method, frame, learned.name)
    every = pairs or dataset_pairs(dataset, "train", run.contract)
    step = len(every) / min(count, len(every))
    chosen = [every[int(index * step)] for index in range(min(count, len(every)))]
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(chosen, new_network(method, run, frame), method, run, Path(folder))
    network = fitted.network
    if not isinstance(network, InvISP):
        raise TypeError("the method trains InvISP")
    return network, chosen, run.contract


def window(top: int, left: int) -> Window:
    top, left = top // 2 * 2, left // 2 * 2
    return slice(top, top + EDGE), slice(left, left + EDGE)


@torch.no_grad()
def measured(network: InvISP, windows: Sequence[tuple[Pair, Window]]) -> dict[str, float]:
    """Means over windows, dB: of the picture, and of the RAW where the picture does not clip."""
    codec, inner = JpegCodec(90, "4:2:2"), slice(MARGIN, -MARGIN)
    rgb, raw = [], []
    for pair, place in windows:
        seen = torch.from_numpy(develop(pair.mosaic, pair.recipe, place))[None]
        rendered = network(seen)
        stored = codec(rendered)
        error = ((network.inverse(stored) - seen)[0].numpy() ** 2).mean(axis=0)[inner, inner]
        open_ = ((rendered > 0) & (rendered < 1)).all(dim=1)[0].numpy()[inner, inner]
        difference = 255 * stored[0].numpy().transpose(1, 2, 0).astype(np.float64) - pair.target(place)
        rgb.append(10 * np.log10(255**2 / np.mean(difference[inner, inner] ** 2)))
        if open_.any():
            raw.append(10 * np.log10(1 / error[open_].mean()))
    return {"windows": len(rgb), "rgb_psnr": round(float(np.mean(rgb)), 2), "raw_psnr": round(float(np.mean(raw)), 2)}


if __name__ == "__main__":
    main()
