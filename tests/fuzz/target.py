"""What a target of fuzzing is, and how it is run."""

from __future__ import annotations

import faulthandler
import random
import resource
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from invisp_deploy.errors import InvispError, UnexpectedError
from tests.fuzz.mutate import of_bytes

Change = Callable[[bytes, Sequence[bytes], random.Random], bytes]


@dataclass(frozen=True)
class Target:
    """read: takes bytes, and a folder to write files to; may raise InvispError, and nothing else. corpus: what is
    changed, read when it is asked for. change: how. share: of all runs, against the other targets.
    """

    name: str
    corpus: Callable[[], Sequence[bytes]]
    read: Callable[[bytes, Path], object]
    change: Change = of_bytes
    share: float = 1


@dataclass
class Outcome:
    """runs; refused: runs that ended in an InvispError; slowest: seconds of one run; memory: MB that the process grew
    by; broken: bytes and traceback of each run that ended in anything else, one a place.
    """

    runs: int = 0
    refused: int = 0
    slowest: float = 0.0
    memory: float = 0.0
    broken: dict[str, tuple[bytes, str]] = field(default_factory=dict)


def fuzz(target: Target, runs: int, folder: Path, *, seed: int = 0, limit: float | None = None) -> Outcome:
    """Run a target on so many changed files, the same for a seed; its corpus itself is read first.

    limit: seconds of a run after which the process ends with where it stands. The bytes of a run that ends the process
    lie in `folder`/last.bin.
    """
    corpus, rng, outcome = target.corpus(), random.Random(f"{target.name} {seed}"), Outcome()
    before = _peak()
    for number in range(runs):
        whole = corpus[number % len(corpus)]
        data = whole if number < len(corpus) else target.change(whole, corpus, rng)
        if limit is not None:
            (folder / "last.bin").write_bytes(data)
            faulthandler.dump_traceback_later(limit, exit=True)
        started = time.perf_counter()
        try:
            target.read(data, folder)
        except Exception as error:
            if isinstance(error, InvispError) and not isinstance(error, UnexpectedError):
                outcome.refused += 1
                continue
            place = traceback.extract_tb(error.__traceback__)[-1]
            outcome.broken.setdefault(
                f"{type(error).__name__} {place.filename}:{place.lineno}", (data, traceback.format_exc())
            )
        finally:
            outcome.slowest = max(outcome.slowest, time.perf_counter() - started)
            outcome.runs += 1
    if limit is not None:
        faulthandler.cancel_dump_traceback_later()
    outcome.memory = _peak() - before
    return outcome


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
