"""A simulated CUDA runtime in place of `cuda.bindings.runtime`: strict, lazy, in host memory. It is no GPU test.

Work on a stream waits until the stream is synchronised, fresh memory is NaN, addresses are looked up, and calls that
CUDA forbids during a capture fail, so a missing copy, wait or address shows as it would on a device, or sooner.
"""

from __future__ import annotations

import ctypes
import enum
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

Work = Callable[[], object]


class Status(enum.IntEnum):
    cudaSuccess = 0  # noqa: N815
    cudaErrorInvalidValue = 1  # noqa: N815
    cudaErrorMemoryAllocation = 2  # noqa: N815
    cudaErrorInsufficientDriver = 35  # noqa: N815
    cudaErrorInvalidResourceHandle = 400  # noqa: N815
    cudaErrorNotReady = 600  # noqa: N815
    cudaErrorStreamCaptureUnsupported = 900  # noqa: N815
    cudaErrorStreamCaptureInvalidated = 901  # noqa: N815


OK = Status.cudaSuccess


class Stream:
    """A queue of work; while it captures, a list of what a graph will hold. int() is its handle."""

    def __init__(self) -> None:
        self.queue: list[Work] = []
        self.captured: list[Work] | None = None
        self.valid = True
        self.thread = 0

    def add(self, work: Work) -> None:
        (self.queue if self.captured is None else self.captured).append(work)

    def __int__(self) -> int:
        return id(self)


class SimulatedCuda:
    """Names as in `cuda.bindings.runtime`. room: bytes of the device. clock: milliseconds that its work has taken."""

    cudaHostAllocDefault = 0  # noqa: N815
    cudaStreamNonBlocking = 1  # noqa: N815

    class cudaMemcpyKind(enum.IntEnum):  # noqa: N801
        cudaMemcpyHostToDevice = 1  # noqa: N815
        cudaMemcpyDeviceToHost = 2  # noqa: N815

    class cudaStreamCaptureMode(enum.IntEnum):  # noqa: N801
        cudaStreamCaptureModeThreadLocal = 1  # noqa: N815

    def __init__(self, room: int = 1 << 40) -> None:
        self.room = room
        self.clock = 0.0
        self.launches = 0
        self.allocations = 0
        self.answer = OK  # what every call answers instead, where it is an error
        self.device: dict[int, Any] = {}
        self.pinned: dict[int, Any] = {}
        self.streams: dict[int, Stream] = {}
        self.events: set[int] = set()
        self.graphs: dict[int, list[Work]] = {}
        self._kept: list[Any] = []  # freed memory stays readable, so a use after free is an error and no crash

    @property
    def live(self) -> int:
        """Things not yet given back."""
        return sum(map(len, (self.device, self.pinned, self.streams, self.events, self.graphs)))

    def take(self, size: int) -> bool:
        fits = size <= self.room
        self.room -= size if fits else 0
        return fits

    def memory(self, table: dict[int, Any], address: int, size: int) -> Any:
        """Bytes of allocated memory, or None."""
        for start, buffer in table.items():
            if start <= address and address + size <= start + len(buffer):
                return np.frombuffer(buffer, np.uint8, size, address - start)
        return None

    def cudaMalloc(self, size: int) -> tuple[Status, int]:  # noqa: N802
        if self._capturing() or self.answer:
            return self.answer or Status.cudaErrorStreamCaptureUnsupported, 0
        if not self.take(size):
            return Status.cudaErrorMemoryAllocation, 0
        self.allocations += 1
        return OK, self._fresh(self.device, size)

    def cudaFree(self, address: int) -> tuple[Status]:  # noqa: N802
        if address not in self.device:
            return (Status.cudaErrorInvalidValue,)
        self.room += len(self.device[address])
        self._kept.append(self.device.pop(address))
        return (OK,)

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[Status, int]:  # noqa: N802
        if self._capturing():
            return Status.cudaErrorStreamCaptureUnsupported, 0
        return OK, self._fresh(self.pinned, size)

    def cudaFreeHost(self, address: int) -> tuple[Status]:  # noqa: N802
        if address not in self.pinned:
            return (Status.cudaErrorInvalidValue,)
        self._kept.append(self.pinned.pop(address))
        return (OK,)

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Status, Any]:  # noqa: N802
        if self.answer:
            return self.answer, None
        stream = Stream()
        self.streams[int(stream)] = stream
        return OK, stream

    def cudaStreamDestroy(self, stream: Stream) -> tuple[Status]:  # noqa: N802
        return (OK if self.streams.pop(int(stream), None) else Status.cudaErrorInvalidResourceHandle,)

    def cudaStreamSynchronize(self, stream: Stream) -> tuple[Status]:  # noqa: N802
        if stream.captured is not None:
            stream.valid = False
            return (Status.cudaErrorStreamCaptureUnsupported,)
        while stream.queue:
            stream.queue.pop(0)()
        return (OK,)

    def cudaMemcpyAsync(self, to: int, source: int, size: int, kind: int, stream: Stream) -> tuple[Status]:  # noqa: N802
        upload = kind == self.cudaMemcpyKind.cudaMemcpyHostToDevice
        tables = (self.device, self.pinned) if upload else (self.pinned, self.device)
        target, data = (self.memory(table, place, size) for table, place in zip(tables, (to, source), strict=True))
        if target is None or data is None or int(stream) not in self.streams:
            return (Status.cudaErrorInvalidValue,)
        stream.add(lambda: self._spend(np.copyto(target, data), 1 if upload else 2))
        return (OK,)

    def cudaEventCreate(self) -> tuple[Status, list[float]]:  # noqa: N802
        event: list[float] = []
        self.events.add(id(event))
        return OK, event

    def cudaEventDestroy(self, event: list[float]) -> tuple[Status]:  # noqa: N802
        self.events.discard(id(event))
        return (OK,)

    def cudaEventRecord(self, event: list[float], stream: Stream) -> tuple[Status]:  # noqa: N802
        event.clear()
        stream.add(lambda: event.append(self.clock))
        return (OK,)

    def cudaEventElapsedTime(self, start: list[float], end: list[float]) -> tuple[Status, float]:  # noqa: N802
        return (OK, end[0] - start[0]) if start and end else (Status.cudaErrorNotReady, 0.0)

    def cudaStreamBeginCapture(self, stream: Stream, mode: int) -> tuple[Status]:  # noqa: N802
        stream.captured, stream.valid, stream.thread = [], True, threading.get_ident()
        return (OK,)

    def cudaStreamEndCapture(self, stream: Stream) -> tuple[Status, Any]:  # noqa: N802
        graph, stream.captured = stream.captured, None
        return (OK, graph) if stream.valid else (Status.cudaErrorStreamCaptureInvalidated, None)

    def cudaGraphInstantiate(self, graph: list[Work], flags: int) -> tuple[Status, Any]:  # noqa: N802
        work = list(graph)
        self.graphs[id(work)] = work
        return OK, work

    def cudaGraphDestroy(self, graph: list[Work]) -> tuple[Status]:  # noqa: N802
        return (OK,)

    def cudaGraphLaunch(self, graph: list[Work], stream: Stream) -> tuple[Status]:  # noqa: N802
        if id(graph) not in self.graphs:
            return (Status.cudaErrorInvalidResourceHandle,)
        self.launches += 1
        stream.queue.extend(graph)
        return (OK,)

    def cudaGraphExecDestroy(self, graph: list[Work]) -> tuple[Status]:  # noqa: N802
        return (OK if self.graphs.pop(id(graph), None) is not None else Status.cudaErrorInvalidResourceHandle,)

    def cudaGetLastError(self) -> tuple[Status]:  # noqa: N802
        return (OK,)

    def _capturing(self) -> bool:
        """Whether this thread captures; as in CUDA, a forbidden call then spoils the capture."""
        mine = [s for s in self.streams.values() if s.captured is not None and s.thread == threading.get_ident()]
        for stream in mine:
            stream.valid = False
        return bool(mine)

    def _fresh(self, table: dict[int, Any], size: int) -> int:
        buffer = (ctypes.c_uint8 * size)()
        np.frombuffer(buffer, np.float32, size // 4)[:] = np.nan
        address = ctypes.addressof(buffer)
        table[address] = buffer
        return address

    def _spend(self, done: object, milliseconds: float) -> None:
        self.clock += milliseconds
