"""Frames of a camera that hands out numbered buffers, as V4L2 does: what was missed shows in the numbers."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from invisp_deploy.errors import RawFileError
from invisp_deploy.streaming.pipeline import Frame

_LOOK: Final = 0.1  # seconds between looks at `stop`
_NUMBERS: Final = 1 << 32  # of a sequence, which then begins again (v4l2_buffer, sequence: __u32)


@dataclass(frozen=True)
class CaptureFormat:
    """What a camera is set to. fourcc: of its layout. stride: bytes from a row to the next."""

    fourcc: str
    width: int
    height: int
    stride: int


@dataclass(frozen=True)
class CapturedBuffer:
    """sequence: counts what the sensor sent, taken or not. whole: False where the driver says that data was lost."""

    sequence: int
    data: bytes
    whole: bool = True


class CaptureDevice(Protocol):
    """A camera that runs. It can be waited for as a file."""

    def fileno(self) -> int: ...

    def take(self) -> CapturedBuffer:
        """The oldest buffer that is filled, copied, and given back to be filled again."""
        ...


class Capture:
    """Yields a camera's frames until `stop` is set; to be run in a thread of its own, which does nothing else.

    size: bytes of a frame; what a buffer holds behind them is padding.
    missed: frames that the sensor sent and no buffer was free for, by the gaps of the sequence. damaged: frames that
    the driver marks as such, or that are short; they are left out. timeout: seconds without a frame that are too many,
    None waits for ever.

    Raises RawFileError for such a silence, and where the camera is gone.
    """

    def __init__(self, device: CaptureDevice, size: int, stop: threading.Event, timeout: float | None) -> None:
        self.missed = 0
        self.damaged = 0
        self._device = device
        self._size = size
        self._stop = stop
        self._timeout = timeout
        self._next: int | None = None

    def __iter__(self) -> Iterator[Frame]:
        number, heard = 0, time.perf_counter()
        while not self._stop.is_set():
            if not select.select([self._device.fileno()], [], [], _LOOK)[0]:
                if self._timeout is not None and time.perf_counter() - heard > self._timeout:
                    raise RawFileError(
                        f"The camera stalled: no frame came for {self._timeout:g} s after {number} of them. See "
                        "whether it is set up and nothing else holds it, or pass a longer `timeout`."
                    )
                continue
            try:
                taken = self._device.take()
            except OSError as error:
                raise RawFileError(f"The camera has gone: {error.strerror or error}, after {number} frames.") from error
            heard = time.perf_counter()
            self._count(taken.sequence)
            if not taken.whole or len(taken.data) < self._size:
                self.damaged += 1
                continue
            name = f"frame-{number:06}"
            yield Frame(name, name, bytearray(taken.data[: self._size]))
            number += 1

    @property
    def counts(self) -> dict[str, int]:
        return {"missed": self.missed, "damaged": self.damaged}

    def _count(self, sequence: int) -> None:
        if self._next is not None:
            self.missed += (sequence - self._next) % _NUMBERS
        self._next = (sequence + 1) % _NUMBERS
