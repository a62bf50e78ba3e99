"""NVIDIA's management library by ctypes: memory, clocks, limits and energy of the GPU that CUDA calls the first.

It comes with the driver, so no package is needed; a Jetson has none and tells its power through sysfs instead.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

_LIBRARY: Final = "libnvidia-ml.so.1"
_CUDA: Final = "libcuda.so.1"
_CLOCKS: Final = {"graphics": 0, "sm": 1, "memory": 2}


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class Nvml:
    """One GPU of a loaded library. Every answer is None where the card does not give it."""

    def __init__(self, library: Any, bus: bytes) -> None:
        self._library = library
        self._device = ctypes.c_void_p()
        self.found = (
            library.nvmlInit_v2() == 0
            and library.nvmlDeviceGetHandleByPciBusId_v2(ctypes.c_char_p(bus), ctypes.byref(self._device)) == 0
        )

    def joules(self) -> float | None:
        """Energy since the driver was loaded; Volta and later. The counter moves every 20 to 100 ms."""
        millijoules = self._number("nvmlDeviceGetTotalEnergyConsumption", ctypes.c_ulonglong())
        return None if millijoules is None else millijoules / 1e3

    def used_bytes(self) -> int | None:
        """Device memory that all processes together hold."""
        memory = _Memory()
        if self._library.nvmlDeviceGetMemoryInfo(self._device, ctypes.byref(memory)) != 0:
            return None
        return int(memory.used)

    def settings(self) -> dict[str, str]:
        """Power limit and largest clocks as set: what two measurements must share to be compared."""
        limit = self._number("nvmlDeviceGetPowerManagementLimit", ctypes.c_uint())
        found = {} if limit is None else {"gpu power limit": f"{limit / 1e3:.0f} W"}
        for name, kind in _CLOCKS.items():
            clock = self._number("nvmlDeviceGetMaxClockInfo", ctypes.c_uint(), ctypes.c_int(kind))
            if clock is not None:
                found[f"gpu {name} clock, largest"] = f"{clock} MHz"
        return found

    def clocks(self) -> dict[str, str]:
        """Clocks and temperature at this moment."""
        found = {}
        for name, kind in _CLOCKS.items():
            clock = self._number("nvmlDeviceGetClockInfo", ctypes.c_uint(), ctypes.c_int(kind))
            if clock is not None:
                found[f"gpu {name} clock"] = f"{clock} MHz"
        degrees = self._number("nvmlDeviceGetTemperature", ctypes.c_uint(), ctypes.c_int(0))
        return found if degrees is None else found | {"gpu temperature": f"{degrees} C"}

    def _number(self, function: str, value: Any, *arguments: Any) -> int | None:
        call = getattr(self._library, function, None)
        if call is None or call(self._device, *arguments, ctypes.byref(value)) != 0:
            return None
        return int(value.value)


def open_nvml() -> Nvml | None:
    """The first CUDA device as the management library sees it, or None where driver or device are missing.

    The two count devices in different orders, so the device is found by its place on the PCI bus.
    """
    try:
        driver, library = ctypes.CDLL(_CUDA), ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    device, bus = ctypes.c_int(), ctypes.create_string_buffer(32)
    if driver.cuInit(0) != 0 or driver.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return None
    if driver.cuDeviceGetPCIBusId(bus, len(bus), device) != 0:
        return None
    found = Nvml(library, bus.value)
    return found if found.found else None
