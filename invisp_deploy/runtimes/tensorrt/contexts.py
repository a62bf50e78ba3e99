"""Execution contexts of one TensorRT engine: each with its stream and buffers, kept in a pool for threads to share.

::

    arrays -> pinned -> device -> execute -> device -> pinned -> array      all on the context's own stream
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from invisp_deploy.errors import EngineError, OutOfMemoryError
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.base import Feeds, TensorSpec
from invisp_deploy.runtimes.tensorrt.cuda import Cuda

_OUT_OF_MEMORY: Final = re.compile("out ?of ?memory|could not be allocated|cudaErrorMemoryAllocation", re.I)


class Times(NamedTuple):
    """Seconds on the device of one run: copying in, computing, copying out."""

    upload: float
    compute: float
    download: float


@dataclass(frozen=True)
class Loaded:
    """A deserialised engine and what is needed to run it. log: collects NVIDIA's own words on what failed.

    The order matters: fields go in it, and the engine must go before its runtime, both before the log.
    """

    engine: Any
    runtime: Any
    cuda: Cuda
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    log: Any

    def failed(self, what: str) -> EngineError:
        return refusal(self.log, what)


def refusal(log: Any, what: str) -> EngineError:
    """The error for a call that NVIDIA refused, with its reason; OutOfMemoryError where that is the reason."""
    reason = log.take() or "no reason was given"
    kind = OutOfMemoryError if _OUT_OF_MEMORY.search(reason) else EngineError
    return kind(f"{what}: {reason}")


class _Buffer:
    """One tensor's memory, on the device and pinned on the host; it grows and never shrinks."""

    def __init__(self, cuda: Cuda, dtype: str) -> None:
        self._cuda = cuda
        self._dtype = np.dtype(dtype)
        self._host: Any = None
        self.address = 0
        self.view: Array = np.empty(0, self._dtype)

    def shape(self, shape: tuple[int, ...]) -> None:
        size = self._dtype.itemsize * int(np.prod(shape))
        if self._host is None or self._host.nbytes < size:
            self.close()
            self.address = self._cuda.allocate(size)
            self._host = self._cuda.pinned(size)
        self.view = self._host[:size].view(self._dtype).reshape(shape)

    def close(self) -> None:
        self.view = np.empty(0, self._dtype)
        host, self._host = self._host, None
        address, self.address = self.address, 0
        if address:
            self._cuda.free(address)
        if host is not None:
            self._cuda.free_pinned(host)


class Context:
    """One execution context. Used by one thread at a time; closed by whoever made it.

    graph_refused: why CUDA would not capture the engine as a graph, where its shape is fixed; empty where it did,
    and for an engine with a profile, which is queued anew for each tile.
    """

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._graph: Any = None
        self._events: list[Any] = []
        self.graph_refused = ""
        self._stream = loaded.cuda.stream()
        self._inputs = {spec.name: _Buffer(loaded.cuda, spec.dtype) for spec in loaded.inputs}
        self._outputs = {spec.name: _Buffer(loaded.cuda, spec.dtype) for spec in loaded.outputs}
        try:
            self._context = loaded.engine.create_execution_context()
            if self._context is None:
                raise loaded.failed("No execution context was made")
            fixed = {spec.name: tuple(size for size in spec.shape if isinstance(size, int)) for spec in loaded.inputs}
            if all(len(fixed[spec.name]) == len(spec.shape) for spec in loaded.inputs):
                self._capture(fixed)
        except BaseException:
            self.close()
            raise

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """The outputs for one set of inputs, arrays of their own."""
        self._queue(feeds)
        self._loaded.cuda.synchronize(self._stream)
        return {name: buffer.view.copy() for name, buffer in self._outputs.items()}

    def timed(self, feeds: Feeds) -> tuple[dict[str, Array], Times]:
        """`run` with the device's own clock between its three parts."""
        cuda = self._loaded.cuda
        while len(self._events) < 4:
            self._events.append(cuda.event())
        self._queue(feeds, self._events)
        cuda.synchronize(self._stream)
        seconds = (cuda.seconds(start, end) for start, end in zip(self._events, self._events[1:], strict=False))
        return {name: buffer.view.copy() for name, buffer in self._outputs.items()}, Times(*seconds)

    def close(self) -> None:
        """Give stream and memory back; what fails of it is left, so that the rest is given back too."""
        cuda = self._loaded.cuda
        with suppress(EngineError):
            cuda.synchronize(self._stream)
        graph, self._graph = self._graph, None
        events, self._events = self._events, []
        self._context = None
        if graph is not None:
            with suppress(EngineError):
                cuda.destroy_graph(graph)
        for event in events:
            with suppress(EngineError):
                cuda.destroy_event(event)
        for buffer in (*self._inputs.values(), *self._outputs.values()):
            with suppress(EngineError):
                buffer.close()
        with suppress(EngineError):
            cuda.destroy_stream(self._stream)

    def _queue(self, feeds: Feeds, events: list[Any] | None = None) -> None:
        cuda, stream = self._loaded.cuda, self._stream
        self._prepare({name: feeds[name].shape for name in self._inputs})
        for name, buffer in self._inputs.items():
            np.copyto(buffer.view, feeds[name])
        parts: tuple[Callable[[], None], ...] = (
            self._upload,
            self._execute if self._graph is None else lambda: cuda.launch(self._graph, stream),
            self._download,
        )
        for index, part in enumerate(parts):
            if events:
                cuda.record(events[index], stream)
            part()
        if events:
            cuda.record(events[-1], stream)

    def _upload(self) -> None:
        for buffer in self._inputs.values():
            self._loaded.cuda.upload(buffer.address, buffer.view, self._stream)

    def _download(self) -> None:
        for buffer in self._outputs.values():
            self._loaded.cuda.download(buffer.view, buffer.address, self._stream)

    def _prepare(self, shapes: dict[str, tuple[int, ...]]) -> None:
        if shapes == self._shapes:
            return
        loaded, context = self._loaded, self._context
        self._shapes = {}
        for name, shape in shapes.items():
            if not context.set_input_shape(name, shape):
                raise loaded.failed(f"The shape {shape} was refused")
        wanted = dict(shapes)
        for name in self._outputs:
            wanted[name] = tuple(int(size) for size in context.get_tensor_shape(name))
            if min(wanted[name]) < 1:
                raise loaded.failed(f"The shapes {shapes} leave the output `{name}` {wanted[name]}")
        for name, buffer in {**self._inputs, **self._outputs}.items():
            buffer.shape(wanted[name])
            if not context.set_tensor_address(name, buffer.address):
                raise loaded.failed(f"The address of `{name}` was refused")
        self._shapes = shapes

    def _execute(self) -> None:
        if not self._context.execute_async_v3(int(self._stream)):
            raise self._loaded.failed("The engine did not run")

    def _capture(self, shapes: dict[str, tuple[int, ...]]) -> None:
        """Run once, as NVIDIA asks before a capture, then record what a run queues."""
        self.run({spec.name: np.zeros(shapes[spec.name], spec.dtype) for spec in self._loaded.inputs})
        try:
            self._graph = self._loaded.cuda.capture(self._stream, self._execute)
        except OutOfMemoryError:
            raise
        except EngineError as error:
            self.graph_refused = str(error)


class ContextPool:
    """As many contexts as threads ran at once. A thread takes one for one run; it is never in two hands."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded: Loaded | None = loaded
        self._free: list[Context] = []
        self._lock = threading.Lock()

    @contextmanager
    def context(self) -> Iterator[Context]:
        """A free context, or a new one; one that failed is closed and not used again. Raises EngineError if closed."""
        with self._lock:
            if self._loaded is None:
                raise EngineError("The engine was closed: open it again.")
            loaded = self._loaded
            taken = self._free.pop() if self._free else None
        taken = taken or Context(loaded)
        try:
            yield taken
        except BaseException:
            taken.close()
            raise
        with self._lock:
            kept = self._loaded is not None
            if kept:
                self._free.append(taken)
        if not kept:
            taken.close()

    def close(self) -> None:
        """Close what is free now, and what threads still hold when they give it back; the engine goes with the last."""
        with self._lock:
            self._loaded = None
            free, self._free = self._free, []
        for one in free:
            one.close()
