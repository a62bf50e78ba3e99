"""invisp train beyond RAW files in one process: datasets, run.json, minutes, TensorBoard, torchrun, a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.prepare import prepare
from invisp_deploy.dataset.sources import sources_in
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.network.checkpoint import load_checkpoint
from invisp_deploy.training.folder import read_log
from invisp_deploy.training.run import read_run
from tests.cli.test_train import ROOT, SMALL, crop, refused, train

TINY = ("--blocks", 1, "--growth", 4, "--patch", 32, "--steps", 4)


@pytest.fixture(scope="module")
def raws(sample_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raws")
    for number in range(4):
        write_dng(folder / f"{number}.dng", crop(sample_frame, 1200 + 100 * number, 1800))
    return folder


@pytest.fixture(scope="module")
def dataset(raws: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared") / "data"
    prepare(sources_in([raws]), folder, PrepareOptions())
    return folder


def test_a_dataset_trains_on_one_split_and_is_measured_on_the_other(dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = train(dataset, "-o", run, *TINY, "--sample-every", 2)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("3 files of any camera; ")
    assert "on crops of held-out files" in result.stdout
    assert [line["step"] for line in read_log(run / "log.jsonl") if "crops" in line] == [2, 4]
    assert load_checkpoint(run / "weights.safetensors").card["camera"] == "Canon EOS 30D"


def test_without_held_out_files_crops_of_training_files_are_labelled_so(raws: Path, tmp_path: Path) -> None:
    result = train(raws, "-o", tmp_path / "run", *TINY)
    assert "on crops of training files" in result.stdout


def test_datasets_that_cannot_be(dataset: Path, raws: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    refused(train(dataset, raws, "-o", run, *TINY), 2, "is a prepared dataset: name it alone")
    half = tmp_path / "half"
    half.mkdir()
    (half / "preparing.json").write_text("{}")
    refused(train(half, "-o", run, *TINY), 1, "was not finished", "--resume")
    assert not run.exists()


def test_a_run_is_repeated_from_its_file(raws: Path, tmp_path: Path) -> None:
    options = (
        "--loss",
        "l2",
        "--rounding",
        "dsq",
        "--qualities",
        "70-98",
        "--schedule",
        "cosine",
        "--autocast",
        "bf16",
    )
    first = train(raws, "-o", tmp_path / "a", *SMALL, *options, "--subsampling", "4:2:0", "--clipped-weight", 3)
    assert first.exit_code == 0, first.output
    described = tmp_path / "a" / "run.json"
    run = read_run(described)
    assert (run.loss.norm, run.jpeg.rounding, run.jpeg.quality, run.jpeg.subsampling) == (
        "l2", "dsq", (70, 98), ("4:2:0",),
    )  # fmt: skip
    assert (run.optimiser.schedule, run.optimiser.precision, run.loss.clipped_weight) == ("cosine", "bf16", 3.0)
    again = train(raws, "-o", tmp_path / "b", "--repeat", described, "--loss", "l2", "--patch", 32)
    assert again.exit_code == 0, again.output
    a, b = (load_checkpoint(tmp_path / name / "weights.safetensors") for name in "ab")
    assert a.weights == b.weights
    assert a.card["run"] == b.card["run"] == json.loads(described.read_text())
    moved = train(raws / "1.dng", "-o", tmp_path / "c", "--repeat", described)
    assert "the files are not those of" in moved.stdout


@pytest.mark.parametrize(
    ("option", "value"),
    [("--loss", "l2"), ("--steps", 21), ("--config", "paper"), ("--growth", 8), ("--gains", "none"),
     ("--kind", "dense"), ("--minutes", 1), ("--subsampling", "4:4:4")],
)  # fmt: skip
def test_what_contradicts_the_file_is_refused(option: str, value: object, raws: Path, tmp_path: Path) -> None:
    described = tmp_path / "run.json"
    if not (tmp_path / "a").exists():
        assert train(raws, "-o", tmp_path / "a", *TINY, "--steps", 1).exit_code == 0
    described.write_text((tmp_path / "a" / "run.json").read_text())
    refused(
        train(raws, "-o", tmp_path / "b", "--repeat", described, option, value),
        2,
        f"{option} contradicts",
        "leave it out",
    )
    assert not (tmp_path / "b").exists()


def test_minutes_become_steps_and_stay(raws: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = (*TINY[:-2], "--minutes", 0.002)
    result = train(raws, "-o", run, *options)
    assert result.exit_code == 0, result.output
    described = read_run(run / "run.json")
    steps = described.optimiser.steps
    assert described.minutes == 0.002
    assert f": {steps} steps in 0.002 minutes" in result.stdout
    assert f"coupling additive, {steps} steps" in result.stdout
    assert train(raws, "-o", run, *options, "--resume").exit_code == 0
    refused(train(raws, "-o", run, *TINY[:-2], "--minutes", 0.003, "--resume"), 2, "was asked for 0.002 minutes")
    refused(train(raws, "-o", tmp_path / "b", *TINY, "--minutes", 1), 2, "--minutes chooses the steps")


def test_tensorboard_has_the_log(raws: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    assert train(raws, "-o", run, *TINY, "--tensorboard").exit_code == 0
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    report, measured = read_log(run / "log.jsonl")[-2:]
    for line, names in ((report, ("rgb_loss", "raw_loss", "seconds")), (measured, ("rgb_psnr", "raw_psnr"))):
        for name in names:
            assert events.Scalars(name)[-1].value == pytest.approx(line[name], rel=1e-5)
    assert [image.step for image in events.Images("samples")] == [1, 2, 3, 4]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


SAVING_OFTEN = "from invisp_deploy.training import loop; loop.fit.__kwdefaults__['save_every'] = 20\n"


def test_a_killed_run_goes_on_to_the_same_weights(raws: Path, tmp_path: Path) -> None:
    options = (*TINY[:-2], "--steps", 90)
    code = SAVING_OFTEN + "from invisp_deploy.cli.train import train_command; train_command()"
    arguments = [str(argument) for argument in (raws, "-o", tmp_path / "run", *options)]
    running = subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT, env=ENVIRONMENT)
    state = tmp_path / "run" / "state.pt"
    while not state.exists() and running.poll() is None:
        time.sleep(0.001)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL
    saved = torch.load(state, weights_only=True)["step"]
    assert saved < 90
    assert train(raws, "-o", tmp_path / "run", *options, "--resume").exit_code == 0
    assert train(raws, "-o", tmp_path / "whole", *options).exit_code == 0
    runs = [load_checkpoint(tmp_path / name / "weights.safetensors") for name in ("run", "whole")]
    assert runs[0].weights == runs[1].weights
    logs = [read_log(tmp_path / name / "log.jsonl") for name in ("run", "whole")]
    assert [{**line, "seconds": 0} for line in logs[0]] == [{**line, "seconds": 0} for line in logs[1]]
    assert np.all(np.diff([line["seconds"] for line in logs[0]]) >= 0)


def launched(*arguments: object) -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [sys.executable, *launcher, "-m", "invisp_deploy", "train", *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def test_torchrun_trains_and_speaks_once(raws: Path, tmp_path: Path) -> None:
    done = launched(raws, "-o", tmp_path / "run", *TINY, "--batch", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("4 files of any camera") == 1
    assert done.stdout.count("wrote ") == 1
    failed = launched(raws, "-o", tmp_path / "other", *TINY, "--batch", 3)
    assert failed.returncode != 0
    assert failed.stderr.count("Error: --batch is over all processes and must be a multiple") == 1
    assert not (tmp_path / "other").exists()
