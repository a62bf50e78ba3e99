"""Frames out of recorded buffers: gaps, marks, silence, an end. There was no camera."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from invisp_deploy.errors import RawFileError
from invisp_deploy.streaming.capture import Capture, CapturedBuffer


class Recorded:
    """A camera that was: its buffers, then the error that ends it, if any, else silence."""

    def __init__(self, buffers: list[CapturedBuffer], end: OSError | None = None) -> None:
        self.buffers, self.end = buffers, end
        self.readable, self.writable = os.pipe()
        os.write(self.writable, bytes(len(buffers) + (end is not None)))

    def fileno(self) -> int:
        return self.readable

    def take(self) -> CapturedBuffer:
        os.read(self.readable, 1)
        if not self.buffers and self.end:
            raise self.end
        return self.buffers.pop(0)


@pytest.fixture
def gone() -> OSError:
    return OSError(errno.ENODEV, "No such device")


def test_frames_are_in_order_and_what_was_missed_is_counted(gone: OSError) -> None:
    """Numbers that run over their end, and padding behind a frame."""
    numbers = [(1 << 32) - 2, (1 << 32) - 1, 2, 3, 10]
    device = Recorded([CapturedBuffer(number, bytes([number % 251] * 8) + b"pad") for number in numbers], gone)
    capture = Capture(device, 8, threading.Event(), None)
    frames = iter(capture)
    for count, number in enumerate(numbers):
        frame = next(frames)
        assert (frame.stem, bytes(frame.load)) == (f"frame-{count:06}", bytes([number % 251] * 8))
    assert (capture.missed, capture.damaged) == (2 + 6, 0)
    with pytest.raises(RawFileError, match="The camera has gone: No such device, after 5 frames"):
        next(frames)


def test_what_the_driver_marks_and_what_is_short_is_left_out(gone: OSError) -> None:
    device = Recorded(
        [CapturedBuffer(0, b"12345678"), CapturedBuffer(1, b"1234567_", whole=False), CapturedBuffer(2, b"1234")], gone
    )
    capture = Capture(device, 8, threading.Event(), None)
    frames = iter(capture)
    assert bytes(next(frames).load) == b"12345678"
    with pytest.raises(RawFileError, match="after 1 frames"):
        next(frames)
    assert (capture.missed, capture.damaged) == (0, 2)


def test_a_camera_that_falls_silent_is_told_and_one_that_is_stopped_is_not() -> None:
    capture = Capture(Recorded([CapturedBuffer(7, b"12345678")]), 8, threading.Event(), 0.2)
    frames = iter(capture)
    assert next(frames).stem == "frame-000000"
    with pytest.raises(RawFileError, match="stalled: no frame came for 0.2 s after 1 of them"):
        next(frames)
    stop = threading.Event()
    frames = iter(Capture(Recorded([CapturedBuffer(7, b"12345678")]), 8, stop, 0.2))
    next(frames)
    stop.set()
    assert list(frames) == []
