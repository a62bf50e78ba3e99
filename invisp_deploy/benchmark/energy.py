"""Energy where the machine tells: NVIDIA's counter, the processor's (RAPL), the rails of a Jetson (INA3221).

A call is shorter than the steps of these meters, so energy is measured in a block of its own: one case, called again
and again for some seconds.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from invisp_deploy.benchmark.machine import open_nvml

_SAMPLE_SECONDS: Final = 0.02
_WHOLE_BOARD: Final = ("VDD_IN", "SYS5V", "VIN_SYS_5V0", "POM_5V_IN")
"""Rails that carry all that a Jetson takes, by generation; tegrastats shows the same."""


class Meter(ABC):
    """name: what it measures, for tables."""

    name: str

    @abstractmethod
    def start(self) -> Callable[[], float]:
        """Begin; the returned function ends it and gives joules since."""


class JouleCounter(Meter):
    """A count of joules that only grows, or starts again at `wraps`."""

    def __init__(self, name: str, read: Callable[[], float], wraps: float = 0.0) -> None:
        self.name = name
        self._read = read
        self._wraps = wraps

    def start(self) -> Callable[[], float]:
        begun = self._read()

        def stop() -> float:
            grown = self._read() - begun
            return grown + self._wraps if grown < 0 else grown

        return stop


class Rail(Meter):
    """Watts read every 20 ms by a thread, summed over time (trapezoids)."""

    def __init__(self, name: str, watts: Callable[[], float]) -> None:
        self.name = name
        self._watts = watts

    def start(self) -> Callable[[], float]:
        samples = [(time.perf_counter(), self._watts())]
        ended = threading.Event()

        def sample() -> None:
            while not ended.wait(_SAMPLE_SECONDS):
                samples.append((time.perf_counter(), self._watts()))

        thread = threading.Thread(target=sample, daemon=True)
        thread.start()

        def stop() -> float:
            ended.set()
            thread.join()
            samples.append((time.perf_counter(), self._watts()))
            pairs = zip(samples, samples[1:], strict=False)
            return sum((later - earlier) * (one + other) / 2 for (earlier, one), (later, other) in pairs)

        return stop


def find_meters(root: Path = Path("/")) -> list[Meter]:
    """What this machine lets us read; empty where it tells nothing. `root` is where /sys is looked for."""
    meters: list[Meter] = []
    nvml = open_nvml()
    if nvml is not None and nvml.joules() is not None:
        meters.append(JouleCounter("GPU (nvml)", lambda: nvml.joules() or 0.0))
    for zone in sorted((root / "sys/class/powercap").glob("intel-rapl:[0-9]")):
        counter, largest = zone / "energy_uj", zone / "max_energy_range_uj"
        if _readable(counter) and _readable(largest):
            name = f"processor {zone.name.rpartition(':')[2]} (RAPL)"
            meters.append(JouleCounter(name, _reader([counter], 1e-6), _number(largest) * 1e-6))
    for label in sorted((root / "sys/bus/i2c/drivers/ina3221").glob("*/hwmon/hwmon*/in*_label")):
        channel = label.name.removeprefix("in").removesuffix("_label")
        pair = [label.with_name(f"in{channel}_input"), label.with_name(f"curr{channel}_input")]
        if label.read_text().strip() in _WHOLE_BOARD and all(map(_readable, pair)):
            meters.append(Rail(f"board ({label.read_text().strip()})", _reader(pair, 1e-6)))  # mV x mA
    return meters


def joules_of(
    call: Callable[[], object], meters: Sequence[Meter], seconds: float = 2.0
) -> tuple[int, dict[str, float]]:
    """Calls made in at least `seconds`, and the joules of all of them by meter."""
    stops = [(meter.name, meter.start()) for meter in meters]
    begun, calls = time.perf_counter(), 0
    while calls == 0 or time.perf_counter() - begun < seconds:
        call()
        calls += 1
    return calls, {name: stop() for name, stop in stops}


def _reader(files: Sequence[Path], factor: float) -> Callable[[], float]:
    """The product of the numbers in some files, times a factor."""

    def read() -> float:
        product = factor
        for file in files:
            product *= _number(file)
        return product

    return read


def _number(file: Path) -> float:
    return float(file.read_text())


def _readable(file: Path) -> bool:
    try:
        _number(file)
    except (OSError, ValueError):
        return False
    return True
