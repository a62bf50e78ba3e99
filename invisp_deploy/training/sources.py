"""What a run trains on and holds out: RAW files, or the two splits of a prepared dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from invisp_deploy.bars import Bars, no_bars
from invisp_deploy.contract import LIBRAW, CameraContract
from invisp_deploy.dataset.open import DATASET_FILE, PREPARING_FILE, Dataset, open_dataset
from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.formats.walk import raw_files
from invisp_deploy.training.crops import Crops
from invisp_deploy.training.data import Pair, dataset_pairs, load_pairs
from invisp_deploy.training.run import TrainingSource

_MOST_HELD: Final = 8
"""Held-out RAW files that crops are taken of during a run; all are measured at its end."""


@dataclass(frozen=True)
class TrainingFiles:
    """dataset: a prepared one, else RAW files in `raws`. held_out: RAW files beside them."""

    dataset: Dataset | None
    raws: tuple[Path, ...]
    held_out: tuple[Path, ...]

    @property
    def look(self) -> str:
        """Name of what the targets look like: LibRaw's rendering, else that of the dataset's folder."""
        if self.dataset is None or not self.dataset.options.of_others:
            return LIBRAW
        return self.dataset.root.resolve().name

    @property
    def camera(self) -> str:
        """The one camera that a dataset's files are of; empty for several, and where there is no dataset."""
        shots = () if self.dataset is None else self.dataset.train
        cameras = {shot.facts.frame.camera for shot in shots}
        return cameras.pop() if len(cameras) == 1 else ""

    def first_frame(self) -> RawFrame:
        """Of the first file: it names the camera where the contract is for one."""
        return read_raw(self.raws[0]) if self.dataset is None else self.dataset.shots("train")[0].frame

    def pairs(self, contract: CameraContract, bars: Bars = no_bars) -> list[Pair]:
        """All files to train on."""
        if self.dataset is not None:
            return dataset_pairs(self.dataset, "train", contract)
        with bars(len(self.raws), "reading") as bar:
            return load_pairs(self.raws, contract, on_file=lambda path: bar.update(1))

    def crops(self, pairs: Sequence[Pair], contract: CameraContract, patch: int) -> Crops:
        """Crops of held-out files, or, where there are none large enough, of the training files, and labelled so.

        RAW files that are held out beside a dataset have LibRaw's rendering alone: of another look they are no target.
        """
        others: list[Pair] = []
        if self.dataset is not None and self.dataset.test:
            others = dataset_pairs(self.dataset, "test", contract)
        elif self.held_out and self.look == LIBRAW:
            others = load_pairs(self.held_out[:_MOST_HELD], contract)
        if any(min(pair.mosaic.shape) >= patch + 2 for pair in others):
            return Crops.of(others, contract, patch)
        return Crops.of(pairs, contract, patch, label="training")


def source_of(pairs: Sequence[Pair]) -> TrainingSource:
    """What `run.json` says of the files that are trained on."""
    made = sum(pair.made for pair in pairs)
    return TrainingSource.of(((pair.path.name, pair.mosaic.shape) for pair in pairs), made)


def open_files(sources: Sequence[Path], held_out: Sequence[Path] = ()) -> TrainingFiles:
    """Find the files; nothing is read but a dataset's list.

    sources: one prepared dataset, or RAW files and folders of them. Raises RequestError for a folder without RAW files,
    a dataset beside other sources, and a file that is both trained on and held out; DatasetError for a dataset that is
    unfinished or damaged.
    """
    datasets = [path for path in sources if any((path / name).is_file() for name in (DATASET_FILE, PREPARING_FILE))]
    if datasets and len(sources) > 1:
        raise RequestError(f"{datasets[0]} is a prepared dataset: name it alone, or RAW files only.")
    held = tuple(raw_files(held_out)) if held_out else ()
    if datasets:
        dataset = open_dataset(datasets[0])
        files = TrainingFiles(dataset, (), held)
        trained_on = {Path(shot.source).resolve() for shot in dataset.shots("train")}
    else:
        files = TrainingFiles(None, tuple(raw_files(sources)), held)
        trained_on = {path.resolve() for path in files.raws}
    if doubled := [path for path in held if path.resolve() in trained_on]:
        raise RequestError(f"{doubled[0]} is both trained on and held out: take it out of one.")
    return files
