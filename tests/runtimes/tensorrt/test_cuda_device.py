"""The driver is asked by ctypes; here it is simulated: each call that can fail does."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from invisp_deploy.errors import EngineError
from invisp_deploy.runtimes.tensorrt import cuda_device
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice, find_device, require_device


class Driver:
    """libcuda.so.1 with one GPU; `failing` names a call that returns CUDA_ERROR_UNKNOWN."""

    def __init__(self, failing: str = "", count: int = 1) -> None:
        self.failing = failing
        self.count = count

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("cu"):
            raise AttributeError(name)
        return lambda *arguments: 999 if name == self.failing else self.answer(name, *arguments)

    def answer(self, name: str, *arguments: Any) -> int:
        if name == "cuInit":
            return 0
        if name == "cuDeviceGetName":
            arguments[0].value = b"NVIDIA GeForce RTX 3060"
            return 0
        values = {"cuDeviceGetCount": self.count, "cuDeviceGet": 0, "cuDriverGetVersion": 12060}
        values["cuDeviceTotalMem_v2"] = 12_622_168_064
        if name == "cuDeviceGetAttribute":  # of cuda.h: 75 is the major, 76 the minor compute capability
            values[name] = {75: 8, 76: 6}[arguments[1]]
        arguments[0]._obj.value = values[name]
        return 0


def use(monkeypatch: pytest.MonkeyPatch, driver: Driver | None) -> None:
    def load(name: str) -> Driver:
        assert name == "libcuda.so.1"
        if driver is None:
            raise OSError(name)
        return driver

    monkeypatch.setattr(cuda_device.ctypes, "CDLL", load)


def test_the_first_device_is_described(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Driver(count=2))
    expected = CudaDevice("NVIDIA GeForce RTX 3060", "sm86", "12.6", 12_622_168_064)
    assert find_device() == expected
    assert require_device("TensorRT") == expected


@pytest.mark.parametrize(
    "driver",
    [
        None,
        Driver(count=0),
        *(
            Driver(name)
            for name in ("cuInit", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName", "cuDeviceGetAttribute",
                         "cuDriverGetVersion", "cuDeviceTotalMem_v2")
        ),
    ],
    ids=lambda driver: "no library" if driver is None else driver.failing or "no device",
)  # fmt: skip
def test_no_device_is_none_and_a_sentence(monkeypatch: pytest.MonkeyPatch, driver: Driver | None) -> None:
    use(monkeypatch, driver)
    assert find_device() is None
    with pytest.raises(EngineError, match=r"^TensorRT needs an NVIDIA GPU.*shows none.*ONNX graph on the CPU"):
        require_device("TensorRT")


def test_asking_imports_nothing_of_nvidias() -> None:
    code = (
        "import sys; from invisp_deploy.runtimes.tensorrt.cuda_device import find_device; find_device(); "
        "print([name for name in sys.modules if name.startswith(('cuda', 'tensorrt', 'torch'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
