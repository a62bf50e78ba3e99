"""The noise of a sensor in DN, of which a bound on the RAW's error may be a multiple: variance = gain * light + read.

A DNG's NoiseProfile says it (DNG specification 1.4). Of other files it is measured where the mosaic is flattest:
Immerkaer's second differences (CVIU 64, 1996), which no slope of the picture moves, squared and averaged in blocks of
each site of the 2x2 pattern. Of the blocks of one brightness those of the least variance show noise alone; that they
are the least by chance, too, is known of squares of Gaussian noise and made up for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.sidedata.residual import Bound

_NOISE_PROFILE: Final = 51041

_EDGE: Final = 16
"""Pixels of a site along a block's side."""

_STRIP: Final = 2 * _EDGE * 8 + 4
"""Rows that are looked at together, with the four that second differences of each site take."""

_LOOKED_AT: Final = 1 << 23
"""Pixels that are looked at, about."""

_FREEDOM: Final = _EDGE**2 / (1 + 2 * (4**2 + 1) / 6**2) ** 2
"""Independent squares that a block is worth: its pixels, less what neighbouring second differences of noise share."""

_SHARE, _QUANTILE = 0.02, -2.054
"""The lowest share of blocks counts as flat; which quantile of the normal distribution this is."""

_BINS: Final = 32
_FEWEST: Final = 100
"""Levels that noise is looked at, and blocks of each at least."""

_BRIGHTEST: Final = 0.95
"""Of the greatest DN: above it noise clips."""

_BELOW: Final = 0.2
"""Share of the levels that may lie below the line: at the others not even the flattest blocks were flat."""

_ROUNDS: Final = 30

_ROUNDING: Final = 1 / 12
"""DN^2, the variance of what a whole number rounds off: the least that a mosaic has."""


@dataclass(frozen=True)
class SensorNoise:
    """gain: DN of variance per DN above black. read: variance in the dark, DN^2. stated: by the file, else measured."""

    gain: float
    read: float
    stated: bool

    def bound(self, black: float, times: float) -> Bound:
        """So many times the standard deviation of the noise, in whole DN, at each DN. black: DN.

        Raises RequestError for times that are not above 0.
        """
        if not times > 0:
            raise RequestError(f"`max_noise` is a number above 0, got {times:g}: choose one, or a `max_error` of 0.")
        light = np.maximum(np.arange(1 << 16) - black, 0)
        allowed: Bound = np.minimum(np.floor(times * np.sqrt(self.gain * light + self.read)), 65535).astype(np.uint16)
        return allowed


def frame_noise(frame: RawFrame) -> SensorNoise:
    """The noise of a frame: what its negative states, or what its mosaic shows.

    Raises RequestError where it states none, and is too small, too dark or too bright to show it.
    """
    return _stated(frame) or _measured(frame)


def _stated(frame: RawFrame) -> SensorNoise | None:
    """Of a profile for each colour the least; None without one, or for one that no sensor has."""
    tags = {} if frame.negative is None else frame.negative.mosaic
    if _NOISE_PROFILE not in tags:
        return None
    numbers = tags[_NOISE_PROFILE].numbers
    scale = frame.white - max(frame.black)  # a profile counts from 0 at black to 1 at white
    gain, read = min(numbers[::2]) * scale, min(numbers[1::2]) * scale**2
    return SensorNoise(gain, read, stated=True) if min(gain, read) >= 0 < gain + read else None


def _measured(frame: RawFrame) -> SensorNoise:
    levels, variances = _blocks(frame)
    count = min(_BINS, levels.size // _FEWEST)
    if count < 2:
        raise RequestError(
            f"The noise of the file cannot be measured: {levels.size} blocks of its mosaic are neither black nor "
            f"clipped, expected {2 * _FEWEST}; pass `max_error` instead."
        )
    order = np.argsort(levels, kind="stable")
    # Wilson and Hilferty's quantile of chi squared, over its mean
    by_chance = (1 - 2 / (9 * _FREEDOM) + _QUANTILE * np.sqrt(2 / (9 * _FREEDOM))) ** 3
    bins = np.array_split(order, count)
    level = np.array([levels[each].mean() for each in bins])
    flat = np.array([np.quantile(variances[each], _SHARE) for each in bins]) / by_chance
    gain, read = _line_below(np.stack((level, np.ones(count)), axis=1), flat)
    if read < 0:
        (gain,), read = _line_below(level[:, None], flat), 0.0
    elif gain < 0:
        gain, (read,) = 0.0, _line_below(np.ones((count, 1)), flat)
    return SensorNoise(float(gain), max(float(read), _ROUNDING), stated=False)


def _blocks(frame: RawFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean above black and variance of noise, DN and DN^2, of each block in which nothing clips."""
    height, width = frame.mosaic.shape
    every = max(height * width // _LOOKED_AT, 1)
    top = min(frame.white, int(frame.mosaic.max()))
    means, variances = [np.empty(0)], [np.empty(0)]
    for start in range(0, height, (_STRIP - 4) * every):
        for site in range(4):
            plane = frame.mosaic[start + site // 2 : start + _STRIP : 2, site % 2 :: 2].astype(np.int32)
            second = plane[:-2] - 2 * plane[1:-1] + plane[2:]
            second = second[:, :-2] - 2 * second[:, 1:-1] + second[:, 2:]
            inner, squares = _cut(plane[1:-1, 1:-1]), np.square(_cut(second), dtype=np.float64)
            black = frame.black[site]
            variance = squares.mean(axis=(1, 3)) / 6**2
            usable = (inner.max(axis=(1, 3)) < black + _BRIGHTEST * (top - black)) & (inner.min(axis=(1, 3)) > 0)
            usable &= variance > 0  # what was painted over, or lies under a mask
            means.append(inner.mean(axis=(1, 3))[usable] - black)
            variances.append(variance[usable])
    return np.concatenate(means), np.concatenate(variances)


def _cut(plane: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """(h, w) -> (rows of blocks, `_EDGE`, columns of blocks, `_EDGE`), without what is left over."""
    rows, columns = (size // _EDGE for size in plane.shape)
    return plane[: rows * _EDGE, : columns * _EDGE].reshape(rows, _EDGE, columns, _EDGE)


def _line_below(columns: npt.NDArray[np.float64], flat: npt.NDArray[np.float64]) -> npt.NDArray[np.floating]:
    """Coefficients of the columns that most of the variances lie above: quantile regression (Koenker and Bassett, 1978)
    of their ratios to it, by least squares with weights that are made anew.
    """
    scaled, weights = columns / flat[:, None], np.ones(flat.size)
    found: npt.NDArray[np.floating] = np.zeros(columns.shape[1])
    for _ in range(_ROUNDS):
        root = np.sqrt(weights)
        found = np.linalg.lstsq(scaled * root[:, None], root, rcond=None)[0]
        above = 1 - scaled @ found
        weights = np.where(above > 0, _BELOW, 1 - _BELOW) / np.maximum(np.abs(above), 1e-3)
    return found
