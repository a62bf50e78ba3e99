"""Decode, infer and encode at the same time, a thread each, with bounded queues between them.

::

    source --[queue]--> decode --[queue]--> infer --[queue]--> encode

One thread a stage keeps the order and gives a runtime the one thread that it may have.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from invisp_deploy.errors import InvispError, OutputError, failure_of
from invisp_deploy.sensor.frame_line import FrameLine
from invisp_deploy.streaming.queues import FrameQueue
from invisp_deploy.streaming.timings import Timings

STAGES: Final = ("decode", "infer", "encode")
_FAILURES: Final = 100


@dataclass
class Frame:
    """One frame on its way. name: for messages. stem: of the output. load: a path or a frame's bytes, then what each
    stage has made of it. taken: when it came, seconds of `time.perf_counter`. beside: what came with it on the side
    channel, or why that cannot be used; None without one.
    """

    name: str
    stem: str
    load: Any
    taken: float = 0.0
    beside: FrameLine | InvispError | None = None


@dataclass(frozen=True)
class Failure:
    """A frame that was left out: its name, the stage that refused it, the sentence, the type of the exception."""

    name: str
    stage: str
    error: str
    type: str


@dataclass(frozen=True)
class Work:
    """What the stages do: each takes a frame whose `load` the one before has made, and returns the new load.

    `encode` returns the number of pixels that it has written. An exception of any kind skips the frame; an OutputError
    ends the stream, because the next file would meet it too.
    """

    decode: Callable[[Frame], Any]
    infer: Callable[[Frame], Any]
    encode: Callable[[Frame], int]


class Stage:
    """A stage with the queue before it. timings: of its work. failed: frames it refused."""

    def __init__(self, name: str, work: Callable[[Frame], Any], queue: FrameQueue[Frame]) -> None:
        self.name = name
        self.work = work
        self.queue = queue
        self.timings = Timings()
        self.failed = 0


class Pipeline:
    """A stream from `source` through `work`. Start it, wait for it, read its figures at any time.

    source: yields frames; it must end soon after `stop` is set, and may raise, which ends the stream after what came
    before. stop: set it to take no more frames. limit: of frames to take, None for all.
    report: called with every failure, from the thread of its stage.

    pixels: of the frames done.
    latency: from taken to written.
    ended: seconds from the start to the end, 0 before. fatal: the error that ended the stream early.
    """

    def __init__(
        self,
        source: Iterable[Frame],
        work: Work,
        stop: threading.Event,
        *,
        queue: int = 4,
        policy: str = "wait",
        limit: int | None = None,
        report: Callable[[Failure], None] = lambda failure: None,
    ) -> None:
        self.stop = stop
        self.stages = tuple(Stage(name, getattr(work, name), FrameQueue(queue, policy)) for name in STAGES)
        self.latency = Timings()
        self.failures: list[Failure] = []
        self.taken = 0
        self.done = 0
        self.pixels = 0
        self.fatal: BaseException | None = None
        self.source_error: InvispError | None = None
        self.ended = 0.0
        self._source = source
        self._limit = limit
        self._report = report
        self._writing = threading.Lock()
        self._begun = 0.0
        self._threads = [threading.Thread(target=self._take, name="source", daemon=True)]
        self._threads += [
            threading.Thread(target=self._serve, args=(index,), name=name, daemon=True)
            for index, name in enumerate(STAGES)
        ]

    @property
    def failed(self) -> int:
        return sum(stage.failed for stage in self.stages)

    @property
    def dropped(self) -> int:
        return sum(stage.queue.dropped for stage in self.stages)

    def counts(self) -> dict[str, int]:
        """taken = done + failed + dropped + abandoned. Until the stream has ended frames under way are abandoned, and
        so they stay where it was aborted: in a queue, or in the hands of a stage that may still compute.
        """
        ended = {"done": self.done, "failed": self.failed, "dropped": self.dropped}
        taken = self.taken  # last: it only grows
        return {"taken": taken, **ended, "abandoned": taken - sum(ended.values())}

    @property
    def seconds(self) -> float:
        """Since the start; up to the end once there is one."""
        return self.ended or (time.perf_counter() - self._begun if self._begun else 0.0)

    def start(self) -> None:
        self._begun = time.perf_counter()
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for the end, no longer than that; whether it has come. Signals are handled meanwhile."""
        until = time.perf_counter() + seconds
        for thread in self._threads:
            thread.join(max(until - time.perf_counter(), 0))
        if any(thread.is_alive() for thread in self._threads):
            return False
        self.ended = self.ended or time.perf_counter() - self._begun
        return True

    def abort(self) -> None:
        """Drop everything but the file that is being written, and let no other be begun.

        The infer stage may still compute: leave the process, or `wait`.
        """
        self._end(None)
        if self._writing.acquire(timeout=10):  # held for good: nothing is written from here on
            self.ended = self.ended or time.perf_counter() - self._begun

    def _end(self, error: BaseException | None) -> None:
        self.fatal = self.fatal or error
        self.stop.set()
        for stage in self.stages:
            stage.queue.abort()

    def _take(self) -> None:
        queue = self.stages[0].queue
        try:
            for frame in self._limited():
                frame.taken = time.perf_counter()
                self.taken += 1
                if not queue.put(frame):
                    break
                del frame  # or it would stand in memory until the next one comes
        except Exception as error:
            self.source_error = failure_of(error, "the source of frames")
        finally:
            queue.close()

    def _limited(self) -> Iterator[Frame]:
        frames = iter(self._source)
        return frames if self._limit is None else itertools.islice(frames, self._limit)

    def _serve(self, index: int) -> None:
        stage = self.stages[index]
        last = index == len(self.stages) - 1
        try:
            while (frame := stage.queue.get()) is not None:
                if self._done(stage, frame) and not last:
                    self.stages[index + 1].queue.put(frame)
                del frame
        except BaseException as error:
            self._end(error)
        finally:
            if not last:
                self.stages[index + 1].queue.close()

    def _done(self, stage: Stage, frame: Frame) -> bool:
        begun = time.perf_counter()
        try:
            if stage.name == "encode":
                with self._writing:  # who holds it sees a file and its count, or neither
                    frame.load = stage.work(frame)
                    self.latency.add(time.perf_counter() - frame.taken)
                    self.pixels += frame.load
                    self.done += 1
            else:
                frame.load = stage.work(frame)
        except OutputError:
            raise
        except Exception as error:
            stage.failed += 1
            failure = Failure(frame.name, stage.name, str(failure_of(error, frame.name)), type(error).__name__)
            if len(self.failures) < _FAILURES:
                self.failures.append(failure)
            self._report(failure)
            return False
        stage.timings.add(time.perf_counter() - begun)
        return True
