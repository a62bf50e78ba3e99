"""The live line on a stand-in for a terminal."""

from __future__ import annotations

import io
import threading

from invisp_deploy.streaming.live import LiveLine, live_text
from invisp_deploy.streaming.pipeline import Frame, Pipeline, Work


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def done(count: int) -> Pipeline:
    frames = (Frame(str(number), str(number), number) for number in range(count))
    work = Work(lambda frame: frame.load, lambda frame: frame.load, lambda frame: 1)
    pipeline = Pipeline(frames, work, threading.Event(), queue=3)
    pipeline.start()
    assert pipeline.wait(60)
    return pipeline


def test_it_names_rate_depths_times_drops_and_failures() -> None:
    pipeline = done(5)
    for stage, seconds in zip(pipeline.stages, (0.002, 0.04, 0.005), strict=True):
        for _ in range(300):
            stage.timings.add(seconds)
    assert live_text(pipeline, 12.34) == (
        "5 done 0 dropped 0 failed 12.3 fps | decode 0/3 2.0-2.0 infer 0/3 40-40 encode 0/3 5.0-5.0 ms"
    )


def test_a_line_that_stays_takes_the_live_one_away() -> None:
    terminal = Terminal()
    live = LiveLine(done(2), terminal)
    live.update()
    live.say("Error: one")
    live.update()
    live.say("")
    shown = terminal.getvalue().split("\r\x1b[K")
    assert shown[1].startswith("2 done ")
    assert shown[2] == "Error: one\n"
    assert shown[3].startswith("2 done ")
    assert shown[4] == ""


def test_only_what_stays_goes_to_a_file() -> None:
    for stream, quiet in ((io.StringIO(), False), (Terminal(), True)):
        live = LiveLine(done(1), stream, quiet=quiet)
        live.update()
        live.say("Error: one")
        assert stream.getvalue() == "Error: one\n"


def test_a_file_gets_the_figures_twice_a_minute_unless_quiet() -> None:
    for quiet, lines in ((False, 3), (True, 0)):
        now = [100.0]
        stream = io.StringIO()
        live = LiveLine(done(1), stream, quiet=quiet, clock=lambda now=now: now[0])
        for _ in range(400):
            now[0] += 0.25
            live.update()
        assert len(stream.getvalue().splitlines()) == lines
        assert all(line.startswith("1 done ") for line in stream.getvalue().splitlines())
