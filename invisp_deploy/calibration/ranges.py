"""What a tensor holds, as a histogram in bounded memory, and the range that is chosen of it.

A range is the maximum, a percentile, that of least entropy or that of least squared error. Percentile and entropy are
ONNX Runtime's, over our counts. A wide range makes the grid coarse, a narrow one saturates the largest values.
"""

from __future__ import annotations

import contextlib
import io
import math
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.arithmetic import FULL_SCALE
from invisp_deploy.calibration.record import METHODS
from invisp_deploy.errors import CalibrationError, RequestError

BINS: Final = 8192
"""At least 32 of them lie between two neighbours of int8's grid over the largest range."""

_LEVELS: Final = int(FULL_SCALE["int8"])
_CANDIDATES: Final = 128
_NARROWEST: Final = 1 / 16
_ENTROPY_BINS: Final = 256  # to each side: ONNX Runtime sums over them in plain Python, for every range it tries
_ENTROPY_LEVELS: Final = 128  # its default


class Histogram:
    """Counts of |x| in `BINS` equal bins from 0 to `top`, a power of two, and the largest |x| of each direction.

    A larger value doubles `top` and merges bins in pairs, so no count is ever moved by a fraction of a bin.
    """

    def __init__(self) -> None:
        self.counts: npt.NDArray[np.int64] = np.zeros(BINS, np.int64)
        self.top = 0.0
        self.maxima: dict[str, float] = {}

    @property
    def maximum(self) -> float:
        """Largest magnitude of both directions."""
        return max(self.maxima.values(), default=0.0)

    @property
    def edges(self) -> npt.NDArray[np.float32]:
        """(BINS + 1,) float32, exact: multiples of a power of two."""
        return np.linspace(0, self.top, BINS + 1, dtype=np.float32)

    def make_room(self, largest: float, name: str) -> None:
        """Let `top` reach `largest`. Raises CalibrationError for one that is not finite; `name` is the tensor's."""
        if not math.isfinite(largest):
            raise CalibrationError(f"{name} takes the value {largest}: these weights do not compute on this data.")
        if largest <= self.top or largest == 0:
            return
        wanted = 2.0 ** math.ceil(math.log2(largest))
        while self.top and self.top < wanted:
            self.counts = np.concatenate([self.counts.reshape(-1, 2).sum(1), np.zeros(BINS // 2, np.int64)])
            self.top *= 2
        self.top = wanted

    def add(self, counts: npt.NDArray[np.int64], largest: float, direction: str) -> None:
        """Counts over `edges`, after `make_room(largest)`."""
        self.counts = self.counts + counts
        self.maxima[direction] = max(self.maxima.get(direction, 0.0), largest)

    def beyond(self, limit: float) -> float:
        """Share of values above `limit`, by bins that begin there or later."""
        total = int(self.counts.sum())
        first = int(np.searchsorted(self.edges[:-1], limit, side="left"))
        return float(self.counts[first:].sum() / total) if total else 0.0


def chosen_range(histogram: Histogram, name: str, method: str, percentile: float = 99.99) -> float:
    """The magnitude that the end of int8's grid, 127, is to reach, at most the maximum seen.

    method: of `METHODS`. percentile: in percent, for that method. name: of the tensor. Raises CalibrationError for a
    tensor of nothing but zeros, RequestError for another method or a percentile outside (0, 100].
    """
    if method not in METHODS:
        raise RequestError(f"The method must be one of {', '.join(METHODS)}, got {method!r}.")
    if not 0 < percentile <= 100:
        raise RequestError(f"A percentile lies above 0 and is at most 100, got {percentile:g}.")
    if histogram.maximum == 0:
        raise CalibrationError(f"{name} is zero throughout: the weights or the RAW files are empty.")
    if method == "maximum":
        return histogram.maximum
    if method == "mse":
        return _least_squares(histogram)
    return min(_onnxruntime(histogram, method, percentile), histogram.maximum)


def squared_error(histogram: Histogram, limit: float) -> float:
    """Mean squared error of int8 whose 127 is `limit`; each bin stands for its centre."""
    edges = histogram.edges.astype(np.float64)
    centres, scale = (edges[:-1] + edges[1:]) / 2, limit / _LEVELS
    rounded = np.minimum(np.rint(centres / scale), _LEVELS) * scale
    return float(np.dot(histogram.counts, np.square(rounded - centres)) / histogram.counts.sum())


def _least_squares(histogram: Histogram) -> float:
    candidates = histogram.maximum * np.geomspace(_NARROWEST, 1, _CANDIDATES)
    return float(min(candidates, key=lambda limit: squared_error(histogram, limit)))


def _onnxruntime(histogram: Histogram, method: str, percentile: float) -> float:
    from onnxruntime.quantization.calibrate import HistogramCollector

    counts, edges = histogram.counts, histogram.edges
    if method == "entropy":  # it reads values of both signs around the middle bin
        coarse = counts.reshape(_ENTROPY_BINS, -1).sum(1)
        counts = np.concatenate([coarse[::-1], coarse])
        edges = edges[:: BINS // _ENTROPY_BINS]
        edges = np.concatenate([-edges[:0:-1], edges])
    collector = HistogramCollector(method, True, len(counts), _ENTROPY_LEVELS, percentile, "same")
    peak = np.float32(histogram.maximum)
    collector.histogram_dict = {"x": (counts, edges, -peak, peak)}
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        lowest, highest = collector.compute_collection_result()["x"][:2]
    return float(max(-lowest, highest))
