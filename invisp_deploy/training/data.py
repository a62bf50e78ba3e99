"""Training data: crops of mosaics and of what they are to become, flipped without breaking the CFA phase.

Pairs lie in memory (`load_pairs`, RAW files) or on disk (`dataset_pairs`, a prepared dataset, of which a crop reads
only its part).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from invisp_deploy.contract import CameraContract
from invisp_deploy.dataset.open import Dataset, Shot, Split
from invisp_deploy.errors import ContractError, TrainingError
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.isp.demosaic import window_cfa
from invisp_deploy.isp.develop import Window, develop
from invisp_deploy.isp.frame import FrameFacts, Mosaic
from invisp_deploy.isp.recipe import Recipe


@dataclass(frozen=True)
class Pair:
    """One RAW file for training, in sensor order.

    mosaic: (H, W) uint16, in memory or memory-mapped.
    target: a window of the frame -> the dataset's picture of it, or LibRaw's, (h, w, 3) uint8.
    made: whether it was made from a photograph, not taken by a camera.
    """

    path: Path
    mosaic: Mosaic
    recipe: Recipe
    target: Callable[[Window], npt.NDArray[np.uint8]]
    made: bool = False


@dataclass(frozen=True)
class _Crop:
    """All that chance decides of one crop. The flips come first, then the transposition."""

    pair: Pair
    window: Window
    upside: bool
    sideways: bool
    transposed: bool

    def turned(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(3, H, W), flipped as a view."""
        array = array[:, ::-1] if self.upside else array
        array = array[:, :, ::-1] if self.sideways else array
        return array.transpose(0, 2, 1) if self.transposed else array


def load_pairs(
    paths: Sequence[Path], contract: CameraContract, *, on_file: Callable[[Path], object] = lambda path: None
) -> list[Pair]:
    """Read and render every RAW file. About 5 bytes a pixel stay in memory.

    Raises ContractError for a file of another camera than the contract's, RawFileError for one that does not open.
    """
    pairs = []
    for path in paths:
        pairs.append(_pair(path, contract))
        on_file(path)
    return pairs


def dataset_pairs(dataset: Dataset, split: Split, contract: CameraContract) -> list[Pair]:
    """The files of a split, memory-mapped: next to nothing stays in memory, and one file handle each.

    A crop of a file that has gone, was cut short or is damaged raises DatasetError with its name.
    Raises ContractError for a dataset with a file of another camera than the contract's; DatasetError for an empty
    split, a damaged mosaic, or more files than the process may hold open.
    """
    if (other := dataset.other_than(contract)) is not None:
        raise _another_camera(other.source, other.facts.frame, contract)
    return [
        Pair(
            shot.mosaic_path,
            np.asarray(shot.frame.mosaic),
            shot.recipe(contract),
            partial(_stored_target, shot),
            shot.made,
        )
        for shot in dataset.shots(split)
    ]


def sample_batch(
    pairs: Sequence[Pair],
    contract: CameraContract,
    patch: int,
    batch: int,
    rng: np.random.Generator,
    share: tuple[int, int] = (0, 1),
) -> tuple[Tensor, Tensor]:
    """Random crops, flips and transpositions: raw (b, 3, patch, patch) and sRGB target in [0, 1], float32.

    Files are drawn by area. Crops start where the flipped CFA has the contract's phase.
    share: (rank, world) loads the crops of one of `world` processes, b = batch / world; chance is drawn for all of
    them, so the shares join to the batch of one process.
    Raises TrainingError if no file is large enough or the batch cannot be shared; DatasetError for a damaged file.
    """
    usable = [pair for pair in pairs if min(pair.mosaic.shape) >= patch + 2]
    if not usable:
        raise TrainingError(f"No training file is at least {patch + 2} pixels wide and high: use a smaller `patch`.")
    rank, world = share
    if batch % world:
        raise TrainingError(f"`batch` must be a multiple of the number of processes, {world}, got {batch}.")
    area = np.array([pair.mosaic.size for pair in usable], np.float64)
    chosen = rng.choice(len(usable), batch, p=area / area.sum())
    crops = [_drawn(usable[index], contract, patch, rng) for index in chosen]
    part = batch // world
    raw = np.empty((part, 3, patch, patch), np.float32)
    target = np.empty_like(raw)
    for index, crop in enumerate(crops[rank * part : (rank + 1) * part]):
        picture = crop.pair.target(crop.window)  # first: it finds that a mapped file was cut short
        target[index] = crop.turned(picture.transpose(2, 0, 1))
        raw[index] = crop.turned(develop(crop.pair.mosaic, crop.pair.recipe, crop.window))
    target /= np.float32(255)
    return torch.from_numpy(raw), torch.from_numpy(target)


def _pair(path: Path, contract: CameraContract) -> Pair:
    frame = read_raw(path)
    if not contract.accepts(frame.make, frame.model):
        raise _another_camera(path, frame, contract)
    target = render_libraw(path)
    if target.shape[:2] != frame.mosaic.shape:
        raise TrainingError(f"{path}: LibRaw renders {target.shape[:2]}, the mosaic is {frame.mosaic.shape}.")
    made = frame.metadata.made_from_photograph
    return Pair(path, frame.mosaic, frame.recipe(contract), target.__getitem__, made)


def _another_camera(path: str | Path, frame: FrameFacts, contract: CameraContract) -> ContractError:
    return ContractError(
        f"{path} is from {frame.camera or 'an unknown camera'}, the training is for {contract.camera} alone: take the "
        "file out, or train with a contract that is tied to no camera."
    )


def _stored_target(shot: Shot, window: Window) -> npt.NDArray[np.uint8]:
    shot.check()
    return shot.target(window)


def _drawn(pair: Pair, contract: CameraContract, patch: int, rng: np.random.Generator) -> _Crop:
    upside, sideways, transposed = (bool(bit) for bit in rng.integers(0, 2, 3))
    parities = [
        (row, column)
        for row in (0, 1)
        for column in (0, 1)
        if contract.cfa == "any"
        or _turned_cfa(window_cfa(pair.recipe.cfa, row, column), upside, sideways, transposed) == contract.cfa
    ]
    row, column = parities[rng.integers(len(parities))]
    height, width = pair.mosaic.shape
    top = row + 2 * int(rng.integers(0, (height - patch - row) // 2 + 1))
    left = column + 2 * int(rng.integers(0, (width - patch - column) // 2 + 1))
    window = (slice(top, top + patch), slice(left, left + patch))
    return _Crop(pair, window, upside, sideways, transposed)


def _turned_cfa(cfa: str, upside: bool, sideways: bool, transposed: bool) -> str:
    """The pattern of an even-sized window after the flips, then the transposition."""
    square = np.array(list(cfa)).reshape(2, 2)
    square = square[::-1] if upside else square
    square = square[:, ::-1] if sideways else square
    return "".join((square.T if transposed else square).ravel())
