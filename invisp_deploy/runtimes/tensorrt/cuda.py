"""CUDA memory, streams, events and graphs by NVIDIA's cuda-python; the status of every call is looked at.

Nothing here is asynchronous by accident: `upload`, `download`, `record` and `launch` are queued on a stream and
have happened once `synchronize` returns.
"""

from __future__ import annotations

import ctypes
import importlib
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import EngineError, MissingPackageError, OutOfMemoryError
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice

_MODULES: Final = ("cuda.bindings.runtime", "cuda.cudart")  # the second until cuda-python 12.6
_OUT_OF_MEMORY: Final = 2  # cudaErrorMemoryAllocation
_OLD_DRIVER: Final = 35  # cudaErrorInsufficientDriver

Pinned = npt.NDArray[np.uint8]


class Cuda:
    """The first device. Streams, events, graphs and device addresses are whole numbers or handles of cuda-python.

    Every method raises OutOfMemoryError where memory is short, EngineError for any other refusal.
    """

    def __init__(self, device: CudaDevice) -> None:
        self._device = device
        self._api = load_cuda(device)

    def allocate(self, size: int) -> int:
        """Address of `size` bytes on the device."""
        return int(self._done(self._api.cudaMalloc(size), f"{size} bytes on the device"))

    def free(self, address: int) -> None:
        self._done(self._api.cudaFree(address))

    def pinned(self, size: int) -> Pinned:
        """`size` bytes of host memory that copies run from and to without a detour; to be given to `free_pinned`."""
        address = int(self._done(self._api.cudaHostAlloc(size, self._api.cudaHostAllocDefault), f"{size} pinned bytes"))
        return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))

    def free_pinned(self, array: Pinned) -> None:
        """Views of `array` must not be touched afterwards."""
        self._done(self._api.cudaFreeHost(array.ctypes.data))

    def stream(self) -> Any:
        return self._done(self._api.cudaStreamCreateWithFlags(self._api.cudaStreamNonBlocking))

    def destroy_stream(self, stream: Any) -> None:
        self._done(self._api.cudaStreamDestroy(stream))

    def upload(self, address: int, array: npt.NDArray[Any], stream: Any) -> None:
        """Queue a copy of a pinned, contiguous array to the device."""
        kind = self._api.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._done(self._api.cudaMemcpyAsync(address, array.ctypes.data, array.nbytes, kind, stream))

    def download(self, array: npt.NDArray[Any], address: int, stream: Any) -> None:
        """Queue a copy from the device to a pinned, contiguous array."""
        kind = self._api.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._done(self._api.cudaMemcpyAsync(array.ctypes.data, address, array.nbytes, kind, stream))

    def synchronize(self, stream: Any) -> None:
        """Wait for all that is queued; errors of the device itself come out here."""
        self._done(self._api.cudaStreamSynchronize(stream))

    def event(self) -> Any:
        return self._done(self._api.cudaEventCreate())

    def destroy_event(self, event: Any) -> None:
        self._done(self._api.cudaEventDestroy(event))

    def record(self, event: Any, stream: Any) -> None:
        self._done(self._api.cudaEventRecord(event, stream))

    def seconds(self, start: Any, end: Any) -> float:
        """Device time between two events that a synchronised stream has passed; resolution half a microsecond."""
        return float(self._done(self._api.cudaEventElapsedTime(start, end))) / 1000

    def capture(self, stream: Any, work: Callable[[], None]) -> Any:
        """The CUDA graph of what `work` queues on the stream, which does not run now; for `launch`.

        Raises EngineError where something in `work` cannot be captured; the stream is usable afterwards.
        Other threads go on meanwhile: only calls of this thread are captured and restricted.
        """
        api = self._api
        self._done(api.cudaStreamBeginCapture(stream, api.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
        try:
            work()
        except BaseException:
            api.cudaStreamEndCapture(stream)  # its status repeats the error that is on its way
            api.cudaGetLastError()
            raise
        try:
            graph = self._done(api.cudaStreamEndCapture(stream))
        except EngineError:
            api.cudaGetLastError()
            raise
        try:
            return self._done(api.cudaGraphInstantiate(graph, 0))
        finally:
            api.cudaGraphDestroy(graph)

    def launch(self, graph: Any, stream: Any) -> None:
        self._done(self._api.cudaGraphLaunch(graph, stream))

    def destroy_graph(self, graph: Any) -> None:
        self._done(self._api.cudaGraphExecDestroy(graph))

    def _done(self, result: tuple[Any, ...], what: str = "") -> Any:
        status, *values = result
        code = int(status)
        if code == 0:
            return values[0] if values else None
        text = getattr(status, "name", str(status))
        if code == _OUT_OF_MEMORY:
            raise OutOfMemoryError(f"{self._device.name} has no room for {what or 'what it was asked for'}.")
        if code == _OLD_DRIVER:
            raise EngineError(
                f"cuda-python is made for a later CUDA than {self._device.driver}, the driver's: "
                f"{_install(self._device)}."
            )
        raise EngineError(f"{self._device.name} reports {text}: `invisp doctor` says what is installed.")


def load_cuda(device: CudaDevice) -> Any:
    """cuda-python's module of the CUDA runtime API. Raises MissingPackageError, or EngineError for a broken one."""
    for name in _MODULES:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        except (ImportError, OSError, RuntimeError) as error:
            raise EngineError(f"{name} is installed but does not load ({error}): {_install(device)}.") from error
    raise MissingPackageError(
        f"Engines need the Python package cuda-python, which is not installed: {_install(device)}."
    )


def _install(device: CudaDevice) -> str:
    major = math.floor(float(device.driver))
    return f"`pip install 'cuda-python=={major}.*'`"
