"""The paper's tables on a prepared dataset, every method with the same optimiser time.

    python scripts/paper_experiments.py DATA OUT [--minutes 10]

Seven trainings, two at a time (scripts/pairs.py), then both tables and the rate. What stands in OUT is kept. All see
the camera's own RGB, as in the paper; the closed form, which needs no training, stands beside them. U-net and
Invertible Grayscale are trained as the paper says, without a simulated JPEG; U-net with one as well. CycleISP renders
nothing: it is given the dataset's JPEGs, and a simulated one on top would be JPEG twice, where it is judged on one.
"""

from __future__ import annotations

from pairs import COMMON, TRAIN, asked, at_once, python, step_times, steps_within, trained

INVISP = ["--config", "edge"]
"""Dense blocks as in the paper, at a tenth of the cost."""

CONTRACT = ["--color", "camera", "--curve", "2.2"]
"""What the paper's networks see."""

METHODS = {
    "CycleISP": ["--method", "cycleisp", "--rounding", "none"],
    "Invertible Grayscale": ["--method", "grayscale", "--rounding", "none"],
    "U-net": ["--method", "unet", "--rounding", "none"],
    "U-net, Fourier": ["--method", "unet", "--rounding", "fourier"],
    "InvISP, no simulation": [*INVISP, "--rounding", "none"],
    "InvISP, DSQ": [*INVISP, "--rounding", "dsq"],
    "InvISP, Fourier": [*INVISP, "--rounding", "fourier"],
}
"""By label in the tables."""

RIVAL = ["-m", "invisp_deploy", "research", "train"]

TABLES = {"table1": ("4", "256"), "table2": ("2", "512"), "rate": ("2", "256")}
"""Tiles of each test file and their edge, pixels; of sizes larger ones, so that a record hardly counts."""


def main() -> None:
    arguments = asked(__doc__)
    data, out = str(arguments.data), arguments.out
    commands = {name: RIVAL if "--method" in options else TRAIN for name, options in METHODS.items()}
    trainings = {name: [*commands[name], data, *COMMON, *CONTRACT, *options] for name, options in METHODS.items()}
    times = step_times(trainings, out)
    steps = steps_within(arguments.minutes, times)
    at_once(lambda name: trained(trainings[name], out / folder(name), steps[name]), list(METHODS))
    every = [part for name in METHODS for part in ("--run", f"{name}={out / folder(name)}")]
    best = ["--run", f"InvISP, Fourier={out / folder('InvISP, Fourier')}"]
    for table, (tiles, edge) in TABLES.items():
        runs = every if table == "table1" else best
        command = [table, data, *runs, "--tiles", tiles, "--tile", edge, "--overwrite", "-o", str(out / table)]
        python(["-m", "invisp_deploy", "research", *command], out / f"{table}.log")


def folder(name: str) -> str:
    return name.lower().replace(", ", "-").replace(" ", "-")


if __name__ == "__main__":
    main()
