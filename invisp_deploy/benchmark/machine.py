"""What a figure depends on beside the code: machine, clocks, versions, load, and the machine's matrix-product rate.

The GPU is asked through NVIDIA's management library by ctypes. It comes with the driver, so no package is needed; a
Jetson has none and tells its power through sysfs instead.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any, Final

from invisp_deploy.benchmark.alone import run_alone
from invisp_deploy.device.machine import read_machine
from invisp_deploy.versions import versions

COMPARED: Final = ("processor", "cores", "gpu", "capability", "jetson", "jetpack")
"""Facts of the machine that two measurements must share; beside them all of `clock_setup` and the threads."""

_CPU: Final = "sys/devices/system/cpu"
_NVML: Final = "libnvidia-ml.so.1"
_DRIVER: Final = "libcuda.so.1"
_CLOCKS: Final = {"graphics": 0, "sm": 1, "memory": 2}


def describe(threads: int, root: Path = Path("/")) -> dict[str, Any]:
    """`machine`, `clock_setup`, `clocks_now`, `versions`, `threads` and `load_average` (1, 5, 15 minutes) for JSON."""
    nvml = open_nvml()
    return {
        "machine": read_machine(root).to_dict(),
        "clock_setup": clock_setup(root) | ({} if nvml is None else nvml.settings()),
        "clocks_now": {"cpu": _clocks_now(root)} | ({} if nvml is None else nvml.clocks()),
        "versions": versions(),
        "threads": threads,
        "load_average": [round(load, 2) for load in os.getloadavg()],
    }


def clock_setup(root: Path = Path("/")) -> dict[str, str]:
    """Governor, limits and boost of the processor, power mode of a Jetson; "not told" where sysfs has no word of it."""
    cores = sorted((root / _CPU).glob("cpu[0-9]*/cpufreq"))
    boost = _text(root / _CPU / "cpufreq/boost")
    no_turbo = _text(root / _CPU / "intel_pstate/no_turbo")
    if not boost and no_turbo:
        boost = {"0": "1", "1": "0"}.get(no_turbo, no_turbo)
    found = {
        "governor": _all(_text(core / "scaling_governor") for core in cores),
        "lowest": _all(_text(core / "scaling_min_freq") for core in cores),
        "highest": _all(_text(core / "scaling_max_freq") for core in cores),
        "boost": {"0": "off", "1": "on"}.get(boost, boost),
        "power mode": _text(root / "var/lib/nvpmodel/status"),
    }
    return {name: text or "not told" for name, text in found.items() if text or name != "power mode"}


def matrix_rate(threads: int) -> dict[str, Any]:
    """What NumPy's BLAS reaches with as many threads: `gflops` (median), `best` and `blas`; fp32, 1536x1536.

    In a process of its own, because a BLAS takes its number of threads when it is loaded.
    """
    return run_alone({"kind": "matrix"}, threads)


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
        driver, library = ctypes.CDLL(_DRIVER), ctypes.CDLL(_NVML)
    except OSError:
        return None
    device, bus = ctypes.c_int(), ctypes.create_string_buffer(32)
    if driver.cuInit(0) != 0 or driver.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return None
    if driver.cuDeviceGetPCIBusId(bus, len(bus), device) != 0:
        return None
    found = Nvml(library, bus.value)
    return found if found.found else None


def _clocks_now(root: Path) -> str:
    lines = _text(root / "proc/cpuinfo").splitlines()
    clocks = [float(line.partition(":")[2]) for line in lines if line.startswith("cpu MHz")]
    return f"{min(clocks):.0f} to {max(clocks):.0f} MHz" if clocks else "not told"


def _all(texts: Any) -> str:
    return ", ".join(sorted({text for text in texts if text}))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
