"""The clock of the benchmark: warm-up until steady, turns taken by all cases, percentiles of everything measured."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.base import Feeds
from invisp_deploy.runtimes.tensorrt.contexts import Times

AGREEMENT: Final = 0.05
"""Two consecutive windows of a warm-up are steady when their medians differ by at most this share."""

_WINDOW_CALLS: Final = 2
_WINDOW_SECONDS: Final = 0.1
_WINDOWS: Final = 20
_WARM_UP_SECONDS: Final = 10.0
_TURN_SECONDS: Final = 0.05
_TURN_CALLS: Final = 20
_PAUSE_SECONDS: Final = 0.01

_Clock = Callable[[], float]


@runtime_checkable
class HasDevice(Protocol):
    """A runtime that can tell copying from computing; None where its provider has no device to copy to."""

    def timed(self, feeds: Feeds) -> tuple[Array, Times] | None: ...


@dataclass(frozen=True)
class Contender:
    """What takes turns: one call, and where there is a device the same call with its three parts told apart."""

    call: Callable[[], object]
    parts: Callable[[], Times | None] = lambda: None


@dataclass(frozen=True)
class WarmUp:
    """calls: made before the clock counts. steady: the last two windows agree. median: seconds of the last window."""

    calls: int
    steady: bool
    median: float


@dataclass(frozen=True)
class Turn:
    """One case's turn in one round. seconds: of each call, in order. parts: of one further call, where a device is."""

    seconds: tuple[float, ...]
    parts: Times | None = None


@dataclass(frozen=True)
class Until:
    """When the rounds end: after `runs`, or where `duration` is given after that many seconds and at least 3 rounds."""

    runs: int = 20
    duration: float | None = None

    def reached(self, rounds: int, seconds: float) -> bool:
        return rounds >= self.runs if self.duration is None else rounds >= 3 and seconds >= self.duration


def warm_up(call: Callable[[], object], clock: _Clock = time.perf_counter) -> WarmUp:
    """Call until the medians of two consecutive windows agree within `AGREEMENT`.

    A window is at least 2 calls and 0.1 s. After 20 windows or 10 s it ends, not steady, and that is reported.
    """
    begun, calls, before = clock(), 0, math.inf
    for window in range(1, _WINDOWS + 1):
        taken: list[float] = []
        while len(taken) < _WINDOW_CALLS or sum(taken) < _WINDOW_SECONDS:
            taken.append(_timed(call, clock))
        calls += len(taken)
        median = statistics.median(taken)
        steady = abs(median - before) <= AGREEMENT * median
        if steady or window == _WINDOWS or (window > 1 and clock() - begun > _WARM_UP_SECONDS):
            break
        before = median
    return WarmUp(calls, steady, median)


def take_turns(
    contenders: Sequence[Contender],
    expected: Sequence[float],
    until: Until,
    clock: _Clock = time.perf_counter,
    pause: Callable[[float], object] = time.sleep,
    progress: Callable[[int], object] = lambda turns: None,
) -> list[list[Turn]]:
    """Every contender once a round, in a new order each round; the turns of each contender, by round.

    A turn is as many calls as fill 0.05 s by the contender's `expected` seconds, 1 to 20. Before it, 10 ms let the
    threads of the one before fall asleep: runtimes spin on for a while, on cores that the next one needs.
    No call is left out of the result. The order is drawn from a fixed seed, so no case always follows the same one.
    """
    counts = [min(max(math.ceil(_TURN_SECONDS / seconds), 1), _TURN_CALLS) for seconds in expected]
    turns: list[list[Turn]] = [[] for _ in contenders]
    order = random.Random(0)
    begun, rounds = clock(), 0
    while not until.reached(rounds, clock() - begun):
        for index in order.sample(range(len(contenders)), len(contenders)):
            contender = contenders[index]
            pause(_PAUSE_SECONDS)
            seconds = tuple(_timed(contender.call, clock) for _ in range(counts[index]))
            turns[index].append(Turn(seconds, contender.parts()))
            progress(1)
        rounds += 1
    return turns


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 (linear between neighbours) and the largest, in milliseconds; of all values, none left out."""
    values = np.asarray(seconds) * 1e3
    p50, p90, p99 = np.percentile(values, (50, 90, 99))
    return {"p50_ms": float(p50), "p90_ms": float(p90), "p99_ms": float(p99), "max_ms": float(values.max())}


def paired_ratio(base: Sequence[Turn], turns: Sequence[Turn]) -> dict[str, float]:
    """How many times as fast as `base`: its seconds over these, round by round; median, 10th and 90th percentile."""
    pairs = zip(base, turns, strict=True)
    ratios = [statistics.median(one.seconds) / statistics.median(other.seconds) for one, other in pairs]
    low, middle, high = np.percentile(ratios, (10, 50, 90))
    return {"median": float(middle), "p10": float(low), "p90": float(high)}


def _timed(call: Callable[[], Any], clock: _Clock) -> float:
    begun = clock()
    call()
    return clock() - begun
