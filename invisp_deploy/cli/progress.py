"""How a long command says that it is alive: a bar on a terminal, a line every half minute in a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, TextIO

EVERY: Final = 30.0
"""Seconds between lines; shorter work says nothing."""


def progress(total: int, description: str, *, quiet: bool = False, unit: str = "") -> Any:
    """A tqdm bar on standard error, or `ProgressLines` where that is no terminal; silent if `quiet`.

    total: 0 where it is not known. Without a bar tqdm is not imported, which takes 20 ms.
    """
    if quiet or not sys.stderr.isatty():
        return ProgressLines(total, description, unit, None if quiet else sys.stderr)
    from tqdm import tqdm

    return tqdm(total=total, desc=description, leave=False, unit=unit, unit_scale=True)


class ProgressLines:
    """What we use of a tqdm bar, as lines: description, done of total, rate, time left, figures.

    stream: None is silent.
    """

    def __init__(
        self,
        total: int,
        description: str,
        unit: str,
        stream: TextIO | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total, self.n = total, 0
        self._description, self._unit, self._figures = description, unit, ""
        self._stream, self._clock = stream, clock
        self._start = self._last = clock()

    def __enter__(self) -> ProgressLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def update(self, n: int = 1) -> None:
        """So much more is done; a line if the last one is half a minute old."""
        self.n += n
        now = self._clock()
        if self._stream is not None and now - self._last >= EVERY:
            self._last = now
            self._stream.write(f"{self._line(now - self._start)}\n")
            self._stream.flush()

    def set_description(self, description: str) -> None:
        self._description = description

    def set_postfix(self, **figures: object) -> None:
        self._figures = ", ".join(f"{name}={value}" for name, value in figures.items())

    def set_postfix_str(self, figures: str, refresh: bool = True) -> None:
        self._figures = figures

    def close(self) -> None:
        """Nothing: a file needs no clearing."""

    def _line(self, elapsed: float) -> str:
        from tqdm import tqdm

        return str(
            tqdm.format_meter(
                self.n, self.total or None, elapsed, ncols=0, prefix=self._description, unit=self._unit or "it",
                unit_scale=self.total >= 10_000, postfix=self._figures or None,
            )
        ).strip()  # fmt: skip
