"""How long work shows how far it is: a bar of the caller's, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Bar(Protocol):
    """A tqdm bar, or what behaves like one."""

    def update(self, count: int) -> object:
        """So many more are done."""

    def set_postfix_str(self, text: str, refresh: bool) -> object:
        """Figures that stand behind the bar. refresh: show them at once, not with the next `update`."""


Bars = Callable[[int, str], AbstractContextManager[Bar]]
"""(total, description) -> a bar for one stretch of work."""


class _NoBar:
    def update(self, count: int) -> None:
        pass

    def set_postfix_str(self, text: str, refresh: bool) -> None:
        pass


def no_bars(total: int, description: str) -> AbstractContextManager[Bar]:
    """No bar at all."""
    return nullcontext(_NoBar())
