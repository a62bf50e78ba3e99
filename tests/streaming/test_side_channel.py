"""Lines beside frames: each goes to its own, and what is missing, late or none is said of the frame it is for."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from invisp_deploy.errors import RawFileError, RequestError
from invisp_deploy.sensor.frame_line import MOST_BYTES, FrameLine
from invisp_deploy.streaming.pipeline import Frame
from invisp_deploy.streaming.side_channel import SideChannel, open_side_channel, with_lines

SOON = 0.3
"""Seconds: what comes late in a test."""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        try:
            os.close(descriptor)
        except OSError:
            continue


def frames(count: int) -> Iterator[Frame]:
    return (Frame(f"frame-{number}", f"frame-{number}", b"") for number in range(count))


def beside(data: bytes, count: int, tmp_path: Path) -> list[object]:
    path = tmp_path / "lines"
    path.write_bytes(data)
    with open_side_channel(str(path)) as descriptor:
        channel = SideChannel(descriptor, threading.Event(), SOON)
        return [frame.beside for frame in with_lines(frames(count), channel)]


def test_each_line_goes_to_its_frame_in_order(tmp_path: Path) -> None:
    data = b'{"gain": 1}\n\n{"gain": 2, "frame": 1}\n{"gain": 3}'
    assert beside(data, 3, tmp_path) == [FrameLine(gain=1.0), FrameLine(1, gain=2.0), FrameLine(gain=3.0)]


def test_a_line_that_is_none_is_its_own_frames_alone(tmp_path: Path) -> None:
    first, second, third = beside(b'{"gain": 1}\n{"gian": 2}\n{"gain": 3}\n', 3, tmp_path)
    assert (first, third) == (FrameLine(gain=1.0), FrameLine(gain=3.0))
    assert isinstance(second, RawFileError)
    assert "The line for frame-1 has the field 'gian'" in str(second)


def test_a_line_that_got_lost_is_missed_by_its_number(tmp_path: Path) -> None:
    data = b'{"frame": 0}\n{"frame": 2}\n{"frame": 1}\n{"frame": 4}\n'
    found = beside(data, 5, tmp_path)
    assert [found[0], found[2], found[4]] == [FrameLine(0), FrameLine(2), FrameLine(4)]
    assert "frame-1 has no line beside it: the next one is of frame 2" in str(found[1])
    assert "The line for frame-3 is of frame 1, which had its turn" in str(found[3])


def test_an_end_before_the_last_frame_ends_the_source(tmp_path: Path) -> None:
    with pytest.raises(RawFileError, match="no line for frame-1: the side channel has ended, and the frames go on"):
        beside(b"{}\n\n", 2, tmp_path)


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RawFileError, match=f"frame-0 has more than {MOST_BYTES} bytes"):
        beside(b" " * (3 * MOST_BYTES), 1, tmp_path)


def test_a_late_line_is_waited_for_and_not_for_ever(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    channel = SideChannel(reading, threading.Event(), SOON)
    os.write(writing, b'{"gain"')
    later = threading.Timer(SOON / 4, os.write, (writing, b": 2}\n"))
    later.start()
    assert channel.line_of(0, "f") == FrameLine(gain=2.0)
    later.join()
    with pytest.raises(RawFileError, match=f"The line for f did not come within {SOON:g} seconds"):
        channel.line_of(1, "f")


def test_a_stopped_stream_waits_no_more(pipe: tuple[int, int]) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(RawFileError, match="did not come"):
        SideChannel(pipe[0], stop, 1000).line_of(0, "f")


def test_descriptors_files_and_named_pipes(pipe: tuple[int, int], tmp_path: Path) -> None:
    with open_side_channel(str(pipe[0])) as descriptor:
        assert descriptor == pipe[0]
    os.fstat(pipe[0])  # still open: it is not ours
    os.mkfifo(tmp_path / "fifo")
    with open_side_channel(str(tmp_path / "fifo")) as descriptor:
        channel = SideChannel(descriptor, threading.Event(), SOON)
        with pytest.raises(RawFileError, match="did not come"):  # nobody writes yet: that is no end
            channel.line_of(0, "f")
        writing = os.open(tmp_path / "fifo", os.O_WRONLY)
        os.write(writing, b"{}\n")
        assert channel.line_of(0, "f") == FrameLine()
        os.close(writing)
    for given, words in (
        ("937", "is no open descriptor: .*`937< FILE`"),
        (str(tmp_path / "no"), "cannot be read: No such"),
    ):
        with pytest.raises(RequestError, match=words), open_side_channel(given):
            pass
