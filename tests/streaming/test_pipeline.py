"""The pipeline with stages that are plain functions: order, overlap, both policies, every end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from invisp_deploy.errors import EngineError, OutputError, RawFileError
from invisp_deploy.streaming.pipeline import Frame, Pipeline, Work

LONG = 60.0  # seconds after which a test that hangs fails


def numbers(count: int) -> Iterator[Frame]:
    for number in range(count):
        yield Frame(f"frame {number}", str(number), number)


class Written:
    """The last stage: what came out, in order."""

    def __init__(self) -> None:
        self.loads: list[Any] = []

    def __call__(self, frame: Frame) -> int:
        self.loads.append(frame.load)
        return 10


def same(frame: Frame) -> Any:
    return frame.load


def made(
    count: int | Iterator[Frame],
    written: Callable[[Frame], int],
    decode: Callable[[Frame], Any] = same,
    infer: Callable[[Frame], Any] = same,
    **settings: Any,
) -> Pipeline:
    source = numbers(count) if isinstance(count, int) else count
    return Pipeline(source, Work(decode, infer, written), settings.pop("stop", threading.Event()), **settings)


def finish(pipeline: Pipeline) -> None:
    assert pipeline.wait(LONG), "the stream hangs"
    counts = pipeline.counts()
    assert counts["taken"] == sum(counts[name] for name in ("done", "failed", "dropped", "abandoned"))
    assert counts["abandoned"] == 0 or pipeline.stop.is_set()


def until(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(int(LONG / 0.002)):
        if true():
            return
        pause.wait(0.002)
    pytest.fail("it never came to that")


def test_frames_leave_in_order_and_are_counted() -> None:
    written = Written()
    pipeline = made(200, written, queue=3)
    pipeline.start()
    finish(pipeline)
    assert written.loads == list(range(200))
    assert (pipeline.taken, pipeline.done, pipeline.pixels) == (200, 200, 2000)
    assert [stage.timings.count for stage in pipeline.stages] == [200] * 3
    assert pipeline.latency.count == 200
    assert all(1 <= stage.queue.most <= 3 for stage in pipeline.stages)
    assert pipeline.seconds == pipeline.ended > 0


def test_stages_work_at_the_same_time() -> None:
    """Frame 0 is not inferred before frame 1 is decoded, and not written before frame 1 is inferred."""
    decoded, inferred = threading.Event(), threading.Event()

    def decode(frame: Frame) -> Any:
        if frame.load == 1:
            decoded.set()
        return frame.load

    def infer(frame: Frame) -> Any:
        if frame.load == 0:
            assert decoded.wait(LONG)
        else:
            inferred.set()
        return frame.load

    def encode(frame: Frame) -> int:
        assert frame.load == 1 or inferred.wait(LONG)
        return 1

    pipeline = made(2, encode, decode, infer)
    pipeline.start()
    finish(pipeline)
    assert (pipeline.done, pipeline.fatal) == (2, None)


def test_who_is_behind_makes_the_source_wait() -> None:
    go = threading.Event()

    def infer(frame: Frame) -> Any:
        assert go.wait(LONG)
        return frame.load

    written = Written()
    pipeline = made(50, written, infer=infer, queue=4)
    pipeline.start()
    held = 1 + 4 + 1 + 4 + 1  # in infer, its queue, in decode's hand, its queue, in the source's hand
    until(lambda: pipeline.taken == held)
    go.set()
    finish(pipeline)
    assert written.loads == list(range(50))
    assert pipeline.dropped == 0


def test_who_is_behind_loses_the_oldest() -> None:
    busy, go = threading.Event(), threading.Event()

    def source() -> Iterator[Frame]:
        for frame in numbers(50):
            yield frame
            if frame.load == 0:
                assert busy.wait(LONG)

    def infer(frame: Frame) -> Any:
        busy.set()
        assert go.wait(LONG)
        return frame.load

    written = Written()
    pipeline = made(source(), written, infer=infer, queue=4, policy="drop-oldest")
    pipeline.start()
    decode = pipeline.stages[0]
    until(lambda: decode.timings.count + decode.queue.dropped == 50)
    go.set()
    finish(pipeline)
    assert written.loads[-4:] == [46, 47, 48, 49]
    assert [stage.queue.most for stage in pipeline.stages[:2]] == [4, 4]
    assert sum(stage.queue.dropped for stage in pipeline.stages[:2]) == 45


def test_a_bad_frame_is_left_out_and_the_stream_goes_on() -> None:
    def decode(frame: Frame) -> Any:
        if frame.load == 2:
            raise RawFileError("frame 2 is damaged.")
        return frame.load

    def infer(frame: Frame) -> Any:
        if frame.load == 4:
            raise EngineError("frame 4 is not finite.")
        return frame.load

    told: list[str] = []
    written = Written()
    pipeline = made(7, written, decode, infer, report=lambda failure: told.append(failure.stage))
    pipeline.start()
    finish(pipeline)
    assert written.loads == [0, 1, 3, 5, 6]
    assert [(one.name, one.stage, one.error) for one in pipeline.failures] == [
        ("frame 2", "decode", "frame 2 is damaged."),
        ("frame 4", "infer", "frame 4 is not finite."),
    ]
    assert [stage.failed for stage in pipeline.stages] == [1, 1, 0]
    assert told == ["decode", "infer"]


def test_failures_are_kept_up_to_a_hundred() -> None:
    def decode(frame: Frame) -> Any:
        raise RawFileError(f"{frame.name} is damaged.")

    pipeline = made(150, Written(), decode)
    pipeline.start()
    finish(pipeline)
    assert (pipeline.failed, len(pipeline.failures)) == (150, 100)


@pytest.mark.parametrize(
    "error", [TypeError("a fault\nof ours"), MemoryError(), RecursionError("too deep"), OSError(5, "bad card")]
)
@pytest.mark.parametrize("stage", ["decode", "infer", "written"])
def test_an_exception_of_any_kind_is_that_frame_s_failure(error: Exception, stage: str) -> None:
    def fail(frame: Frame) -> Any:
        if frame.load == 3:
            raise error
        return frame.load

    pipeline = made(7, **{"written": Written(), stage: fail})
    pipeline.start()
    finish(pipeline)
    assert (pipeline.done, pipeline.failed, pipeline.fatal) == (6, 1, None)
    failure = pipeline.failures[0]
    assert (failure.name, failure.type) == ("frame 3", type(error).__name__)
    assert failure.error.startswith("frame 3: ")
    assert "\n" not in failure.error


def test_a_source_that_breaks_ends_after_what_came_before() -> None:
    def source() -> Iterator[Frame]:
        yield from numbers(3)
        raise TypeError("a fault of ours")

    pipeline = made(source(), Written())
    pipeline.start()
    finish(pipeline)
    assert pipeline.done == 3
    assert "TypeError: a fault of ours" in str(pipeline.source_error)


def test_after_an_abort_the_frame_that_a_stage_still_holds_is_counted() -> None:
    """What the source made is compared with what was written and what is said, while infer is still at work."""
    inferring, go, made_frames = threading.Event(), threading.Event(), []

    def source() -> Iterator[Frame]:
        for frame in numbers(1_000):
            made_frames.append(frame.name)
            yield frame

    def infer(frame: Frame) -> Any:
        if frame.load == 2:
            inferring.set()
            assert go.wait(LONG)
        return frame.load

    written = Written()
    pipeline = made(source(), written, infer=infer, queue=2)
    pipeline.start()
    assert inferring.wait(LONG)
    until(lambda: len(written.loads) == 2)
    pipeline.abort()
    until(lambda: pipeline.taken == len(made_frames))
    counts = pipeline.counts()
    left = len(made_frames) - 2
    assert counts == {"taken": left + 2, "done": 2, "failed": 0, "dropped": 0, "abandoned": left}
    go.set()
    finish(pipeline)


def test_what_the_next_frame_would_meet_too_ends_the_stream() -> None:
    error = OutputError("The disk is full.")

    def encode(frame: Frame) -> int:
        if frame.load == 3:
            raise error
        return 1

    pipeline = made(1000, encode)
    pipeline.start()
    finish(pipeline)
    assert pipeline.fatal is error
    assert pipeline.done == 3
    assert pipeline.counts()["abandoned"] == pipeline.taken - 3 >= 1
    assert pipeline.taken < 1000


def test_a_source_that_fails_ends_after_what_came_before() -> None:
    def source() -> Iterator[Frame]:
        yield from numbers(3)
        raise RawFileError("The pipe ended within frame 3.")

    written = Written()
    pipeline = made(source(), written)
    pipeline.start()
    finish(pipeline)
    assert written.loads == [0, 1, 2]
    assert str(pipeline.source_error) == "The pipe ended within frame 3."
    assert pipeline.fatal is None


def test_stop_finishes_what_was_taken() -> None:
    stop = threading.Event()

    def source() -> Iterator[Frame]:
        for frame in numbers(1_000_000):
            if stop.is_set():
                return
            yield frame

    written = Written()
    pipeline = made(source(), written, stop=stop)
    pipeline.start()
    until(lambda: pipeline.done > 20)
    stop.set()
    finish(pipeline)
    assert written.loads == list(range(pipeline.taken))


def test_abort_lets_the_file_at_hand_be_finished_and_no_other_begin() -> None:
    writing, go = threading.Event(), threading.Event()
    files: list[str] = []

    def encode(frame: Frame) -> int:
        files.append("begun")
        writing.set()
        assert go.wait(LONG)
        files.append("whole")
        return 1

    pipeline = made(100, encode, queue=2)
    pipeline.start()
    assert writing.wait(LONG)
    aborting = threading.Thread(target=pipeline.abort)
    aborting.start()
    until(pipeline.stop.is_set)
    assert aborting.is_alive()
    go.set()
    aborting.join(LONG)
    finish(pipeline)
    assert files == ["begun", "whole"]
    assert pipeline.counts()["abandoned"] == pipeline.taken - 1 > 0


def test_a_limit_ends_it() -> None:
    written = Written()
    pipeline = made(1_000_000, written, limit=5)
    pipeline.start()
    finish(pipeline)
    assert written.loads == [0, 1, 2, 3, 4]


def test_no_more_frames_are_in_memory_than_queues_and_hands_hold() -> None:
    class Load:
        alive = 0
        most = 0

        def __init__(self, number: int) -> None:
            Load.alive += 1
            Load.most = max(Load.most, Load.alive)

        def __del__(self) -> None:
            Load.alive -= 1

    slow = threading.Event()

    def encode(frame: Frame) -> int:
        slow.wait(0.001)
        return 1

    source = (Frame(str(number), str(number), Load(number)) for number in range(300))
    pipeline = made(source, encode, queue=2)
    pipeline.start()
    finish(pipeline)
    assert pipeline.done == 300
    assert Load.most <= 3 * 2 + 4 + 1, "three queues, four threads' hands, one being made"
    del pipeline, source
    assert Load.alive <= 1
