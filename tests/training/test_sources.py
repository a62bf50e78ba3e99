"""Which crops are measured during a run: those that have the look's target."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from invisp_deploy.contract import LIBRAW, CameraContract
from invisp_deploy.training import sources
from invisp_deploy.training.sources import TrainingFiles


@pytest.mark.parametrize(("others", "read", "label"), [(False, 1, "held-out"), (True, 0, "training")])
def test_held_out_raw_files_are_no_target_of_another_look(
    others: bool, read: int, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have LibRaw's rendering alone; a dataset of LibRaw's look is measured on them."""
    opened: list[Path] = []
    big = SimpleNamespace(mosaic=SimpleNamespace(shape=(200, 200)))

    def load(paths: Any, contract: CameraContract) -> list[Any]:
        opened.extend(paths)
        return [big]

    def crops(pairs: Any, contract: CameraContract, patch: int, label: str = "held-out") -> str:
        return label

    monkeypatch.setattr(sources, "load_pairs", load)
    monkeypatch.setattr(sources.Crops, "of", crops)
    options = SimpleNamespace(of_others=others)
    dataset: Any = SimpleNamespace(test=(), options=options, root=Path("vivid"))
    files = TrainingFiles(dataset, (), (Path("a.dng"),))
    assert files.look == ("vivid" if others else LIBRAW)
    found: Any = files.crops([], CameraContract(), 96)
    assert found == label
    assert len(opened) == read
