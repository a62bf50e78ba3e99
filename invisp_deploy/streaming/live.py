"""Waiting for a stream: one line of a terminal that is rewritten, a line every half minute in a file, and signals."""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, TextIO

from invisp_deploy.streaming.pipeline import Pipeline

_SPAN: Final = 5.0  # seconds that the rate is taken over
_EVERY: Final = 30.0  # seconds between lines in a file
_REFRESH: Final = 0.1  # seconds between looks at signals; the live line follows at every third
_CLEAR: Final = "\r\x1b[K"


class LiveLine:
    """Rewrites one line of a terminal, and prints lines that stay above it. Without a terminal the figures are such a
    line, twice a minute; `quiet` leaves them out.

    Any thread may call it. clock: seconds.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        stream: TextIO,
        *,
        quiet: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._pipeline = pipeline
        self._stream = stream
        self._quiet = quiet
        self._shown = not quiet and stream.isatty()
        self._clock = clock
        self._told = clock()
        self._lock = threading.Lock()
        self._past: deque[tuple[float, int]] = deque([(clock(), 0)])

    def update(self) -> None:
        """Show the figures of now."""
        if self._quiet:
            return
        now, done = self._clock(), self._pipeline.done
        self._past.append((now, done))
        while len(self._past) > 2 and now - self._past[0][0] > _SPAN:
            self._past.popleft()
        then, before = self._past[0]
        text = live_text(self._pipeline, (done - before) / max(now - then, 1e-9))
        if not self._shown:
            if now - self._told >= _EVERY:
                self._told = now
                self.say(text)
            return
        with self._lock:
            self._stream.write(_CLEAR + text[: shutil.get_terminal_size().columns - 1])
            self._stream.flush()

    def say(self, line: str) -> None:
        """A line that stays; the empty one only takes the live line away."""
        with self._lock:
            if self._shown:
                self._stream.write(_CLEAR)
            if line:
                self._stream.write(f"{line}\n")
            self._stream.flush()


def until_the_end(pipeline: Pipeline, live: LiveLine) -> int:
    """Start and wait, showing the figures. The first SIGINT or SIGTERM ends the source, the second everything; how many
    came. In the main thread only: no other may handle signals.
    """
    looks = 0
    with _signals() as came:
        pipeline.start()
        while not pipeline.wait(_REFRESH):
            looks += 1
            if looks % 3 == 0:
                live.update()
            if len(came) > 1:
                pipeline.abort()
                live.say("stopped")
                break
            if came and not pipeline.stop.is_set():
                pipeline.stop.set()
                live.say("finishing the frames under way; interrupt again to stop at once")
    live.say("")
    return len(came)


def live_text(pipeline: Pipeline, rate: float) -> str:
    """Counts, frames a second, then of each stage its queue and the latest p50 and p95 in ms.

    What may be cut off by a narrow terminal stands last.
    """
    counts = f"{pipeline.done} done {pipeline.dropped} dropped {pipeline.failed} failed {rate:.1f} fps"
    stages = " ".join(
        f"{stage.name} {stage.queue.depth}/{stage.queue.size} "
        f"{_milliseconds(stage.timings.latest(50))}-{_milliseconds(stage.timings.latest(95))}"
        for stage in pipeline.stages
    )
    return f"{counts} | {stages} ms"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f}" if seconds < 0.01 else f"{seconds * 1000:.0f}"


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT, SIGTERM and SIGHUP in a list instead of ending; what is ignored stays so. As before when the
    block ends.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]  # of nohup or a script's &
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
