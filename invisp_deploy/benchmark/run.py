"""The whole benchmark: open, add peers, let all take turns, size by size, compare."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from invisp_deploy.benchmark.against import check_comparable, compare, read_result
from invisp_deploy.benchmark.cases import Candidate, Case, cases_of, open_candidate
from invisp_deploy.benchmark.energy import find_meters
from invisp_deploy.benchmark.frames import fits, measure_file, measure_sizes
from invisp_deploy.benchmark.machine import describe, matrix_rate
from invisp_deploy.benchmark.measure import COLUMNS, RESULT_FORMAT, Conditions, measure_cases
from invisp_deploy.benchmark.timing import Until
from invisp_deploy.errors import RequestError
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY

_Stage = Callable[[str, int], object]
"""Called with a stage's name and how many more of its steps are done."""


@dataclass(frozen=True)
class Benchmark:
    """What is asked for. tiles: edges in pixels, none for no table. sizes: megapixels, none for no curve.

    checkpoint: of the peers, None without. against: an earlier result. frame_memory: MB for one tile of a whole frame.
    file: to run end to end, None without.
    """

    candidates: tuple[Candidate, ...]
    tiles: tuple[int, ...]
    threads: int
    until: Until
    memory: bool = True
    checkpoint: Path | None = None
    against: Path | None = None
    sizes: tuple[float, ...] = ()
    frame_memory: int = DEFAULT_MEMORY
    file: Path | None = None


def run_benchmark(asked: Benchmark, stage: _Stage = lambda name, done: None) -> dict[str, Any]:
    """The result, ready for JSON (docs/bench.md). Raises RequestError before anything is measured where `against`
    does not fit, and whatever opening and running raise.
    """
    facts = describe(asked.threads)
    before = None
    if asked.against is not None:
        before = read_result(asked.against)
        check_comparable(before, facts, asked.against)
    result: dict[str, Any] = {"format": RESULT_FORMAT, "definitions": dict(COLUMNS), **facts}
    result |= {"cases": [], "failed": [], "sizes": [], "files": [], "energy": "not measured", "device_rates": None}
    candidates = [replace(candidate, label=candidate.label or str(candidate.path)) for candidate in asked.candidates]
    fitting: list[Candidate] = []
    with ExitStack() as stack:
        runtimes = [stack.enter_context(open_candidate(candidate, asked.threads)) for candidate in asked.candidates]
        if asked.file is not None:
            fitting = [one for one, runtime in zip(candidates, runtimes, strict=True) if fits(asked.file, runtime)]
            if not fitting:
                raise RequestError(
                    f"None of the graphs takes {asked.file}: RAW needs a forward one, pictures an inverse."
                )
        cases = cases_of(asked.candidates, runtimes, asked.tiles, asked.threads) if asked.tiles else []
        result["matrix_rate"] = matrix_rate(asked.threads)
        if cases:
            result |= _table(cases, asked, result["matrix_rate"]["gflops"], stack, stage)
    if asked.sizes:
        result["sizes"] = measure_sizes(
            candidates, asked.sizes, asked.threads, asked.frame_memory, lambda done: stage("sizes", done)
        )
    if asked.file is not None:
        file, memory = asked.file, asked.frame_memory
        for candidate in fitting:
            result["files"].append(
                measure_file(candidate, file, asked.threads, memory, lambda done: stage("file", done))
            )
    result["matrix_rate_after"] = matrix_rate(asked.threads)
    if before is not None and asked.against is not None:
        result["against"] = compare(before, result, asked.against)
    return result


def _table(cases: Sequence[Case], asked: Benchmark, rate: float, stack: ExitStack, stage: _Stage) -> dict[str, Any]:
    rates, base, peers, failed, figures = {"cpu": rate}, "", frozenset[str](), [], {}
    device_rates = None
    if asked.checkpoint is not None:
        from invisp_deploy.benchmark.peers import EAGER, PYTORCH, side_by_side
        from invisp_deploy.benchmark.peers import device_rates as measured

        device = "cuda" if any(_on_gpu(candidate) for candidate in asked.candidates) else "cpu"
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = side_by_side(cases, asked.checkpoint, device, asked.threads, folder, lambda done: stage("peers", done))
        cases, base, peers, figures = found.cases, EAGER, PYTORCH, found.psnr
        failed = [{"case": str(one.key), **one.key.to_dict(), "why": one.why} for one in found.failed]
        if device == "cuda":
            device_rates = measured()
            rates |= device_rates
    meters = tuple(find_meters())
    conditions = Conditions(asked.threads, asked.until, asked.memory, rates, meters)
    result = measure_cases(cases, conditions, base, peers, stage)
    for case, row in zip(cases, result["cases"], strict=True):
        row["psnr"] = figures.get(case.key)
    return {**result, "failed": failed, "device_rates": device_rates}


def _on_gpu(candidate: Candidate) -> bool:
    return candidate.is_engine or any(name in (candidate.provider or "") for name in ("CUDA", "Tensorrt", "TensorRT"))
