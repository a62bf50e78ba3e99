"""invisp train --from --quantize as people call it: what it writes, what it says, what it refuses."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from invisp_deploy.arithmetic import quantised_tensors
from invisp_deploy.calibration.record import CalibratedFile, ScaleRecord, TensorScale, read_record, write_record
from invisp_deploy.contract import CameraContract
from invisp_deploy.evaluation.metrics import mean_metrics
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from invisp_deploy.network.lowered import lowered
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.report.markdown import number
from invisp_deploy.training.validation import validate
from tests.cli.test_train import crop, refused, train
from tests.training.test_method import CONFIG, random_network

QUICK = ("--patch", 32, "--steps", 4)
CONTRACT = CameraContract("Canon", "Canon EOS 30D", white="adjusted", white_balance="min", cfa="RGGB")


@pytest.fixture(scope="module")
def folder(sample_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """raw.dng and held.dng; weights.safetensors and a record of scales for them; a second set of weights."""
    folder = tmp_path_factory.mktemp("tuning")
    write_dng(folder / "raw.dng", crop(sample_frame, 1200, 1800))
    write_dng(folder / "held.dng", crop(sample_frame, 1200, 2000))
    for name, seed in (("weights", 3), ("others", 4)):
        save_checkpoint(folder / f"{name}.safetensors", Checkpoint(random_network(seed), CONTRACT))
    scales = {name: TensorScale(1 / 16, 7.9, 0.0) for name in quantised_tensors(CONFIG)}
    weights = load_checkpoint(folder / "weights.safetensors").weights
    files = (CalibratedFile("raw.dng", "0" * 64, 1),)
    record = ScaleRecord(weights, CONFIG, scales, "maximum", files, {"tile": 64}, ("block0.G",), {"block0.G": 0.5})
    write_record(folder / "scales.json", record)
    return folder


@pytest.fixture(scope="module")
def tuned(folder: Path) -> tuple[Path, Result]:
    result = tune(folder, folder / "tuned", "--held-out", folder / "held.dng")
    assert result.exit_code == 0, result.output
    return folder / "tuned", result


def tune(folder: Path, output: Path, *arguments: object) -> Result:
    start = ("--from", folder / "weights.safetensors", "--quantize", folder / "scales.json")
    return train(folder / "raw.dng", "-o", output, *start, *QUICK, *arguments)


def test_weights_come_with_their_scales(tuned: tuple[Path, Result], folder: Path) -> None:
    run, _ = tuned
    checkpoint, before = (load_checkpoint(path / "weights.safetensors") for path in (run, folder))
    record, measured = read_record(run / "scales.json"), read_record(folder / "scales.json")
    record.check_weights(checkpoint.weights, "scales.json")
    assert checkpoint.weights != before.weights
    assert record.arithmetic("int8").scales == measured.arithmetic("int8").scales, "scales stay as they were measured"
    assert record.kept == () != measured.kept, "every convolution was trained in int8"
    assert (record.files, record.options["tile"], record.sensitivity) == (measured.files, 64, {})
    facts = checkpoint.card["run"]["start"]
    assert facts == {
        "start": before.weights, "precision": "int8", "scales": measured.arithmetic("int8").digest, "kept": [],
    }  # fmt: skip
    assert record.options["fine_tuned"] == {**facts, "run": checkpoint.card["run"]}
    assert (checkpoint.config, checkpoint.contract) == (before.config, before.contract)
    assert checkpoint.card["run"]["optimiser"]["learning_rate"] == 5e-5, "lower than that of new weights"


def test_before_and_after_are_measured_on_held_out_files(tuned: tuple[Path, Result], folder: Path) -> None:
    run, result = tuned
    before, after = (load_checkpoint(path / "weights.safetensors") for path in (folder, run))
    arithmetic = read_record(run / "scales.json").arithmetic("int8")
    networks = [before, *(replace(one, network=lowered(one.network, arithmetic)) for one in (before, after)), after]
    expected = [mean_metrics(validate(one, [folder / "held.dng"], RunOptions())) for one in networks]
    head, names, *rows, scales, weights, following = result.stdout.splitlines()[2:]
    assert head == "mean of 1 held-out files through JPEG files, dB"
    assert re.split(r"  +", names.strip()) == ["fp32 before", "int8 before", "int8 after", "fp32 after"]
    printed = {row.split()[0]: row.split()[1:] for row in rows}
    assert printed == {name: [number(figures[name], 2) for figures in expected] for name in expected[0]}
    assert len({tuple(figures.values()) for figures in expected}) == 4
    assert scales.startswith(f"wrote {run}/scales.json ")
    assert weights.startswith(f"wrote {run}/weights.safetensors ")
    assert following == (
        f"next: invisp-export onnx --checkpoint {run}/weights.safetensors --precision int8 "
        f"--scales {run}/scales.json -o {run}/onnx"
    )


def test_kept_layers_stay_kept_if_asked(folder: Path, tmp_path: Path) -> None:
    assert tune(folder, tmp_path / "run", "--keep").exit_code == 0
    assert read_record(tmp_path / "run" / "scales.json").kept == ("block0.G",)
    assert load_checkpoint(tmp_path / "run" / "weights.safetensors").card["run"]["start"]["kept"] == ["block0.G"]


def test_weights_can_be_trained_on_without_a_record(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert train(folder / "raw.dng", "-o", run, "--from", folder / "weights.safetensors", *QUICK).exit_code == 0
    names = ["CARD.md", "log.jsonl", "run.json", "samples", "state.pt", "weights.safetensors"]
    assert sorted(path.name for path in run.iterdir()) == names
    assert load_checkpoint(run / "weights.safetensors").card["run"]["start"]["precision"] == "fp32"


def test_another_look_may_begin_with_given_weights(folder: Path, tmp_path: Path) -> None:
    weights = folder / "weights.safetensors"
    result = train(folder / "raw.dng", "-o", tmp_path / "run", "--from", weights, "--look", "night", *QUICK)
    assert result.exit_code == 0, result.output
    assert load_checkpoint(tmp_path / "run" / "weights.safetensors").contract == replace(CONTRACT, look="night")


def test_a_run_goes_on_only_from_the_weights_it_began_with(tuned: tuple[Path, Result], folder: Path) -> None:
    run, _ = tuned
    before = load_checkpoint(run / "weights.safetensors").weights
    assert tune(folder, run, "--resume").exit_code == 0
    assert load_checkpoint(run / "weights.safetensors").weights == before
    others = train(folder / "raw.dng", "-o", run, "--from", folder / "others.safetensors", *QUICK, "--resume")
    refused(others, 1, "another start, precision, scales", "same options")


def test_a_record_of_other_weights_or_none_is_refused(folder: Path, tmp_path: Path) -> None:
    raw, run = folder / "raw.dng", tmp_path / "run"
    weights, scales = folder / "weights.safetensors", folder / "scales.json"
    others = train(raw, "-o", run, "--from", folder / "others.safetensors", "--quantize", scales, *QUICK)
    refused(others, 1, "scales.json was measured on the weights", "calibrate again")
    refused(train(raw, "-o", run, "--from", weights, "--quantize", weights), 1, "is not a record of scales")
    refused(
        train(raw, "-o", run, "--from", weights, "--quantize", tmp_path / "no.json"), 2, "no.json could not be read"
    )
    refused(train(raw, "-o", run, "--from", tmp_path / "no.safetensors"), 2, "no checkpoint")
    refused(train(raw, "-o", run, "--from", scales), 1, "scales.json")
    write_record(tmp_path / "wide.json", replace(read_record(scales), config=replace(CONFIG, squeeze=1)))
    wide = train(raw, "-o", run, "--from", weights, "--quantize", tmp_path / "wide.json", *QUICK)
    refused(wide, 1, "wide.json is of", "calibrate again")
    assert not run.exists()


def test_options_that_go_only_with_others(folder: Path, tmp_path: Path) -> None:
    raw, run = folder / "raw.dng", tmp_path / "run"
    refused(train(raw, "-o", run, "--quantize", folder / "scales.json"), 2, "--quantize needs --from WEIGHTS")
    refused(train(raw, "-o", run, "--from", folder / "weights.safetensors", "--keep"), 2, "--keep", "--quantize RECORD")
    assert not run.exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--config", "edge"), ("--squeeze", 2), ("--kind", "chain"), ("--first", 3), ("--gains", "min")],
)
def test_what_the_weights_decide_is_not_asked_for(option: str, value: object, folder: Path, tmp_path: Path) -> None:
    refused(tune(folder, tmp_path / "run", option, value), 2, f"{option} is decided by", "leave it out")
