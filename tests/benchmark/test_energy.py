"""Meters on a made /sys, and a made management library."""

import ctypes
from pathlib import Path
from typing import Any

import pytest

from invisp_deploy.benchmark.energy import JouleCounter, Rail, find_meters, joules_of
from invisp_deploy.benchmark.machine import Nvml


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def test_a_machine_that_tells_nothing_has_no_meters(tmp_path: Path) -> None:
    assert find_meters(tmp_path) == []


def test_the_processors_counter_is_read_and_wraps(tmp_path: Path) -> None:
    zone = tmp_path / "sys/class/powercap/intel-rapl:0"
    write(zone / "energy_uj", "9000000")
    write(zone / "max_energy_range_uj", "10000000")
    (meter,) = find_meters(tmp_path)
    assert meter.name == "processor 0 (RAPL)"
    stop = meter.start()
    write(zone / "energy_uj", "9500000")
    assert stop() == pytest.approx(0.5)
    stop = meter.start()
    write(zone / "energy_uj", "1500000")
    assert stop() == pytest.approx(2.0), "0.5 to the end and 1.5 after it"


def test_the_rail_of_a_whole_jetson_is_volts_times_amperes(tmp_path: Path) -> None:
    hwmon = tmp_path / "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
    for channel, label, millivolt, milliampere in ((1, "VDD_IN", 5000, 2000), (2, "VDD_CPU_GPU_CV", 5000, 100)):
        write(hwmon / f"in{channel}_label", label)
        write(hwmon / f"in{channel}_input", str(millivolt))
        write(hwmon / f"curr{channel}_input", str(milliampere))
    (meter,) = find_meters(tmp_path)
    assert meter.name == "board (VDD_IN)"
    calls, joules = joules_of(lambda: None, [meter], 0.1)
    assert calls > 1
    assert joules[meter.name] == pytest.approx(10 * 0.1, rel=0.5), "10 W for a tenth of a second and a little more"


def test_calls_are_counted_and_each_meter_answers() -> None:
    spent = [0.0]

    def call() -> None:
        spent[0] += 3.0

    meters = (JouleCounter("a", lambda: spent[0]), JouleCounter("b", lambda: 2 * spent[0]), Rail("c", lambda: 0.0))
    calls, joules = joules_of(call, meters, 0.01)
    assert joules == pytest.approx({"a": 3 * calls, "b": 6 * calls, "c": 0})


class Library:
    """Answers as libnvidia-ml does: 0 and the value through a pointer, or a code."""

    def __init__(self, **values: int) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        if name == "nvmlInit_v2":
            return lambda: 0
        if name == "nvmlDeviceGetHandleByPciBusId_v2":
            return lambda bus, handle: 0 if bus.value == b"0000:01:00.0" else 6
        if name == "nvmlDeviceGetMemoryInfo":
            return self._memory
        if name not in self._values:
            return lambda *arguments: 3  # NVML_ERROR_NOT_SUPPORTED

        def answer(*arguments: Any) -> int:
            arguments[-1]._obj.value = self._values[name]
            return 0

        return answer

    def _memory(self, device: ctypes.c_void_p, pointer: Any) -> int:
        pointer._obj.total, pointer._obj.free, pointer._obj.used = 100, 60, 40
        return 0


def test_the_management_library_is_asked_in_its_units() -> None:
    library = Library(
        nvmlDeviceGetTotalEnergyConsumption=7_500,
        nvmlDeviceGetPowerManagementLimit=170_000,
        nvmlDeviceGetMaxClockInfo=2100,
        nvmlDeviceGetClockInfo=1500,
        nvmlDeviceGetTemperature=61,
    )
    nvml = Nvml(library, b"0000:01:00.0")
    assert nvml.found
    assert nvml.joules() == 7.5
    assert nvml.used_bytes() == 40
    assert nvml.settings()["gpu power limit"] == "170 W"
    assert nvml.settings()["gpu sm clock, largest"] == "2100 MHz"
    assert nvml.clocks() == {
        "gpu graphics clock": "1500 MHz",
        "gpu sm clock": "1500 MHz",
        "gpu memory clock": "1500 MHz",
        "gpu temperature": "61 C",
    }


def test_what_a_card_does_not_tell_is_none() -> None:
    assert not Nvml(Library(), b"0000:02:00.0").found
    nvml = Nvml(Library(), b"0000:01:00.0")
    assert nvml.joules() is None
    assert nvml.settings() == {}
