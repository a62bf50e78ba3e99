"""invisp train as people call it: a run, its continuation, and every bad request before the work."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.train import train_command as main
from invisp_deploy.config import NetworkConfig
from invisp_deploy.evaluation.metrics import mean_metrics
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.installation import install_line
from invisp_deploy.network.checkpoint import load_checkpoint
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.training import loop, optimisation
from invisp_deploy.training.folder import WEIGHTS_FILE, read_log
from invisp_deploy.training.validation import validate
from tests.cli.refusal import refused

SMALL = ("--blocks", 1, "--growth", 4, "--patch", 32, "--steps", 20, "--gains", "min", "--white-level", "adjusted")
ROOT = Path(__file__).parents[2]


def crop(frame: RawFrame, row: int, column: int, size: int = 64) -> RawFrame:
    mosaic = frame.mosaic[row : row + size, column : column + size]
    return replace(frame, mosaic=np.ascontiguousarray(mosaic))


@pytest.fixture(scope="module")
def raws(sample_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raws")
    for number in range(3):
        write_dng(folder / f"{number}.dng", crop(sample_frame, 1200 + 100 * number, 1800))
    (folder / "notes.txt").write_text("left alone")
    return folder


@pytest.fixture(scope="module")
def held(sample_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("held")
    for number in range(2):
        write_dng(folder / f"held{number}.dng", crop(sample_frame, 1200, 2000 + 100 * number))
    return folder


@pytest.fixture(scope="module")
def finished(raws: Path, held: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    run = tmp_path_factory.mktemp("finished") / "run"
    result = train(raws, "-o", run, *SMALL, "--held-out", held)
    assert result.exit_code == 0, result.output
    return run, result


def train(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def same_run(one: Path, other: Path) -> bool:
    """Equal weights to the bit, equal cards (validation included) and logs but for times."""
    a, b = (load_checkpoint(run / "weights.safetensors") for run in (one, other))
    logs = [[{**line, "seconds": 0} for line in read_log(run / "log.jsonl")] for run in (one, other)]
    cards = [{**c.card, "seconds": 0, "crops": {**c.card["crops"], "seconds": 0}} for c in (a, b)]
    return (a.weights, a.contract, cards[0], logs[0]) == (b.weights, b.contract, cards[1], logs[1])


def short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty steps are to be reported and saved more than once."""
    monkeypatch.setitem(loop.fit.__kwdefaults__, "report_every", 2)  # type: ignore[arg-type]
    monkeypatch.setitem(loop.fit.__kwdefaults__, "save_every", 5)  # type: ignore[arg-type]


def test_a_run_says_what_it_did(finished: tuple[Path, Result], held: Path) -> None:
    run, result = finished
    first, crops, *figures, wrote, following = result.stdout.splitlines()
    assert (
        first
        == "3 files of any camera; 1 blocks, growth 4, squeeze 2, depth 2, kind chain, coupling additive, 20 steps"
    )
    assert re.fullmatch(
        r"rgb_psnr [\d.]+ dB, raw_psnr [\d.]+ dB on crops of held-out files; [\d.]+ s of .* steps", crops
    )
    checkpoint = load_checkpoint(run / "weights.safetensors")
    expected = mean_metrics(validate(checkpoint, sorted(held.iterdir()), RunOptions()))
    assert len(figures) == len(expected) == 5
    for line, (name, value) in zip(figures, expected.items(), strict=True):
        shown = "–" if value is None else f"{value:.2f}"
        assert line == f"{name:18} {shown:>6} dB, mean of 2 held-out files through JPEG files"
    assert re.fullmatch(rf"wrote {run}/weights\.safetensors \([\d.]+ kB\), weights {checkpoint.weights[:12]}", wrote)
    assert following == f"next: invisp-export onnx --checkpoint {run}/weights.safetensors -o {run}/onnx"
    assert result.stderr == ""


def test_a_run_leaves_weights_state_and_log(finished: tuple[Path, Result]) -> None:
    run, _ = finished
    names = ["CARD.md", "log.jsonl", "run.json", "samples", "state.pt", "weights.safetensors"]
    assert sorted(path.name for path in run.iterdir()) == names
    *measured, report, last = read_log(run / "log.jsonl")
    assert set(report) == {"step", "seconds", "rgb_loss", "raw_loss", "learning_rate"}
    assert [line["step"] for line in (*measured, report, last)] == [*range(2, 20, 2), 20, 20]
    assert sorted(path.name for path in (run / "samples").iterdir()) == sorted(f"{n}.png" for n in range(2, 21, 2))
    card = (run / "CARD.md").read_text()
    for words in (
        "every camera",
        "1 blocks, growth 4, squeeze 2",
        "3 files",
        "held1.dng",
        f"{last['raw_psnr']:.2f} dB",
    ):
        assert words in card
    checkpoint = load_checkpoint(run / "weights.safetensors")
    assert checkpoint.config == NetworkConfig(1, 4, 2, depth=2, kind="chain", coupling="additive")
    contract = checkpoint.contract
    assert (contract.camera, contract.white, contract.white_balance) == ("", "adjusted", "min")
    assert contract.cfa == "RGGB", "the first file's, because the network folds"
    assert (checkpoint.card["files"], checkpoint.card["steps"]) == (3, 20)
    assert set(checkpoint.card["validation"]) == {"held0.dng", "held1.dng"}


def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    raws: Path, held: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_intervals(monkeypatch)
    arguments = (raws, *SMALL, "--held-out", held)
    assert train(*arguments, "-o", tmp_path / "whole").exit_code == 0
    with monkeypatch.context() as patch:
        patch.setattr(optimisation, "sample_batch", interrupting_at(13, optimisation.sample_batch))
        broken = train(*arguments, "-o", tmp_path / "run")
    assert broken.exit_code == 130
    assert "Traceback" not in broken.output
    log = read_log(tmp_path / "run" / "log.jsonl")
    steps = [line["step"] for line in log if "rgb_loss" in line]
    assert steps == [2, 4, 6, 8, 10, 12]  # saved at 10: step 12 will be done again
    again = train(*arguments, "-o", tmp_path / "run", "--resume")
    assert again.exit_code == 0, again.output
    assert same_run(tmp_path / "run", tmp_path / "whole")


def interrupting_at(step: int, real: Callable[..., object]) -> Callable[..., object]:
    calls = 0

    def sample(*arguments: object, **others: object) -> object:
        nonlocal calls
        calls += 1
        if calls > step:
            raise KeyboardInterrupt
        return real(*arguments, **others)

    return sample


def test_a_finished_run_resumes_to_itself(
    finished: tuple[Path, Result], raws: Path, held: Path, tmp_path: Path
) -> None:
    run, _ = finished
    copy = tmp_path / "run"
    copy.mkdir()
    for path in run.glob("*.*"):
        (copy / path.name).write_bytes(path.read_bytes())
    assert train(raws, "-o", copy, *SMALL, "--held-out", held, "--resume").exit_code == 0
    assert same_run(copy, run)


def test_a_run_goes_on_only_as_what_it_began_as(finished: tuple[Path, Result], raws: Path) -> None:
    run, _ = finished
    before = {path.name: path.read_bytes() for path in run.glob("*.*")}
    refused(train(raws, "-o", run, *SMALL, "--seed", 1, "--resume"), 1, "another seed", "same options")
    refused(train(raws, "-o", run, *SMALL), 2, f"The run {run} exists already", "--resume")
    assert {path.name: path.read_bytes() for path in run.glob("*.*")} == before


def test_nothing_to_resume(raws: Path, tmp_path: Path) -> None:
    refused(train(raws, "-o", tmp_path / "run", *SMALL, "--resume"), 2, "no run to resume", "without --resume")
    (tmp_path / "file").write_text("mine")
    refused(train(raws, "-o", tmp_path / "file", *SMALL, "--resume"), 2, "no run to resume")
    assert not (tmp_path / "run").exists()


def test_a_run_that_was_killed_before_its_first_state_begins_again(
    finished: tuple[Path, Result], raws: Path, held: Path, tmp_path: Path
) -> None:
    """Not refused by both, with the option that goes on and without it."""
    whole, _ = finished
    early, begun = tmp_path / "early", tmp_path / "begun"
    early.mkdir()
    (early / ".run.json.0123abcd.part").write_text("{")
    refused(train(raws, "-o", early, *SMALL, "--resume"), 2, "no run to resume", "without --resume")
    begun.mkdir()
    for name in ("run.json", "log.jsonl"):
        (begun / name).write_bytes((whole / name).read_bytes())
    refused(train(raws, "-o", begun, *SMALL), 2, "exists already", "--resume")
    for folder, options in ((early, ()), (begun, ("--resume",))):
        result = train(raws, "-o", folder, *SMALL, "--held-out", held, *options)
        assert result.exit_code == 0, result.output
        assert load_checkpoint(folder / WEIGHTS_FILE).weights == load_checkpoint(whole / WEIGHTS_FILE).weights
        assert len(read_log(folder / "log.jsonl")) == len(read_log(whole / "log.jsonl"))


def test_outputs_that_cannot_be(raws: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    refused(train(raws, "-o", tmp_path / "file", *SMALL), 2, "file is a file")
    refused(train(raws, "-o", tmp_path / "no" / "run", *SMALL), 2, "does not exist")
    refused(train(raws, "-o", "/proc/invisp", *SMALL), 1, "/proc/invisp could not be written")
    assert (tmp_path / "file").read_text() == "mine"


def test_two_cameras_are_refused_by_name(raws: Path, held: Path, small_frame: RawFrame, tmp_path: Path) -> None:
    other = tmp_path / "other.dng"
    write_dng(other, replace(crop(small_frame, 0, 0), make="Maker", model="Other 1"))
    run = tmp_path / "run"
    bound = ("--one-camera", *SMALL)
    refused(train(raws, other, "-o", run, *bound), 1, "other.dng", "Maker Other 1", "Canon EOS 30D")
    held_out = train(raws, "-o", run, *bound, "--held-out", held, "--held-out", other)
    refused(held_out, 1, "held-out", "other.dng", "Maker Other 1", "Canon EOS 30D")
    assert not run.exists(), "refused before training, nothing left"


def test_held_out_files_are_held_out(raws: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    refused(train(raws, "-o", run, *SMALL, "--held-out", raws / "1.dng"), 2, "1.dng is both trained on and held out")
    (tmp_path / "alias").symlink_to(raws)
    refused(train(raws, "-o", run, *SMALL, "--held-out", tmp_path / "alias"), 2, "both trained on and held out")


def test_files_that_are_none(raws: Path, sample_raw: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (tmp_path / "nothing").mkdir()
    (tmp_path / "text.dng").write_text("hello" * 300)
    (tmp_path / "cut.CR2").write_bytes(sample_raw.read_bytes()[:2_000_000])
    refused(train(tmp_path / "nothing", "-o", run, *SMALL), 2, "nothing holds no RAW files")
    refused(train(tmp_path / "absent.dng", "-o", run, *SMALL), 2, "no file", "absent.dng")
    refused(train(raws, tmp_path / "text.dng", "-o", run, *SMALL), 1, "text.dng is not a RAW file")
    refused(train(raws, "-o", run, *SMALL, "--held-out", tmp_path / "cut.CR2"), 1, "cut.CR2 is cut short")
    refused(train(raws, "-o", run, *SMALL, "--patch", 64), 1, "at least 66 pixels", "--patch")
    assert not run.exists()


@pytest.mark.parametrize(("text", "white"), [("file", "file"), ("adjusted", "adjusted"), ("3398", 3398)])
def test_white_is_a_rule_or_a_level(text: str, white: str | int, raws: Path, tmp_path: Path) -> None:
    result = train(raws, "-o", tmp_path / "run", *SMALL, "--steps", 1, "--white-level", text)
    assert result.exit_code == 0, result.output
    assert load_checkpoint(tmp_path / "run" / "weights.safetensors").contract.white == white


@pytest.mark.parametrize("text", ["bright", "", "0", "65536", "-5", "4095.5", "²"])
def test_any_other_white_is_refused_by_its_flag(text: str, raws: Path, tmp_path: Path) -> None:
    result = train(raws, "-o", tmp_path / "run", *SMALL, "--white-level", text)
    refused(result, 2, "--white-level must be file, adjusted or a level from 1 to 65535", f"got {text!r}")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--steps", 0, "--steps must be at least 1"),
        ("--patch", 18, "--patch must be a multiple of 4"),
        ("--batch", 0, "--batch must be at least 1"),
        ("--learning-rate", "nan", "--learning-rate must be a number above 0"),
        ("--raw-weight", -1, "--raw-weight must be a number of at least 0"),
        ("--seed", -1, "--seed must be at least 0"),
        ("--blocks", -1, "--blocks must be a whole number from 0 to 64"),
        ("--squeeze", 5, "--squeeze must be a whole number from 1 to 4"),
        ("--depth", 1, "--depth must be a whole number from 2 to 8"),
        ("--first", 12, "--first must be below the 12 channels, got 12"),
        ("--squeeze", 3, "--patch must be a multiple of the squeeze, 3, got 32"),
        ("--curve", 0.5, "curve"),
        ("--curve", "nan", "curve"),
        ("--curve", "srgb", "--curve"),
        ("--qualities", 0, "--qualities"),
        ("--subsampling", "4:1:1", "--subsampling"),
        ("--cfa", "RGBG", "--cfa"),
        ("--config", "huge", "--config"),
    ],
)
def test_values_out_of_range_name_the_option(
    option: str, value: object, words: str, raws: Path, tmp_path: Path
) -> None:
    refused(train(raws, "-o", tmp_path / "run", *SMALL, option, value), 2, words)
    assert not (tmp_path / "run").exists()


def test_without_folding_any_phase_will_do(raws: Path, tmp_path: Path) -> None:
    result = train(raws, "-o", tmp_path / "run", *SMALL, "--squeeze", 1, "--steps", 1)
    assert result.exit_code == 0, result.output
    assert load_checkpoint(tmp_path / "run" / "weights.safetensors").contract.cfa == "any"


@pytest.mark.parametrize("package", ["torch", "safetensors"])
def test_a_missing_package_is_one_sentence(package: str, raws: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {package!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from invisp_deploy.cli.train import train_command\n"
        "train_command()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(raws), "-o", str(tmp_path / "run")],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert done.stderr == (f"Error: This needs `{package}`, which is not installed: {install_line('train')}\n")
    assert not (tmp_path / "run").exists()


def test_json_is_one_object_with_what_the_run_left(raws: Path, tmp_path: Path) -> None:
    result = train(raws, "-o", tmp_path / "run", *SMALL, "--steps", 1, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["weights"] == str(tmp_path / "run" / "weights.safetensors")
    assert facts["digest"] == load_checkpoint(tmp_path / "run" / "weights.safetensors").weights
    assert facts["steps"] == 1
