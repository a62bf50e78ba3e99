"""Is there a CUDA device? Asked of the driver itself, before any NVIDIA library that would crash without one.

`tensorrt.Runtime` without a device returns an object around a null pointer, and the next call is a segmentation
fault; importing a CUDA package to ask would make it a dependency. The driver's own library answers by ctypes.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Final

from invisp_deploy.errors import EngineError

_LIBRARY: Final = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_*


@dataclass(frozen=True)
class CudaDevice:
    """The first device. capability: such as "sm86". driver: CUDA version that the driver supports, such as "12.6"."""

    name: str
    capability: str
    driver: str
    memory: int


def find_device() -> CudaDevice | None:
    """The first CUDA device, or None where driver or device are missing."""
    try:
        driver = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    count, device, version, major, minor = (ctypes.c_int() for _ in range(5))
    memory = ctypes.c_size_t()
    name = ctypes.create_string_buffer(256)
    total = getattr(driver, "cuDeviceTotalMem_v2", None) or driver.cuDeviceTotalMem
    steps = (
        lambda: driver.cuInit(0),
        lambda: driver.cuDeviceGetCount(ctypes.byref(count)),
        lambda: 0 if count.value > 0 else 1,
        lambda: driver.cuDeviceGet(ctypes.byref(device), 0),
        lambda: driver.cuDeviceGetName(name, len(name), device),
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device),
        lambda: driver.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device),
        lambda: driver.cuDriverGetVersion(ctypes.byref(version)),
        lambda: total(ctypes.byref(memory), device),
    )
    if any(step() != 0 for step in steps):
        return None
    text = f"{version.value // 1000}.{version.value % 1000 // 10}"
    return CudaDevice(name.value.decode(errors="replace"), f"sm{major.value}{minor.value}", text, memory.value)


def require_device(what: str) -> CudaDevice:
    """The first device, or EngineError: `what` (such as "TensorRT") needs one."""
    device = find_device()
    if device is None:
        raise EngineError(
            f"{what} needs an NVIDIA GPU and this machine shows none (the driver's {_LIBRARY} finds no device): run it "
            "on the machine with the GPU, or use the ONNX graph on the CPU; `invisp doctor` says what is installed."
        )
    return device
