"""How far a build is, and how it is ended: the builder runs in C++ and looks at Python only between its steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

BuildProgress = Callable[[float, str], object]
"""Called with the part that is done, 0 to 1 and never falling, and the phase's name."""


def progress_monitor(module: Any, progress: BuildProgress, interrupted: threading.Event) -> Any:
    """Phases within phases as one part that is done; a step that returns False ends the build."""

    class Monitor(module.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            module.IProgressMonitor.__init__(self)
            self.phases: dict[str, tuple[float, float, int]] = {}  # name -> where it starts, its share, steps
            self.done = 0.0

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            start, share, count = self.phases.get(parent or "", (0.0, 1.0, 1))
            self.phases[phase] = (max(start, self.done), share / max(count, 1), steps)

        def phase_finish(self, phase: str) -> None:
            start, share, _ = self.phases.pop(phase, (self.done, 0.0, 1))
            self.tell(start + share, phase)

        def step_complete(self, phase: str, step: int) -> bool:
            start, share, count = self.phases.get(phase, (self.done, 0.0, 1))
            self.tell(start + share * (step + 1) / max(count, 1), phase)
            return not interrupted.is_set()

        def tell(self, done: float, phase: str) -> None:
            if not interrupted.is_set():  # then the phases only end
                self.done = min(max(self.done, done), 1.0)
                progress(self.done, phase)

    return Monitor()


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """Ctrl-C as an event: an exception out of a callback of the builder would end the process."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def stop(number: int, frame: FrameType | None) -> None:
        event.set()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
