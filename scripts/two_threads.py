"""Two threads on one engine get what one gets: python scripts/two_threads.py forward.trt"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from invisp_deploy.runtimes.golden import golden_path, read_golden
from invisp_deploy.runtimes.open import open_runtime

RUNS = 16


def main(engine: Path) -> None:
    """Runs its golden input and the same upside down in turns, so that a mixed-up buffer shows."""
    golden = read_golden(golden_path(engine))
    pixels = golden.input()
    inputs = [pixels, np.ascontiguousarray(pixels[::-1])]
    with open_runtime(engine) as runtime, ThreadPoolExecutor(2) as threads:
        alone = [runtime.apply(given, golden.numbers) for given in inputs]
        asked = [threads.submit(runtime.apply, inputs[index % 2], golden.numbers) for index in range(RUNS)]
        wrong = [index for index, one in enumerate(asked) if not np.array_equal(one.result(), alone[index % 2])]
    if wrong:
        sys.exit(f"{len(wrong)} of {RUNS} runs differ from what one thread computes, the first is run {wrong[0]}")
    print(f"{RUNS} runs of two threads, each bit for bit what one thread computes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
