"""Lines that come beside frames on another descriptor, one for each, and which frame each is of."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from invisp_deploy.errors import InvispError, RawFileError, RequestError
from invisp_deploy.sensor.frame_line import MOST_BYTES, FrameLine, read_frame_line
from invisp_deploy.streaming.pipeline import Frame

LATE_SECONDS: Final = 10.0
"""How long a frame waits for its line."""

_LOOK: Final = 0.1  # seconds between looks at `stop`
_CHUNK: Final = 1 << 16


class SideChannel:
    """Lines of JSON on an open descriptor, in the order of the frames. stop: set it to wait no more. late: seconds that
    a frame waits for its line.
    """

    def __init__(self, descriptor: int, stop: threading.Event, late: float = LATE_SECONDS) -> None:
        self._descriptor = descriptor
        self._stop = stop
        self._late = late
        self._rest = b""
        self._ended = False
        self._kept: FrameLine | None = None

    def line_of(self, number: int, name: str) -> FrameLine | InvispError:
        """What came with the frame of that number, or why that cannot be used: a line that is none, that is of an
        earlier frame, or that is of a later one, for which it is kept.

        Raises RawFileError where there are no more lines, or none came in time: the frames after it have none either.
        """
        try:
            line = self._kept or self._next(name)
        except _BadLineError as error:
            return error.reason
        self._kept = None
        if line.frame is None or line.frame == number:
            return line
        if line.frame > number:
            self._kept = line
            return RawFileError(f"{name} has no line beside it: the next one is of frame {line.frame}.")
        return RawFileError(
            f"The line for {name} is of frame {line.frame}, which had its turn: lines come in the order of the frames."
        )

    def _next(self, name: str) -> FrameLine:
        data = self._read(name)
        try:
            return read_frame_line(data, name)
        except RawFileError as error:
            raise _BadLineError(error) from error

    def _read(self, name: str) -> bytes:
        until = time.monotonic() + self._late
        while True:
            line, found, rest = self._rest.partition(b"\n")
            if found or (self._ended and line.strip()):
                self._rest = rest
                if line.strip():
                    return line
                continue
            if self._ended:
                raise RawFileError(f"There is no line for {name}: the side channel has ended, and the frames go on.")
            if len(self._rest) > MOST_BYTES:
                raise RawFileError(f"The line for {name} has more than {MOST_BYTES} bytes: end each with a line feed.")
            if self._stop.is_set() or time.monotonic() > until:
                raise RawFileError(
                    f"The line for {name} did not come within {self._late:g} seconds: write each before its frame."
                )
            if select.select([self._descriptor], [], [], _LOOK)[0]:
                chunk = os.read(self._descriptor, _CHUNK)
                self._rest += chunk
                self._ended = not chunk


class _BadLineError(Exception):
    def __init__(self, reason: InvispError) -> None:
        super().__init__(str(reason))
        self.reason = reason


def with_lines(frames: Iterable[Frame], channel: SideChannel) -> Iterator[Frame]:
    """The frames with what came beside each, as they come."""
    for number, frame in enumerate(frames):
        frame.beside = channel.line_of(number, frame.name)
        yield frame


@contextmanager
def open_side_channel(given: str) -> Iterator[int]:
    """The descriptor of a side channel: a number is that of an open one, else it is a file or a named pipe, which is
    closed after the block. Raises RequestError.
    """
    if given.isascii() and given.isdigit():
        descriptor = int(given)
        if descriptor == 0:
            raise RequestError("`frame_facts` 0 is standard input, where the frames come: open another descriptor.")
        try:
            os.fstat(descriptor)
        except (OSError, OverflowError) as error:
            raise RequestError(
                f"`frame_facts` {given} is no open descriptor: open it by `{given}< FILE` in a shell, or name a file."
            ) from error
        yield descriptor
        return
    if Path(given).is_dir():
        raise RequestError(f"`frame_facts` {given} is a folder: name a file or a named pipe.")
    try:
        descriptor = os.open(given, os.O_RDONLY | os.O_NONBLOCK if Path(given).is_fifo() else os.O_RDONLY)
    except OSError as error:
        raise RequestError(f"`frame_facts` {given} cannot be read: {error.strerror or error}.") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
