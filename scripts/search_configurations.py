"""The front of fidelity against work, from the closed form to 30,000 multiply-accumulates a pixel.

    python scripts/search_configurations.py DNGS OUT RAWS...

Trains every candidate with both seeds on DNGS (made by `invisp prepare synthesize`, as `make model` does), two at a
time on a core each, exports it, and judges it on RAWS, whole real files through JPEG files, by `invisp eval files`.
What stands in OUT is kept. Writes front.json into OUT, which scripts/front.py makes a table and a picture of.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from front import smallest_of_the_best
from pairs import COMMON, TRAIN, at_once, python, trained

from invisp_deploy.config import NetworkConfig
from invisp_deploy.files import write_whole


@dataclass(frozen=True)
class Candidate:
    """config: its network. rate: peak learning rate; many blocks diverge at that of few."""

    config: NetworkConfig
    rate: float = 0.001


def chain(blocks: int, growth: int, depth: int) -> NetworkConfig:
    return NetworkConfig(blocks, growth, squeeze=2, depth=depth, kind="chain", coupling="additive")


CANDIDATES = {
    "b1-g4": Candidate(chain(1, 4, 2)),
    "b1-g8": Candidate(chain(1, 8, 2)),
    "b2-g8": Candidate(chain(2, 8, 2)),
    "b2-g16": Candidate(chain(2, 16, 2)),
    "b4-g32-d3": Candidate(chain(4, 32, 3)),
    "b8-g32-d3": Candidate(chain(8, 32, 3), rate=0.0006),
}
"""By blocks, growth, and convolutions of F and G where they are not two."""

SEEDS = (0, 1)

STEPS = 14_000

LONGER = ("b1-g8",)
"""Trained for half as many steps again as well: whether more time changes anything."""

METRICS = {"rgb": "rgb-psnr", "raw": "raw-psnr-unclipped"}

LOSS = ["--raw-weight", "0.4", "--clipped-weight", "0"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dngs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("raws", type=Path, nargs="+")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    runs = dict(labelled())
    found = at_once(lambda label: row(arguments.dngs, out, arguments.raws, label, **runs[label]), list(runs))
    rows = [closed_form(found[0]), *(figures for figures, _ in found)]
    write_whole(out / "front.json", json.dumps(rows, indent=1) + "\n")
    best = smallest_of_the_best(rows)
    print(f"{best['name']}, {best['macs']:,.0f} MAC/px: {best['rgb']:+.2f} dB RGB, {best['raw']:+.2f} dB RAW")


def labelled() -> Iterator[tuple[str, dict[str, Any]]]:
    """Folder of each run -> what `row` is told of it: the ordinary ones by seed, then the longer ones."""
    for seed in SEEDS:
        for name in CANDIDATES:
            yield f"{name}-seed{seed}", {"name": name, "seed": seed, "steps": STEPS}
    for name in LONGER:
        yield f"{name}-longer", {"name": name, "seed": SEEDS[0], "steps": STEPS * 3 // 2}


def row(
    dngs: Path, out: Path, raws: list[Path], label: str, *, name: str, seed: int, steps: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train and judge unless that has been done; the run's line of front.json, and files.json of its judgement."""
    candidate, run, judged = CANDIDATES[name], out / label, out / f"{label}-judged"
    sizes = [part for key, value in asdict(candidate.config).items() if value for part in (f"--{key}", str(value))]
    training = [*TRAIN, str(dngs), *COMMON, *LOSS, "--learning-rate", str(candidate.rate), *sizes]
    trained(training, run, steps, seed)
    if not (judged / "files.json").is_file():
        weights, log = str(run / "weights.safetensors"), out / f"{label}.log"
        command = ["-m", "invisp_deploy"]
        python([*command, "export", "onnx", "--checkpoint", weights, "-o", str(run / "graphs"), "--overwrite"], log)
        model = ["--model", str(run / "graphs")]
        python([*command, "eval", "files", *map(str, raws), *model, "-o", str(judged), "--overwrite"], log)
    facts = json.loads((judged / "files.json").read_text(encoding="utf-8"))
    settings = {"steps": steps, "rate": candidate.rate}
    return {"name": name, "seed": seed, "macs": candidate.config.macs_per_pixel, **settings, **gains(facts)}, facts


def gains(facts: dict[str, Any]) -> dict[str, Any]:
    """Distances to the closed form in dB, by metric: on the mean, and of the file that has the least of it."""
    rows = [one["gain"] for one in facts["files"]]
    worst = {f"worst {short}": min(one[metric] for one in rows) for short, metric in METRICS.items()}
    return {short: facts["mean"]["gain"][metric] for short, metric in METRICS.items()} | worst


def closed_form(facts: dict[str, Any]) -> dict[str, Any]:
    """The left end: its own figures, in dB, over so many files."""
    own = {short: facts["mean"]["against"][metric] for short, metric in METRICS.items()}
    return {"name": "closed form", "macs": 0, "files": len(facts["files"]), **own}


if __name__ == "__main__":
    main()
