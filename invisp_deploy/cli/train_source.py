"""What `invisp train` trains on and holds out: RAW files, or the two splits of a prepared dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from invisp_deploy.cli.common import progress
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError

if TYPE_CHECKING:
    from invisp_deploy.dataset.open import Dataset
    from invisp_deploy.formats.frame import RawFrame
    from invisp_deploy.training.data import Pair
    from invisp_deploy.training.held_out import HeldOut
    from invisp_deploy.training.run import Source

_MOST_HELD: Final = 8
"""Held-out RAW files that crops are taken of during a run; all are measured at its end."""


@dataclass(frozen=True)
class TrainingFiles:
    """dataset: a prepared one, else RAW files in `raws`. held: RAW files of `--validate`."""

    dataset: Dataset | None
    raws: tuple[Path, ...]
    held: tuple[Path, ...]

    def first_frame(self) -> RawFrame:
        """Of the first file: it names the camera."""
        from invisp_deploy.formats.raw import read_raw

        return read_raw(self.raws[0]) if self.dataset is None else self.dataset.shots("train")[0].frame

    def pairs(self, contract: CameraContract, *, quiet: bool) -> list[Pair]:
        """All files to train on."""
        from invisp_deploy.training.data import dataset_pairs, load_pairs

        if self.dataset is not None:
            return dataset_pairs(self.dataset, "train", contract)
        with progress(len(self.raws), "reading", quiet=quiet) as bar:
            return load_pairs(self.raws, contract, on_file=lambda path: bar.update(1))

    def source(self, pairs: Sequence[Pair]) -> Source:
        """What `run.json` says of them."""
        from invisp_deploy.training.run import Source

        made = 0 if self.dataset is None else sum(shot.made for shot in self.dataset.shots("train"))
        return Source.of(((pair.path.name, pair.mosaic.shape) for pair in pairs), made)

    def held_out(self, pairs: Sequence[Pair], contract: CameraContract, patch: int) -> HeldOut:
        """Crops of held-out files, or, where there are none large enough, of the training files, and labelled so."""
        from invisp_deploy.training.data import dataset_pairs, load_pairs
        from invisp_deploy.training.held_out import HeldOut

        others: list[Pair] = []
        if self.dataset is not None and self.dataset.test:
            others = dataset_pairs(self.dataset, "test", contract)
        elif self.held:
            others = load_pairs(self.held[:_MOST_HELD], contract)
        if any(min(pair.mosaic.shape) >= patch + 2 for pair in others):
            return HeldOut.of(others, contract, patch)
        return HeldOut.of(pairs, contract, patch, label="training")


def open_files(sources: Sequence[Path], held: Sequence[Path]) -> TrainingFiles:
    """Find the files; nothing is read but a dataset's list.

    Raises RequestError for a folder without RAW files, a dataset beside other sources, and a file that is both trained
    on and held out; DatasetError for a dataset that is unfinished or damaged.
    """
    from invisp_deploy.dataset.open import DATASET_FILE, PREPARING_FILE, open_dataset

    datasets = [path for path in sources if any((path / name).is_file() for name in (DATASET_FILE, PREPARING_FILE))]
    if datasets and len(sources) > 1:
        raise RequestError(f"{datasets[0]} is a prepared dataset: name it alone, or RAW files only.")
    held_out = tuple(_raws(held))
    if datasets:
        dataset = open_dataset(datasets[0])
        files = TrainingFiles(dataset, (), held_out)
        trained_on = {Path(shot.source).resolve() for shot in dataset.shots("train")}
    else:
        files = TrainingFiles(None, tuple(_raws(sources)), held_out)
        trained_on = {path.resolve() for path in files.raws}
    if doubled := [path for path in held_out if path.resolve() in trained_on]:
        raise RequestError(f"{doubled[0]} is both trained on and held out: take it out of one.")
    return files


def _raws(paths: Sequence[Path]) -> list[Path]:
    from invisp_deploy.formats.raw import RAW_SUFFIXES

    found: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        chosen = [file for file in inside if not path.is_dir() or file.suffix.lower() in RAW_SUFFIXES]
        if not chosen:
            raise RequestError(f"The folder {path} holds no RAW files.")
        found += chosen
    return found
