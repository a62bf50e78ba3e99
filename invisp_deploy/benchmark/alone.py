"""Measurements that need a process of their own: peak memory of one case, whole frames, the matrix-product rate.

python -m invisp_deploy.benchmark.alone '{"kind": ...}'     prints one JSON object as its last line
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from invisp_deploy.errors import EngineError, InvispError
from invisp_deploy.memory import forget_peak, peak_memory

_THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_CALLS: Final = 3
_MATRIX_EDGE: Final = 1536
_MATRIX_SECONDS: Final = 1.0


def run_alone(task: dict[str, Any], threads: int) -> dict[str, Any]:
    """Run a task in a fresh process whose BLAS and OpenMP take that many threads. Raises EngineError if it fails."""
    environment = {**os.environ, **dict.fromkeys(_THREADS, str(threads))}
    command = [sys.executable, "-m", "invisp_deploy.benchmark.alone", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    last = (done.stdout.strip().splitlines() or [""])[-1]
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise EngineError(f"The process that measures {task['kind']} ended with {done.returncode}: {said}")
    result: dict[str, Any] = json.loads(last)
    return result


def main(task: dict[str, Any]) -> dict[str, Any]:
    """What a task measures: "matrix" (FLOP rates), "tile" (memory), "frame" (time, memory), "bare" (a file's calls)."""
    return {"matrix": _matrix, "tile": _tile, "frame": _frame, "bare": _bare}[task["kind"]](task)


def _matrix(_: dict[str, Any]) -> dict[str, Any]:
    left, right = np.random.default_rng(0).random((2, _MATRIX_EDGE, _MATRIX_EDGE), np.float32)
    out = np.empty_like(left)
    np.matmul(left, right, out=out)
    seconds: list[float] = []
    while sum(seconds) < _MATRIX_SECONDS or len(seconds) < 5:
        begun = time.perf_counter()
        np.matmul(left, right, out=out)
        seconds.append(time.perf_counter() - begun)
    flop = 2 * _MATRIX_EDGE**3 / 1e9
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "gflops": flop / float(np.median(seconds)),
        "best": flop / min(seconds),
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
    }


def _tile(task: dict[str, Any]) -> dict[str, Any]:
    """`peak_mb`: after loading, over three calls. `device_mb`: growth of the device's memory in use, None without."""
    from invisp_deploy.benchmark.cases import Candidate, feeds_for, open_candidate
    from invisp_deploy.benchmark.machine import open_nvml

    nvml = open_nvml()
    before = None if nvml is None else nvml.used_bytes()
    if "peer" in task:
        from invisp_deploy.benchmark.peers import open_peer

        runtime = open_peer(task)
    else:
        runtime = open_candidate(Candidate(Path(task["graph"]), "", task["provider"]), task["threads"])
    feeds = feeds_for(runtime, *task["tile"])
    if "peer" in task:
        runtime.run(feeds)  # compiles, which takes more memory than computing
    forget_peak()
    for _ in range(_CALLS):
        runtime.run(feeds)
    after = None if nvml is None else nvml.used_bytes()
    grown = None if before is None or after is None else (after - before) / 1e6
    return {"peak_mb": peak_memory() / 1e6, "device_mb": grown}


def _frame(task: dict[str, Any]) -> dict[str, Any]:
    from invisp_deploy.benchmark.frames import run_frame

    return run_frame(task)


def _bare(task: dict[str, Any]) -> dict[str, Any]:
    from invisp_deploy.benchmark.frames import bare_calls

    return bare_calls(task)


if __name__ == "__main__":
    try:
        print(json.dumps(main(json.loads(sys.argv[1]))))
    except InvispError as error:
        sys.exit(str(error))
