"""Noise of a real RAW file, measured where it is flat."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.training.sensor import Noise


def measured_noise(frame: RawFrame) -> Noise:
    """Noise of a real frame from its flattest places.

    Immerkaer's second-difference estimate (CVIU 64, 1996) in 16x16 blocks of each CFA plane; in each of 24
    brightness bins the lowest twentieth counts as flat; a line through the variances, each weighted by the
    blocks of its bin (where most of the picture is, flat places are surest), gives the two terms.
    """
    levels, variances, weights = [], [], []
    for index in range(4):
        row, column = divmod(index, 2)
        site = frame.mosaic[row::2, column::2].astype(np.float64)
        # not `Levels`, which clips: around black, noise lies on both sides
        plane = (site - frame.black[index]) / (frame.white - frame.black[index])
        smooth = plane[:-2] - 2 * plane[1:-1] + plane[2:]
        residual = np.abs(smooth[:, :-2] - 2 * smooth[:, 1:-1] + smooth[:, 2:])
        deviation = np.sqrt(np.pi / 2) / 6 * _block_means(residual)
        brightness = _block_means(plane[1:-1, 1:-1])
        usable = (brightness > 0.002) & (brightness < 0.9)
        for low, high in _bins(brightness[usable]):
            inside = deviation[usable & (brightness >= low) & (brightness < high)]
            if inside.size >= 40:
                variances.append(float(np.quantile(inside, 0.05)) ** 2)
                levels.append((low + high) / 2)
                weights.append(inside.size)
    if len(levels) < 2:
        raise RequestError("The sample RAW file is too small or too dark to measure its noise: use another one.")
    weight = np.sqrt(weights) / np.array(variances)  # an estimate's error grows with the estimate
    design = np.stack((levels, np.ones(len(levels))), 1) * weight[:, None]
    shot, read = np.linalg.lstsq(design, np.array(variances) * weight, rcond=None)[0]
    return Noise(max(float(shot), 1e-7), max(float(read), 1e-8))


def _block_means(plane: npt.NDArray[np.float64], edge: int = 16) -> npt.NDArray[np.float64]:
    rows, columns = (size // edge for size in plane.shape)
    blocks = plane[: rows * edge, : columns * edge].reshape(rows, edge, columns, edge)
    means: npt.NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return means


def _bins(brightness: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
    if not brightness.size:
        return []
    edges = np.linspace(brightness.min(), brightness.max() + 1e-9, 25)
    return [(float(low), float(high)) for low, high in pairwise(edges)]
