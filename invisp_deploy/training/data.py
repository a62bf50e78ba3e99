"""Training data in memory: mosaics and LibRaw's renderings, cropped and flipped without breaking the CFA phase."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from invisp_deploy.camera.align import aligned, border_for
from invisp_deploy.camera.demosaic import window_cfa
from invisp_deploy.camera.frame import Mosaic
from invisp_deploy.camera.levels import Levels, levels_of, network_input
from invisp_deploy.camera.raw import read_raw, render_libraw
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import ContractError, TrainingError

__all__ = ["Pair", "load_pairs", "sample_batch"]

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Pair:
    """One RAW file for training: its mosaic, levels and LibRaw's picture (H, W, 3) uint8, in sensor order."""

    path: Path
    mosaic: Mosaic
    levels: Levels
    target: npt.NDArray[np.uint8]


def load_pairs(
    paths: Sequence[Path],
    contract: CameraContract,
    multiple: int,
    on_file: Callable[[Path], object] = lambda path: None,
) -> list[Pair]:
    """Read and render every file. About 5 bytes a pixel stay in memory.

    Raises ContractError for a file of another camera, RawFileError for one that does not open.
    """
    pairs = []
    for path in paths:
        pairs.append(_pair(path, contract, multiple))
        on_file(path)
    return pairs


def sample_batch(
    pairs: Sequence[Pair], contract: CameraContract, patch: int, batch: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Random crops, flips and transpositions: raw (B, 3, patch, patch) and sRGB target in [0, 1], float32.

    Files are drawn by area. Crops start where the flipped CFA has the contract's phase.
    Raises TrainingError if no file is large enough.
    """
    usable = [pair for pair in pairs if min(pair.mosaic.shape) >= patch + 2]
    if not usable:
        raise TrainingError(f"No training file is at least {patch + 2} pixels wide and high: use a smaller --patch.")
    area = np.array([pair.mosaic.size for pair in usable], np.float64)
    chosen = rng.choice(len(usable), batch, p=area / area.sum())
    crops = [_crop(usable[index], contract, patch, rng) for index in chosen]
    raws, targets = zip(*crops, strict=True)
    return torch.from_numpy(np.stack(raws)), torch.from_numpy(np.stack(targets))


def _pair(path: Path, contract: CameraContract, multiple: int) -> Pair:
    frame = read_raw(path)
    if not contract.accepts(frame.make, frame.model):
        raise ContractError(
            f"{path} is from {frame.camera or 'an unknown camera'}, the training is for {contract.camera}: "
            "one model serves one camera; take the file out."
        )
    target = render_libraw(path)
    if target.shape[:2] != frame.mosaic.shape:
        raise TrainingError(f"{path}: LibRaw renders {target.shape[:2]}, the mosaic is {frame.mosaic.shape}.")
    border = border_for(_shape(frame.mosaic), frame.cfa, contract.cfa, multiple)
    padded = np.pad(target, ((border.top, border.bottom), (border.left, border.right), (0, 0)), mode="reflect")
    levels = levels_of(frame, contract).shifted(border.top, border.left)
    return Pair(path, aligned(frame.mosaic, border), levels, padded)


def _crop(pair: Pair, contract: CameraContract, patch: int, rng: np.random.Generator) -> tuple[Float, Float]:
    upside, sideways, transposed = (bool(bit) for bit in rng.integers(0, 2, 3))
    parities = [
        (row, column)
        for row in (0, 1)
        for column in (0, 1)
        if contract.cfa == "any"
        or _turned(window_cfa(pair.levels.cfa, row, column), upside, sideways, transposed) == contract.cfa
    ]
    row, column = parities[rng.integers(len(parities))]
    height, width = pair.mosaic.shape
    top = row + 2 * int(rng.integers(0, (height - patch - row) // 2 + 1))
    left = column + 2 * int(rng.integers(0, (width - patch - column) // 2 + 1))
    window = (slice(top, top + patch), slice(left, left + patch))
    raw = network_input(pair.mosaic, pair.levels, window)
    target = pair.target[window].astype(np.float32).transpose(2, 0, 1) / np.float32(255)

    def turned(array: Float) -> Float:
        array = array[:, ::-1] if upside else array
        array = array[:, :, ::-1] if sideways else array
        return np.ascontiguousarray(array.transpose(0, 2, 1) if transposed else array)

    return turned(raw), turned(target)


def _turned(cfa: str, upside: bool, sideways: bool, transposed: bool) -> str:
    """The pattern of an even-sized window after the flips, then the transposition."""
    square = np.array(list(cfa)).reshape(2, 2)
    square = square[::-1] if upside else square
    square = square[:, ::-1] if sideways else square
    return "".join((square.T if transposed else square).ravel())


def _shape(mosaic: Mosaic) -> tuple[int, int]:
    return mosaic.shape[0], mosaic.shape[1]
