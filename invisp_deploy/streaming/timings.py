"""Durations in fixed memory: a histogram for the report, the latest few for the live line."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

_SHORTEST: Final = 1e-6
_STEP: Final = 1.01
_BINS: Final = math.ceil(math.log(1e10) / math.log(_STEP))  # to 10,000 seconds
_LATEST: Final = 256


class Timings:
    """Durations in seconds, of any number, in fixed memory.

    Percentiles come from bins that are one percent wide, so they are within one percent; the maximum is exact.
    One thread adds; others may read at any time.
    """

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.longest = 0.0
        self._bins = [0] * (_BINS + 1)
        self._latest: deque[float] = deque(maxlen=_LATEST)

    def add(self, seconds: float) -> None:
        place = math.ceil(math.log(max(seconds, _SHORTEST) / _SHORTEST) / math.log(_STEP))
        self._bins[min(place, _BINS)] += 1
        self._latest.append(seconds)
        self.total += seconds
        self.longest = max(self.longest, seconds)
        self.count += 1

    def percentile(self, percent: float) -> float:
        """Seconds that `percent` of all do not exceed, to one percent (nearest rank); 0 where there is none."""
        rank = math.ceil(self.count * percent / 100)
        passed = 0
        for place, number in enumerate(self._bins):
            passed += number
            if passed >= rank > 0:
                return min(_SHORTEST * _STEP**place, self.longest)
        return 0.0

    def latest(self, percent: float) -> float:
        """The same of the latest 256, exact."""
        ordered = sorted(self._latest.copy())
        return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else 0.0

    def to_dict(self) -> dict[str, float]:
        """count; p50, p90, p95, p99, max and mean in milliseconds."""
        figures = {f"p{percent}_ms": self.percentile(percent) for percent in (50, 90, 95, 99)}
        figures |= {"max_ms": self.longest, "mean_ms": self.total / self.count if self.count else 0.0}
        return {"count": self.count} | {name: round(seconds * 1000, 3) for name, seconds in figures.items()}
