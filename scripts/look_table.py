"""The paper's Table 1 for a look: many cameras, another program's pictures as targets, all at the look's cost.

    python scripts/look_table.py DATA OUT [--minutes 5]

Five trainings with two seeds each, two at a time (scripts/pairs.py), then the table. What stands in OUT is kept. All
see linear sRGB by each file's own matrix, behind the curve, as the shipped looks do; widths are those at which a
direction costs a pixel what the look costs, about 6,100 multiply-accumulates. Prepare DATA with the quality and
subsampling of the table: CycleISP renders nothing and learns from the JPEGs that it stores. Invertible Grayscale and
U-net learn without one, as published.
"""

from __future__ import annotations

from pairs import COMMON, TRAIN, asked, at_once, python, step_times, steps_within, trained

RIVAL = ["-m", "invisp_deploy", "research", "train"]
LOOK = ["--config", "look", "--learning-rate", "0.001", "--raw-weight", "1.5"]

METHODS = {
    "CycleISP": [*RIVAL, "--method", "cycleisp", "--width", "4", "--rounding", "none"],
    "Invertible Grayscale": [*RIVAL, "--method", "grayscale", "--width", "5", "--rounding", "none"],
    "U-net": [*RIVAL, "--method", "unet", "--width", "11", "--rounding", "none"],
    "InvISP, no simulation": [*TRAIN, *LOOK, "--rounding", "none"],
    "InvISP, Fourier": [*TRAIN, *LOOK],
}
"""By label in the table: command and options; the data and what is common stand between."""

SEEDS = (0, 1)


def main() -> None:
    arguments = asked(__doc__)
    data, out = str(arguments.data), arguments.out
    trainings = {name: [*options, data, *COMMON, "--look", "vivid"] for name, options in METHODS.items()}
    steps = steps_within(arguments.minutes, step_times(trainings, out))
    runs = {f"{name}, seed {seed}": (name, seed) for seed in SEEDS for name in METHODS}

    def train(label: str) -> None:
        name, seed = runs[label]
        trained(trainings[name], out / folder(label), steps[name], seed)

    at_once(train, list(runs))
    every = [part for label in sorted(runs) for part in ("--run", f"{label}={out / folder(label)}")]
    command = ["table1", data, *every, "--tiles", "4", "--tile", "256", "--overwrite", "-o", str(out / "table1")]
    python(["-m", "invisp_deploy", "research", *command], out / "table1.log")


def folder(label: str) -> str:
    return label.lower().replace(", ", "-").replace(" ", "-")


if __name__ == "__main__":
    main()
