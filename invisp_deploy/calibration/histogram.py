"""Magnitudes of one tensor in bounded memory, whatever the number of tiles."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import CalibrationError

__all__ = ["BINS", "Histogram"]

BINS: Final = 8192
"""At least 32 of them lie in one int8 step of the largest range."""


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

    def copy(self) -> Histogram:
        twin = Histogram()
        twin.counts, twin.top, twin.maxima = self.counts.copy(), self.top, dict(self.maxima)
        return twin
