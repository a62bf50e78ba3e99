"""What a batch is: its inputs with their outputs, and work on several of them at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from invisp_deploy.errors import RequestError
from invisp_deploy.files import make_folders
from invisp_deploy.formats.walk import files_to_run, outputs_for
from invisp_deploy.graph_card import Direction

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Batch:
    """pairs: each input and its output. single: one input whose output was named by its file. left_out: folder ->
    pictures in it that were not taken, because RAW files lie beside them.
    """

    pairs: list[tuple[Path, Path]]
    single: bool
    left_out: dict[Path, int]


def batch_of(inputs: Sequence[Path], output: Path, direction: Direction | None, *, recursive: bool) -> Batch:
    """Inputs and outputs, before any work. recursive: of folders in folders, to the same folders below `output`, which
    are made.

    Raises RequestError where they do not fit together, OutputError where a folder cannot be made.
    """
    found: list[tuple[Path, Path]] = []  # input, folder of its output
    left_out: dict[Path, int] = {}
    for path in inputs:
        if not os.path.isdir(path):
            found.append((path, output))
            continue
        inside = files_to_run(path, direction, recursive=recursive, apart_from=output)
        found += [(file, output / file.parent.relative_to(path)) for file in inside.files]
        if inside.left_out:
            left_out[path] = inside.left_out
    if len(found) == 1 and not inputs[0].is_dir() and not output.is_dir():
        return Batch([(found[0][0], output)], True, left_out)
    if not output.is_dir():
        raise RequestError(f"Several inputs need an existing folder as output, got {output}: create it first.")
    targets = outputs_for(found)
    for folder in {folder: None for _, folder in found}:
        make_folders(folder)
    return Batch([(path, target) for (path, _), target in zip(found, targets, strict=True)], False, left_out)


def work_in_order(work: Callable[[int], _Made], count: int, jobs: int) -> Generator[_Made, None, None]:
    """work(0), work(1) and so on as they are asked for; with `jobs` above 1 begun in so many threads, ahead of that.

    Closed early, or by an interrupt, it waits for what has begun and begins nothing more.
    """
    if jobs == 1:
        yield from map(work, range(count))
        return
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(jobs)
    try:
        for future in [pool.submit(work, index) for index in range(count)]:
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
