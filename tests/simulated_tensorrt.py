"""A simulated TensorRT: the classes and names that our runtime uses, strict as the real ones, computing with ONNX
Runtime in the memory of `tests.simulated_cuda`. It shows what our own code does with engines; no GPU test is made of
it. That the names exist in the real TensorRT is the matter of tests/test_tensorrt_names.py.
"""

from __future__ import annotations

import enum
import json
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from invisp_deploy.files import sha256_file
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.tensorrt import cuda_device
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard, Profile, sidecar_path
from tests.simulated_cuda import SimulatedCuda, Stream

VERSION = "10.3.0"
DEVICE = CudaDevice("Simulated GPU", "sm86", "12.6", 8 << 30)
COMPUTE = 5.0  # milliseconds of a run, on the simulated clock


class Severity(enum.Enum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class ILogger:
    Severity = Severity

    def __init__(self) -> None:
        self.made = True


class TensorIOMode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    INT32 = 3
    UINT8 = 5


class SimulatedTensorRT(types.ModuleType):
    """`import tensorrt` and the device beside it. Fields change what the device or TensorRT answers."""

    def __init__(self, name: str, cuda: SimulatedCuda) -> None:
        super().__init__(name)
        self.__version__ = VERSION
        self.cuda = cuda
        self.device: CudaDevice | None = DEVICE
        self.capturable = True
        self.working_memory = 1000
        self.dtype: DataType | None = None  # in place of the graph's own
        self.runtimes = 0
        self.contexts: list[ExecutionContext] = []
        self.failing_runs = 0
        self.meet: Any = None  # a barrier that every run waits at
        self.ILogger, self.TensorIOMode, self.DataType = ILogger, TensorIOMode, DataType

    def Runtime(self, logger: ILogger) -> Runtime:  # noqa: N802
        if self.device is None:
            raise SystemError("segmentation fault: this is what the real one does without a device")
        assert logger.made, "ILogger.__init__ was not called"
        self.runtimes += 1
        return Runtime(self, logger)


class Runtime:
    def __init__(self, trt: SimulatedTensorRT, logger: Any) -> None:
        self._trt, self._logger = trt, logger

    def deserialize_cuda_engine(self, data: bytes) -> Engine | None:
        try:
            plan = json.loads(data)
        except ValueError:
            self._logger.log(
                Severity.ERROR, "Serialization assertion plan->header.magicTag == rt::kPLAN_MAGIC_TAG failed."
            )
            return None
        self._logger.log(Severity.WARNING, "a warning, which is nobody's error")
        return Engine(self._trt, self._logger, plan)


class Engine:
    def __init__(self, trt: SimulatedTensorRT, logger: Any, plan: dict[str, Any]) -> None:
        self.trt, self.logger, self.plan = trt, logger, plan
        self.onnx = OnnxRuntime(Path(plan["onnx"]), threads=1)
        self.specs = {spec.name: spec for spec in (*self.onnx.inputs, *self.onnx.outputs)}
        self.names = list(self.specs)
        self.inputs = [spec.name for spec in self.onnx.inputs]
        self.num_io_tensors = len(self.names)

    def get_tensor_name(self, index: int) -> str:
        return self.names[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        return self.trt.dtype or _DTYPES[self.specs[name].dtype]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        low, high = (self.specs[name].shape_of(*self.plan[key]) for key in ("smallest", "largest"))
        return tuple(a if a == b else -1 for a, b in zip(low, high, strict=True))

    def get_tensor_profile_shape(self, name: str, index: int) -> list[tuple[int, ...]]:
        if self.get_tensor_mode(name) is not TensorIOMode.INPUT or index != 0:
            raise RuntimeError("profiles are for inputs")
        if -1 not in self.get_tensor_shape(name):
            raise RuntimeError("no profile bounds this input")
        return [self.specs[name].shape_of(*self.plan[key]) for key in ("smallest", "optimal", "largest")]

    def create_execution_context(self) -> ExecutionContext | None:
        if not self.trt.cuda.take(self.trt.working_memory):
            self.logger.log(
                Severity.ERROR, "[defaultAllocator.cpp::allocate::62] Error Code 1: Cuda Runtime (out of memory)"
            )
            return None
        context = ExecutionContext(self)
        self.trt.contexts.append(context)
        return context


class ExecutionContext:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.runs = 0
        self.pending = 0

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        plan, spec = self.engine.plan, self.engine.specs[name]
        low, high = (spec.shape_of(*plan[key]) for key in ("smallest", "largest"))
        fits = name in self.engine.inputs and len(shape) == len(low)
        if not fits or not all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True)):
            return self._no("Set dimension does not satisfy the profile")
        self.shapes[name] = shape
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        given, wanted = self.engine.specs[self.engine.names[0]], self.engine.specs[name]
        if given.name not in self.shapes:
            return self.engine.get_tensor_shape(name)
        height, width = given.sides(self.shapes[given.name])
        return wanted.shape_of(height, width)

    def set_tensor_address(self, name: str, address: int) -> bool:
        if name not in self.engine.names:
            return self._no(f"invalid tensor name {name}")
        self.addresses[name] = address
        return True

    def execute_async_v3(self, handle: int) -> bool:
        trt, cuda = self.engine.trt, self.engine.trt.cuda
        stream: Stream | None = cuda.streams.get(handle)
        names = self.engine.names
        if stream is None or set(self.shapes) != set(self.engine.inputs) or set(self.addresses) != set(names):
            return self._no("stream, shape or an address is missing")
        if trt.failing_runs and stream.captured is None:
            trt.failing_runs -= 1
            return self._no("a kernel failed")
        if self.pending and stream.captured is None:
            return self._no("one context was used by two threads at once")
        if stream.captured is not None and (not trt.capturable or not self.runs):
            stream.valid = False
            return self._no("operation not permitted when stream is capturing")
        tensors = {}
        for name in names:
            shape, dtype = self.get_tensor_shape(name), self.engine.specs[name].dtype
            size = np.dtype(dtype).itemsize * int(np.prod(shape))
            memory = cuda.memory(cuda.device, self.addresses[name], size)
            if memory is None:
                return self._no("an illegal memory access was encountered")
            tensors[name] = memory.view(dtype).reshape(shape)
        targets = {name: tensors.pop(name) for name in names if name not in self.engine.inputs}

        def work() -> None:
            if trt.meet is not None:
                trt.meet.wait(10)
            feeds = {name: tensor.copy() for name, tensor in tensors.items()}
            for name, made in self.engine.onnx.run(feeds).items():
                targets[name][:] = made
            cuda.clock += COMPUTE
            self.runs += 1
            self.pending = 0

        self.pending = 1 if stream.captured is None else 0
        stream.add(work)
        return True

    def __del__(self) -> None:
        self.engine.trt.cuda.room += self.engine.trt.working_memory

    def _no(self, reason: str) -> bool:
        self.engine.logger.log(Severity.ERROR, reason)
        return False


_DTYPES = {"float32": DataType.FLOAT, "int32": DataType.INT32, "uint8": DataType.UINT8}


def simulate(monkeypatch: pytest.MonkeyPatch, backend: str = "tensorrt", room: int = 1 << 40) -> SimulatedTensorRT:
    """Put the simulated module, CUDA and device in place of the real ones, until the test ends."""
    trt = SimulatedTensorRT(backend.replace("-", "_"), SimulatedCuda(room))
    monkeypatch.setitem(sys.modules, trt.__name__, trt)
    for name in ("cuda", "cuda.bindings"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", trt.cuda)
    monkeypatch.setattr(cuda_device, "find_device", lambda: trt.device)
    return trt


def write_engine(path: Path, onnx: Path, profile: Profile, **changes: Any) -> EngineCard:
    """A plan that the simulated TensorRT reads, and its sidecar with `changes`."""
    sizes = {name: getattr(profile, name) for name in ("smallest", "optimal", "largest")}
    path.write_text(json.dumps({"onnx": str(onnx), **sizes}))
    with OnnxRuntime(onnx, threads=1) as graph:
        card = EngineCard(graph.card, "tensorrt", VERSION, sha256_file(path), sha256_file(onnx), ("sm86",), profile)
    card = replace(card, **changes)
    sidecar_path(path).write_text(card.to_json())
    return card


def square(edge: int) -> Profile:
    return Profile((edge, edge), (edge, edge), (edge, edge))
