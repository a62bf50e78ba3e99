"""run.json: every run comes back from its file, and nothing else is taken for one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.training.options import DataOptions, JpegOptions, LossOptions, OptimiserOptions
from invisp_deploy.training.run import Run, TrainingSource, read_run

RUN = Run(
    CameraContract("Canon", "Canon EOS 30D", white=4095, white_balance="none"),
    NetworkConfig(2, 8, 2),
    source=TrainingSource(3, 1, "ab" * 32),
    data=DataOptions(64, 2),
    loss=LossOptions(0.5, "l2", 4.0),
    jpeg=JpegOptions("dsq", (70, 98), ("4:2:2", "4:2:0")),
    optimiser=OptimiserOptions(7, 1e-3, 3, "halve", 2.0, 0.99, "bf16", 5),
    start={"start": "cd", "precision": "int8", "scales": "ef", "kept": ["block0.G"]},
    minutes=2.5,
)
RIVAL = Run(CameraContract(), method="unet")


@pytest.mark.parametrize("run", [RUN, RIVAL])
def test_a_run_comes_back_from_its_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(run.to_json())
    assert read_run(path) == run
    assert Run.from_dict(run.to_dict()) == run


def test_invisp_has_a_configuration_and_a_rival_has_none() -> None:
    for method, config in (("invisp", None), ("unet", NetworkConfig())):
        with pytest.raises(RequestError, match="has a configuration and one of another method has none"):
            Run(CameraContract(), config, method)


def changed(**parts: Any) -> str:
    return json.dumps({**RUN.to_dict(), **parts})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "does not describe a run"),
        ("[1, 2]", "does not describe a run"),
        ("{}", "has the fields"),
        (changed(colour=1), "has the fields"),
        (changed(format="invisp-run-2"), "format 'invisp-run-1', got 'invisp-run-2'"),
        (changed(data={"patch": 64}), r"DataOptions has the fields \['batch', 'patch'\], got \['patch'\]"),
        (changed(data={"patch": 10, "batch": 1}), "`patch` must be at least 16"),
        (changed(optimiser=None), "OptimiserOptions has the fields"),
        (changed(jpeg=3), "does not describe a run"),
        (changed(config={"blocks": 1}), "fields"),
        (changed(contract={}), "fields"),
    ],
)
def test_other_files_are_refused_by_name(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(RequestError, match=words) as caught:
        read_run(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no.json could not be read: No such file"):
        read_run(tmp_path / "no.json")


def test_identity_has_all_but_what_changes_no_number() -> None:
    assert replace(RUN, minutes=None).identity() == RUN.identity()
    moved = replace(RUN, source=TrainingSource(3, 1, "cd" * 32))
    for other, name in (
        (moved, "source"),
        (replace(RUN, loss=LossOptions(0.5, "l1", 4.0)), "loss.norm"),
        (replace(RUN, contract=replace(RUN.contract, curve=1.8)), "contract.curve"),
        (replace(RUN, config=NetworkConfig(2, 8, 1)), "config.squeeze"),
        (replace(RUN, start={**RUN.to_dict()["start"], "kept": []}), "start.kept"),
    ):
        one, two = RUN.identity(), other.identity()
        assert [key for key in {**one, **two} if one.get(key) != two.get(key)] == [name]


def test_a_source_is_its_files_in_their_order() -> None:
    shots = [("a.dng", (64, 80)), ("b.dng", (64, 80))]
    assert TrainingSource.of(shots).files == 2
    assert TrainingSource.of(shots) == TrainingSource.of(iter(shots))
    assert (
        len({TrainingSource.of(one).digest for one in (shots, shots[::-1], shots[:1], [("a.dng", (80, 64)), shots[1]])})
        == 4
    )
