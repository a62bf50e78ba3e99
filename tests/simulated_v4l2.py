"""A camera behind the system calls that linuxpy makes of V4L2: recorded buffers, in the order in which they are asked
for. No device and no driver: what is seen here is that we and linuxpy agree on the calls and their structures.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Any

import pytest
from linuxpy.video import device as linuxpy
from linuxpy.video import raw

Recorded = tuple[int, bytes, bool]
"""Sequence number, bytes, whether the driver says that they are whole."""


class SimulatedCamera:
    """Answers for `/dev/null`, which is always ready to be read. calls: names of requests in their order.
    gone: it was pulled out."""

    def __init__(self, fourcc: str, width: int, height: int, stride: int, recorded: Sequence[Recorded]) -> None:
        self.format = fourcc, width, height, stride
        self.left = list(recorded)
        self.calls: list[str] = []
        self.memory: list[bytearray] = []
        self.queued: list[int] = []
        self.gone = False

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(linuxpy, "ioctl", self.ioctl)
        monkeypatch.setattr(linuxpy, "mem_map", lambda fd, length, offset: Mapped(self.memory[offset]))

    def ioctl(self, fd: Any, request: Any, argument: Any = None) -> Any:
        self.calls.append(request.name)
        if self.gone:
            raise OSError(errno.ENODEV, "No such device")
        getattr(self, request.name.lower())(argument)
        return argument

    def querycap(self, found: Any) -> None:
        found.capabilities = found.device_caps = raw.Capability.VIDEO_CAPTURE | raw.Capability.STREAMING

    def g_fmt(self, found: Any) -> None:
        fourcc, width, height, stride = self.format
        pixels = found.fmt.pix
        pixels.pixelformat = int.from_bytes(fourcc.encode(), "little")
        pixels.width, pixels.height, pixels.bytesperline = width, height, stride
        pixels.sizeimage = stride * height + 64  # padded to whole pages, say

    def reqbufs(self, request: Any) -> None:
        self.memory = [bytearray(self.format[2] * self.format[3] + 64) for _ in range(request.count)]

    def querybuf(self, buffer: Any) -> None:
        buffer.length, buffer.m.offset = len(self.memory[buffer.index]), buffer.index

    def qbuf(self, buffer: Any) -> None:
        assert buffer.index not in self.queued
        self.queued.append(buffer.index)

    def dqbuf(self, buffer: Any) -> None:
        if not self.left:
            raise OSError(errno.ENODEV, "No such device")
        sequence, data, whole = self.left.pop(0)
        buffer.index = self.queued.pop(0)
        self.memory[buffer.index][: len(data)] = data
        buffer.bytesused, buffer.sequence = len(data), sequence
        buffer.flags = 0 if whole else int(raw.BufferFlag.ERROR)

    def streamon(self, kind: Any) -> None:
        assert self.queued, "a driver has nothing to fill"

    def streamoff(self, kind: Any) -> None:
        self.queued.clear()


class Mapped:
    """Memory that is shared with a driver, as `mmap.mmap` gives it: slices are copies."""

    def __init__(self, memory: bytearray) -> None:
        self._memory = memory

    def __getitem__(self, where: slice) -> bytes:
        return bytes(self._memory[where])

    def close(self) -> None:
        del self._memory
