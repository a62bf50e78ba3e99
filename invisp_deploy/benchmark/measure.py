"""One measurement: cases take turns, then each alone for memory and energy; the result is what the JSON holds."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from invisp_deploy.benchmark.alone import run_alone
from invisp_deploy.benchmark.cases import Case
from invisp_deploy.benchmark.energy import Meter, joules_of
from invisp_deploy.benchmark.timing import Turn, Until, WarmUp, paired_ratio, percentiles, take_turns, warm_up
from invisp_deploy.errors import InvispError

RESULT_FORMAT: Final = 1

COLUMNS: Final[dict[str, str]] = {
    "p50, p90, p99, max": "milliseconds by the host's clock around one call, copies and waiting included, opening the "
    "file not; of all calls after the warm-up, none left out, linear between neighbours",
    "warm-up": "calls until the medians of two consecutive windows (each at least 2 calls and 0.1 s) agree within 5 %; "
    "after 20 windows or 10 s it ends, marked `not steady`",
    "rounds": "each case takes one turn a round, in a new order each round, so drift hits all alike; a turn is as many "
    "calls as fill 0.05 s, 1 to 20, after a pause of 10 ms in which the threads of the case before fall asleep",
    "in, compute, out": "medians, ms, of one further call a turn: host to device, computing, device to host; the "
    "device's clock for TensorRT, the host's after waiting for each part for the others",
    "MP/s": "megapixels of the input over p50; net: of what is left of a tile inside a picture without its halo",
    "GFLOP/s": "2 x multiply-accumulates of the convolutions of the whole input over p50; nothing else is counted",
    "of matmul": "GFLOP/s over the rate of fp32 matrix products of this machine's NumPy with as many threads (median, "
    "before the turns); on a GPU over that of PyTorch at the same precision, where it was measured",
    "peak MB": "10^6 bytes, VmHWM of a process of its own over three calls, counted after loading (what is resident "
    "then is in it); device MB: growth of the device's memory in use, by NVIDIA's management library",
    "J/MP": "joules of whatever the meter sees, idle power included, for one megapixel of input: one case called for "
    "2 s; the meters' steps are longer than a call",
    "ratio": "times as fast as the base, paired round by round: median (10th to 90th percentile); the base is PyTorch "
    "eager, else the first case of the same direction and tile",
    "to PyTorch": "the same against the fastest PyTorch of the same direction, tile and precision: eager or compiled, "
    "either layout",
}
"""What each figure is; printed with every table and kept in the JSON."""


@dataclass(frozen=True)
class Conditions:
    """threads: of every CPU runtime and of the matrix product. memory: whether to measure it, a process a case.

    rates: GFLOP/s of matrix products, "cpu" and for a GPU its precisions. meters: of energy.
    """

    threads: int
    until: Until = field(default_factory=Until)
    memory: bool = True
    rates: dict[str, float] = field(default_factory=dict)
    meters: tuple[Meter, ...] = ()
    energy_seconds: float = 2.0


def measure_cases(
    cases: Sequence[Case],
    conditions: Conditions,
    base_runtime: str = "",
    peers: Collection[str] = (),
    progress: Callable[[str, int], object] = lambda stage, done: None,
) -> dict[str, Any]:
    """`cases`: a row each, in the given order (docs/bench.md); `energy`: what was metered; `load_average_after`.

    base_runtime: what ratios refer to, where it has a case of the same direction and tile (`base_of`).
    peers: runtimes the fastest of which is compared with, too (`fastest_of`).
    progress: called with "warm-up", "turns", "memory" or "energy" and how many more are done.
    Raises whatever a runtime raises.
    """
    warm = []
    for case in cases:
        warm.append(warm_up(case.contender.call))
        progress("warm-up", 1)
    begun = time.perf_counter()
    turns = take_turns(
        [case.contender for case in cases],
        [one.median for one in warm],
        conditions.until,
        progress=lambda done: progress("turns", done),
    )
    seconds = time.perf_counter() - begun
    rows = [_row(case, one, taken, conditions) for case, one, taken in zip(cases, warm, turns, strict=True)]
    for index, row in enumerate(rows):
        base = base_of(index, cases, base_runtime)
        if base is not None and base != index:
            row["ratio"] = {"to": str(cases[base].key), **paired_ratio(turns[base], turns[index])}
        fastest = fastest_of(index, cases, [one["p50_ms"] for one in rows], peers)
        if fastest is not None and cases[index].key.runtime not in peers:
            row["ratio_to_fastest"] = {"to": str(cases[fastest].key), **paired_ratio(turns[fastest], turns[index])}
    for case, row in zip(cases, rows, strict=True):
        if conditions.memory:
            row |= _memory(case, conditions.threads)
            progress("memory", 1)
        if conditions.meters:
            calls, joules = joules_of(case.contender.call, conditions.meters, conditions.energy_seconds)
            row["joules_per_megapixel"] = {name: value / calls / case.megapixels for name, value in joules.items()}
            progress("energy", 1)
    return {
        "cases": rows,
        "seconds_of_turns": seconds,
        "energy": _idle(conditions.meters) or "not measured",
        "load_average_after": [round(load, 2) for load in os.getloadavg()],
    }


def base_of(index: int, cases: Sequence[Case], base_runtime: str) -> int | None:
    """The case that a case's ratio refers to: of the same direction and tile, `base_runtime` or else the first."""
    key = cases[index].key
    alike = [
        place for place, case in enumerate(cases) if (case.key.direction, case.key.tile) == (key.direction, key.tile)
    ]
    return next((place for place in alike if cases[place].key.runtime == base_runtime), alike[0])


def fastest_of(index: int, cases: Sequence[Case], p50: Sequence[float], peers: Collection[str]) -> int | None:
    """The fastest of those runtimes with a case's direction, tile and precision; None where none has."""
    key = cases[index].key
    alike = [
        place
        for place, case in enumerate(cases)
        if case.key.runtime in peers
        and (case.key.direction, case.key.tile, case.key.precision) == (key.direction, key.tile, key.precision)
    ]
    return min(alike, key=lambda place: p50[place], default=None)


def _row(case: Case, warm: WarmUp, turns: Sequence[Turn], conditions: Conditions) -> dict[str, Any]:
    seconds = [one for turn in turns for one in turn.seconds]
    figures = percentiles(seconds)
    p50 = figures["p50_ms"] / 1e3
    parts = [turn.parts for turn in turns if turn.parts is not None]
    copies = None
    if parts:
        medians = [statistics.median(values) * 1e3 for values in zip(*parts, strict=True)]
        copies = dict(zip(("in", "compute", "out"), medians, strict=True))
    gflops = case.gflop / p50
    rate = conditions.rates.get(case.runtime.card.precision if parts else "cpu")
    return {
        **case.key.to_dict(),
        "name": case.runtime.name,
        "weights": case.runtime.card.weights,
        "warm_up": asdict(warm),
        "calls": len(seconds),
        **figures,
        "parts_ms": copies,
        "megapixels_per_second": case.megapixels / p50,
        "net_megapixels_per_second": case.net_megapixels / p50,
        "gflops": gflops,
        "share_of_matmul": gflops / rate if rate else None,
        "peak_mb": None,
        "device_mb": None,
        "memory_failed": None,
        "joules_per_megapixel": None,
        "ratio": None,
        "ratio_to_fastest": None,
        "times_ms": [[one * 1e3 for one in turn.seconds] for turn in turns],
    }


def _memory(case: Case, threads: int) -> dict[str, Any]:
    try:
        return run_alone(case.task, threads)
    except InvispError as error:
        return {"memory_failed": str(error)}


def _idle(meters: Sequence[Meter], seconds: float = 1.0) -> dict[str, float]:
    """Watts of each meter while nothing of ours runs."""
    if not meters:
        return {}
    _, joules = joules_of(lambda: time.sleep(seconds), meters, seconds)
    return {f"{name}, idle watts": value / seconds for name, value in joules.items()}
