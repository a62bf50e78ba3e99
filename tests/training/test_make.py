"""A run by one call of Python, as people write it: what comes back is what lies in the folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.errors import ContractError, RequestError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.network.checkpoint import load_checkpoint
from invisp_deploy.training import (
    ContractOptions,
    DataOptions,
    InvispMethod,
    OptimiserOptions,
    Start,
    TrainingOptions,
    read_run,
    train,
)
from invisp_deploy.training.many_cameras import ManyCameras
from invisp_deploy.training.run import Run
from invisp_deploy.training.synthesis import make_dngs
from tests.cli.test_train import crop

METHOD = InvispMethod(NetworkConfig(1, 4, 2))
QUICK = TrainingOptions(data=DataOptions(32), optimiser=OptimiserOptions(steps=3, seed=2))


@pytest.fixture(scope="module")
def raws(sample_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raws")
    for number in range(2):
        write_dng(folder / f"{number}.dng", crop(sample_frame, 1200 + 100 * number, 1800))
    return folder


class Bars:
    """What was shown: description -> (total, how far it came, last text)."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[int, int, str]] = {}

    @contextmanager
    def __call__(self, total: int, description: str) -> Iterator[Any]:
        self.total, self.done, self.text = total, 0, ""
        yield self
        self.seen[description] = (total, self.done, self.text)

    def update(self, count: int) -> None:
        self.done += count

    def set_postfix_str(self, text: str, refresh: bool) -> None:
        self.text = text


def test_one_call_trains_and_gives_what_it_left(raws: Path, tmp_path: Path) -> None:
    bars, said = Bars(), list[str]()
    run = tmp_path / "run"
    made = train([raws / "0.dng"], run, QUICK, METHOD, held_out=[raws / "1.dng"], bars=bars, say=said.append)
    checkpoint = load_checkpoint(made.weights)
    assert made.weights == run / "weights.safetensors"
    assert (made.digest, made.card, made.scales) == (checkpoint.weights, checkpoint.card, None)
    assert made.run == read_run(run / "run.json")
    assert (made.run.contract.camera, made.run.contract.cfa, made.run.optimiser.seed) == ("", "RGGB", 2)
    assert set(made.card["validation"]) == {"1.dng"}
    assert said == ["1 files of any camera; 1 blocks, growth 4, squeeze 2, 3 steps"]
    counts = {name: (total, done) for name, (total, done, _) in bars.seen.items()}
    assert counts == {"reading": (1, 1), "training": (3, 3), "validating": (1, 1)}
    assert bars.seen["training"][2].startswith("rgb 0.")


def test_files_of_many_cameras_are_trained_on_under_a_contract_for_all(raws: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC).save(tmp_path / "photo.png")
    (tmp_path / "dngs").mkdir()
    made = make_dngs([tmp_path / "photo.png"], ManyCameras(), tmp_path / "dngs", per_photo=5)
    said = list[str]()
    run = Run(UNIVERSAL, METHOD.config, data=QUICK.data, optimiser=QUICK.optimiser)
    trained = train([*made, raws], tmp_path / "run", run, held_out=[], say=said.append)
    assert said == ["7 files of any camera; 1 blocks, growth 4, squeeze 2, 3 steps"]
    assert (trained.run.source.files, trained.run.source.made) == (7, 5)
    assert load_checkpoint(trained.weights).contract == UNIVERSAL
    assert "# every camera" in (tmp_path / "run" / "CARD.md").read_text()
    with pytest.raises(ContractError, match=r"photo-1\.dng is from Made .*, the training is for Made .* alone"):
        train(made, tmp_path / "tied", replace(QUICK, contract=ContractOptions(bound=True)), METHOD)
    assert not (tmp_path / "tied" / "weights.safetensors").exists()


def test_weights_are_tied_to_no_camera_without_a_name(small_frame: RawFrame, tmp_path: Path) -> None:
    replace(small_frame, make="", model="").save(tmp_path / "a.dng")
    tied = replace(QUICK, contract=ContractOptions(bound=True))
    with pytest.raises(RequestError, match=r"the first file names none .*leave `bound` off"):
        train([tmp_path / "a.dng"], tmp_path / "run", tied, METHOD)
    with pytest.raises(RequestError, match="the first file names none"):
        train([tmp_path / "a.dng"], tmp_path / "run", replace(QUICK, contract=ContractOptions(color="camera")), METHOD)
    assert not (tmp_path / "run").exists()
    assert train([tmp_path / "a.dng"], tmp_path / "run", QUICK, METHOD).run.contract.camera == ""


def test_a_run_is_repeated_and_tuned_by_the_same_call(raws: Path, tmp_path: Path) -> None:
    first = train([raws], tmp_path / "a", QUICK, METHOD)
    again = train([raws], tmp_path / "b", read_run(tmp_path / "a" / "run.json"))
    assert again.digest == first.digest
    method = InvispMethod(METHOD.config, Start.open(first.weights))
    tuned = train([raws], tmp_path / "c", replace(QUICK, optimiser=OptimiserOptions(steps=1)), method)
    assert tuned.digest != first.digest
    assert tuned.run.start is not None
    assert tuned.run.start["start"] == first.digest
    assert tuned.run.contract == first.run.contract
    chosen = replace(QUICK, contract=ContractOptions(curve=1.8))
    with pytest.raises(RequestError, match="The camera contract is that of the weights to start from"):
        train([raws], tmp_path / "d", chosen, method)
    with pytest.raises(RequestError, match="The run starts from new weights"):
        train([raws], tmp_path / "d", first.run, method)
    assert not (tmp_path / "d").exists()
