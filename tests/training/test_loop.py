"""The loop: the loss falls, a resumed run is the uninterrupted one, and bad numbers stop it."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from invisp_deploy.calibration.codec import JpegCodec
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import CheckpointError, DatasetError, OutputError, TrainingError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.network.checkpoint import load_checkpoint, weights_hash
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.research.rival_training import RivalMethod
from invisp_deploy.research.rivals.cycleisp import CycleIsp
from invisp_deploy.research.rivals.grayscale import InvertibleGrayscale
from invisp_deploy.research.rivals.open import load_rival
from invisp_deploy.research.rivals.unet import UnetPair
from invisp_deploy.training import loop
from invisp_deploy.training.crops import Crops, Measured, measure_crops
from invisp_deploy.training.data import Pair, load_pairs
from invisp_deploy.training.folder import read_log
from invisp_deploy.training.loop import Fitted, Report
from invisp_deploy.training.method import InvispMethod, TrainingMethod
from invisp_deploy.training.options import DataOptions, OptimiserOptions
from invisp_deploy.training.run import Run, TrainingSource, read_run

CONFIG = NetworkConfig(1, 4, 2)
CONTRACT = CameraContract(white="adjusted", white_balance="min", cfa="RGGB")
RUN = Run(CONTRACT, CONFIG, data=DataOptions(32, 1), optimiser=OptimiserOptions(steps=8, learning_rate=1e-3))

METHOD = InvispMethod(CONFIG)


def run_of(**optimiser: Any) -> Run:
    return replace(RUN, optimiser=replace(RUN.optimiser, **optimiser))


def train(pairs: list[Pair], run: Run, folder: Path, method: TrainingMethod = METHOD, **options: Any) -> Fitted:
    torch.manual_seed(run.optimiser.seed)
    network = InvISP(run.config) if run.config is not None else SMALL_RIVALS[run.method]()
    return loop.fit(pairs, network, method, run, folder, **options)


@pytest.fixture(scope="module")
def pairs(small_dng: Path) -> list[Pair]:
    return load_pairs([small_dng], CONTRACT)


def weights(network: nn.Module) -> dict[str, Any]:
    return {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}


def interrupt_at(step: int) -> Any:
    def on_report(report: Report) -> None:
        if report.step == step:
            raise KeyboardInterrupt

    return on_report


@pytest.fixture
def interrupted(pairs: list[Pair], tmp_path: Path) -> Path:
    """A run of eight steps, interrupted after the fifth, saved after the fourth."""
    with pytest.raises(KeyboardInterrupt):
        train(pairs, RUN, tmp_path, report_every=1, save_every=4, on_report=interrupt_at(5))
    return tmp_path


def test_thirty_steps_reduce_the_loss(pairs: list[Pair], tmp_path: Path) -> None:
    reports: list[Report] = []
    run = replace(run_of(steps=30, learning_rate=4e-3), data=DataOptions(32, 2))
    train(pairs, run, tmp_path, report_every=5, on_report=reports.append)
    assert [report.step for report in reports] == [5, 10, 15, 20, 25, 30]
    assert reports[-1].rgb_loss < 0.7 * reports[0].rgb_loss
    assert all(np.isfinite((report.rgb_loss, report.raw_loss)).all() for report in reports)
    seconds = [report.seconds for report in reports]
    assert [0.0, *seconds] == sorted({0.0, *seconds})


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", ["unet", "cycleisp", "grayscale"])
def test_every_rival_is_trained_by_the_same_loop(
    method: str, precision: str, pairs: list[Pair], small_frame: RawFrame, tmp_path: Path
) -> None:
    run = Run(CONTRACT, method=method, data=RUN.data, optimiser=OptimiserOptions(steps=2, precision=precision))
    reports: list[Report] = []
    trained = train(pairs, run, tmp_path, RivalMethod(method), on_report=reports.append)
    rival = load_rival(tmp_path / "weights.safetensors")
    assert (rival.name, rival.contract, rival.card) == (method, CONTRACT, trained.card)
    assert weights(rival.network) == weights(trained.network)
    assert reports[-1].raw_loss > 0
    assert (reports[-1].rgb_loss > 0) == trained.network.renders


SMALL_RIVALS: dict[str, Any] = {
    "unet": lambda: UnetPair("RGGB", 2),
    "cycleisp": lambda: CycleIsp(4, 1, 1, 2),
    "grayscale": lambda: InvertibleGrayscale(4, 4),
}


def test_what_is_returned_is_what_is_saved(pairs: list[Pair], tmp_path: Path) -> None:
    trained = train(pairs, RUN, tmp_path)
    saved = load_checkpoint(tmp_path / "weights.safetensors")
    assert (saved.config, saved.contract) == (CONFIG, CONTRACT)
    assert saved.weights == weights_hash(trained.network)
    assert saved.card == trained.card
    assert Run.from_dict(saved.card["run"]) == read_run(tmp_path / "run.json") == RUN
    assert saved.card["steps"] == 8
    assert saved.card["seconds"] == pytest.approx(trained.seconds, abs=1e-3)
    assert not trained.network.training


def test_a_seed_decides_everything(pairs: list[Pair], tmp_path: Path) -> None:
    runs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        runs.append(weights_hash(train(pairs, run_of(steps=3, seed=seed), tmp_path / name).network))
    assert runs[0] == runs[1] != runs[2]


def test_the_average_is_that_of_the_options(pairs: list[Pair], tmp_path: Path) -> None:
    """Without an average (decay 0) the saved weights are those of the last step."""
    trained = train(pairs, run_of(ema_decay=0.0), tmp_path)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    for name, tensor in trained.network.state_dict().items():
        torch.testing.assert_close(tensor, state["network"][name])


def test_crops_are_measured_and_drawn(pairs: list[Pair], tmp_path: Path) -> None:
    measured: list[Measured] = []
    crops = Crops.of(pairs, CONTRACT, 32, label="training", count=5)
    train(pairs, RUN, tmp_path, crops=crops, sample_every=3, report_every=4, on_measured=measured.append)
    assert [one.step for one in measured] == [3, 6, 8]
    lines = read_log(tmp_path / "log.jsonl")
    assert [line["step"] for line in lines] == [3, 4, 6, 8, 8]
    assert [line for line in lines if "crops" in line] == [one.to_dict() for one in measured]
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == ["3.png", "6.png", "8.png"]
    with Image.open(tmp_path / "samples" / "8.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), measured[-1].picture)
    saved = load_checkpoint(tmp_path / "weights.safetensors").network
    assert measure_crops(saved, crops, JpegCodec()).raw_psnr == pytest.approx(measured[-1].raw_psnr, abs=1e-3)


def test_measuring_changes_nothing(pairs: list[Pair], tmp_path: Path) -> None:
    found = []
    for name, crops in (("with", Crops.of(pairs, CONTRACT, 32)), ("without", None)):
        (tmp_path / name).mkdir()
        found.append(weights(train(pairs, RUN, tmp_path / name, crops=crops, sample_every=2).network))
    assert found[0] == found[1]


def test_the_time_of_a_step_is_measured_on_a_copy(pairs: list[Pair]) -> None:
    network = InvISP(CONFIG)
    before = weights(network)
    random = torch.get_rng_state()
    assert loop.seconds_per_step(pairs, network, METHOD, RUN) > 0
    assert weights(network) == before
    assert torch.equal(torch.get_rng_state(), random)


def test_a_resumed_run_is_the_uninterrupted_one_to_the_bit(pairs: list[Pair], interrupted: Path) -> None:
    whole_folder = interrupted / "whole"
    whole_folder.mkdir()
    whole = train(pairs, RUN, whole_folder)
    reports: list[Report] = []
    resumed = train(pairs, RUN, interrupted, resume=True, report_every=1, on_report=reports.append)
    assert [report.step for report in reports] == [5, 6, 7, 8]
    assert weights(resumed.network) == weights(whole.network)
    states = [torch.load(folder / "state.pt", weights_only=True) for folder in (interrupted, whole_folder)]
    for name, tensor in states[0]["network"].items():
        assert torch.equal(tensor, states[1]["network"][name]), name
    logs = [read_log(folder / "log.jsonl") for folder in (interrupted, whole_folder)]
    assert [line["step"] for line in logs[0]] == [1, 2, 3, 4, 5, 6, 7, 8]
    whole_mean = np.mean([[line["rgb_loss"], line["raw_loss"]] for line in logs[0]], 0)
    np.testing.assert_allclose(whole_mean, [logs[1][0]["rgb_loss"], logs[1][0]["raw_loss"]])
    assert resumed.seconds == pytest.approx(logs[0][-1]["seconds"], abs=1e-3)


def test_means_of_losses_go_on_over_a_save(pairs: list[Pair], tmp_path: Path) -> None:
    """Saved after step 4, in the middle of what the report after step 8 is the mean of."""
    for name in ("broken", "whole"):
        (tmp_path / name).mkdir()
    calls = iter(range(100))

    def stopping(window: object) -> Any:
        if next(calls) == 5:
            raise KeyboardInterrupt
        return pairs[0].target(window)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        train([replace(pairs[0], target=stopping)], RUN, tmp_path / "broken", save_every=4)
    assert read_log(tmp_path / "broken" / "log.jsonl") == []
    train(pairs, RUN, tmp_path / "broken", resume=True)
    train(pairs, RUN, tmp_path / "whole")
    (broken,), (whole,) = (read_log(tmp_path / name / "log.jsonl") for name in ("broken", "whole"))
    assert {**broken, "seconds": 0} == {**whole, "seconds": 0}


def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_state(pairs: list[Pair], interrupted: Path) -> None:
    before = {path.name: path.read_bytes() for path in interrupted.iterdir()}
    kept = [line["step"] for line in read_log(interrupted / "log.jsonl")]
    assert kept == [1, 2, 3, 4, 5]
    poisoned = [replace(pair, target=lambda window, own=pair.target: own(window) * np.float32("nan")) for pair in pairs]
    with pytest.raises(TrainingError, match=r"not finite at step 4 .*state\.pt"):
        train(poisoned, RUN, interrupted, resume=True, save_every=1)
    assert {path.name: path.read_bytes() for path in interrupted.iterdir()} == before
    assert set(before) == {"state.pt", "weights.safetensors", "run.json", "log.jsonl"}


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("optimiser", "steps", 9),
        ("optimiser", "learning_rate", 2e-3),
        ("optimiser", "seed", 1),
        ("optimiser", "precision", "bf16"),
        ("jpeg", "subsampling", ("4:4:4",)),
        ("loss", "norm", "l2"),
        ("data", "patch", 64),
        ("contract", "white_balance", "max"),
        ("config", "growth", 5),
    ],
)
def test_what_changed_is_refused_by_name(
    pairs: list[Pair], interrupted: Path, part: str, name: str, value: Any
) -> None:
    other = replace(RUN, **{part: replace(getattr(RUN, part), **{name: value})})
    with pytest.raises(CheckpointError, match=f"another {name}:"):
        train(pairs, other, interrupted, resume=True)


def test_other_files_and_another_method_are_refused(pairs: list[Pair], interrupted: Path) -> None:
    with pytest.raises(CheckpointError, match="another source:"):
        train(pairs, replace(RUN, source=TrainingSource(1, 0, "ab")), interrupted, resume=True)
    rival = Run(CONTRACT, method="cycleisp", data=RUN.data, optimiser=RUN.optimiser)
    with pytest.raises(CheckpointError, match="another method, blocks, growth, squeeze"):
        train(pairs, rival, interrupted, RivalMethod("cycleisp"), resume=True)


def test_a_full_disk_is_a_sentence_and_the_state_before_it_goes_on(
    pairs: list[Pair], interrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in interrupted.iterdir()}

    def full(state: object, stream: Any) -> None:
        stream.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(OutputError, match=r"The disk is full: .*state\.pt was not written; free some space"):
            train(pairs, RUN, interrupted, resume=True)
    after = {path.name: path.read_bytes() for path in interrupted.iterdir()}
    assert {**after, "log.jsonl": b""} == {**before, "log.jsonl": b""}
    whole = interrupted / "whole"
    whole.mkdir()
    resumed = train(pairs, RUN, interrupted, resume=True)
    assert weights(resumed.network) == weights(train(pairs, RUN, whole).network)


def test_a_full_disk_is_told_by_pytorch_as_it_is(tmp_path: Path) -> None:
    """What the test above pretends: a real device without space, behind an open file as `train` writes."""
    with pytest.raises(OSError, match="No space left"), Path("/dev/full").open("wb") as stream:
        torch.save({"tensor": torch.zeros(1_000_000)}, stream)


def test_an_unreadable_file_in_the_middle_is_named_and_the_last_state_stays(
    pairs: list[Pair], interrupted: Path
) -> None:
    before = {path.name: path.read_bytes() for path in interrupted.iterdir()}
    calls = 0

    def broken(window: object) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise DatasetError("targets/a.jpg is damaged")
        return pairs[0].target(window)  # type: ignore[arg-type]

    with pytest.raises(DatasetError, match=r"a\.jpg"):
        train([replace(pairs[0], target=broken)], RUN, interrupted, resume=True)
    after = {path.name: path.read_bytes() for path in interrupted.iterdir()}
    assert after["state.pt"] == before["state.pt"]


def test_nothing_to_resume_is_a_sentence(pairs: list[Pair], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no state to resume: .*state\.pt does not exist"):
        train(pairs, RUN, tmp_path, resume=True)


@pytest.mark.parametrize("damage", [b"", b"no state", None])
def test_a_damaged_state_is_a_sentence(pairs: list[Pair], interrupted: Path, damage: bytes | None) -> None:
    state = interrupted / "state.pt"
    state.write_bytes(state.read_bytes()[:-2000] if damage is None else damage)
    with pytest.raises(CheckpointError, match=r"state\.pt is damaged"):
        train(pairs, RUN, interrupted, resume=True)
