"""What to do, from findings written down by hand: desktops and Jetsons that no test machine is."""

import pytest

from invisp_deploy.device.advice import advise
from invisp_deploy.device.examine import RENDERING, Examination, Trial
from invisp_deploy.device.machine import Machine
from invisp_deploy.device.packages import MODULES, Distribution, Package
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice

RTX = CudaDevice("NVIDIA GeForce RTX 3060", "sm86", "12.6", 12 << 30)
ORIN = CudaDevice("Orin", "sm87", "12.6", 32 << 30)
CPU, CUDA = "onnxruntime CPUExecutionProvider", "onnxruntime CUDAExecutionProvider"
ALL = (RENDERING, CPU, CUDA, "tensorrt", "cuda-python", "torch", "onnx", "polygraphy")


def found(
    device: CudaDevice | None = None,
    works: tuple[str, ...] = ALL,
    *,
    l4t: str = "",
    python: str = "3.11.9",
    environment: str = "shared",
    runtimes: tuple[str, ...] = ("onnxruntime",),
    build: str = "onnxruntime 1.32.0",
    without: str = "",
) -> Examination:
    machine = Machine("Linux", "x86_64", 8, python, "/venv", environment, device, "", "Jetson" if l4t else "", l4t)
    packages = [
        Package(module, "" if module == without else f"/site/{module}", (Distribution(module, "1", "/site"),))
        for module in MODULES
        if module != "onnxruntime"
    ]
    ours = tuple(Distribution(name, "1", "/site") for name in runtimes)
    packages.append(Package("onnxruntime", "/site/onnxruntime", ours, build))
    names = dict.fromkeys((*ALL, *works))
    trials = tuple(Trial(name, "ok" if name in works else "absent", "") for name in names)
    return Examination(machine, tuple(packages), trials)


def only(*left_out: str) -> tuple[str, ...]:
    return tuple(name for name in ALL if name not in left_out)


def test_nothing_is_asked_of_a_desktop_where_all_works() -> None:
    assert advise(found(RTX)) == ()


def test_the_plugin_for_rtx_is_as_good_as_cuda() -> None:
    (line,) = advise(found(RTX, only(CUDA)))
    assert "`pip install onnxruntime-ep-nv-tensorrt-rtx-cu12`" in line
    assert advise(found(RTX, (*only(CUDA), "onnxruntime NvTensorRTRTXExecutionProvider"))) == ()


def test_both_builds_of_onnxruntime() -> None:
    both = ("onnxruntime", "onnxruntime-gpu")
    (line,) = advise(found(RTX, runtimes=both, build="onnxruntime 1.32.0"))
    assert "files there are those of onnxruntime 1.32.0" in line
    assert "`pip uninstall --yes onnxruntime`" in line
    assert "--force-reinstall --no-deps onnxruntime-gpu`" in line
    line = advise(found(None, runtimes=both, build="onnxruntime-gpu 1.31.1"))[0]
    assert "`pip uninstall --yes onnxruntime-gpu`" in line
    assert line.endswith("--no-deps onnxruntime`.")


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (CUDA, "onnxruntime-gpu"),
        ("tensorrt", "`pip install tensorrt-cu12 --extra-index-url https://pypi.nvidia.com`"),
        ("cuda-python", "'cuda-python==12.*'"),
        ("torch", "[train,export]"),
        ("polygraphy", "[verify]"),
    ],
)
def test_each_missing_piece_has_one_line(missing: str, words: str) -> None:
    (line,) = advise(found(RTX, only(missing)))
    assert words in line


def test_tensorrt_for_rtx_does_as_well() -> None:
    assert advise(found(RTX, (*only("tensorrt"), "tensorrt-rtx"))) == ()


def test_no_gpu_is_said_once_and_asks_for_no_engines() -> None:
    (line,) = advise(found(None, only("tensorrt", CUDA, "cuda-python")))
    assert line.startswith("No NVIDIA GPU answers")


def test_jetpack_6() -> None:
    lines = advise(found(ORIN, only("tensorrt", CUDA), l4t="36.4.0", python="3.11.9", environment="isolated"))
    text = "\n".join(lines)
    assert "TensorRT 10.3 for Python 3.10" in text
    assert "--system-site-packages" in text
    assert "this is 3.11.9" in text
    assert "pypi.nvidia.com" not in text, "a desktop's line"
    assert advise(found(ORIN, only(CUDA), l4t="36.4.0", python="3.10.12")) == (
        "nothing: TensorRT works on this Jetson.",
    )


def test_jetpack_7_and_older() -> None:
    assert "10.16 (7.2.0)" in advise(found(ORIN, only("tensorrt"), l4t="38.2.1", python="3.12.3"))[0]
    assert "35.5.0 is older" in advise(found(ORIN, only("tensorrt"), l4t="35.5.0", python="3.8.10"))[0]


def test_the_desktop_build_of_onnxruntime_is_not_for_jetsons() -> None:
    lines = advise(
        found(ORIN, l4t="36.4.0", python="3.10.12", runtimes=("onnxruntime-gpu",), build="onnxruntime-gpu 1")
    )
    assert any("no code for Jetson" in line for line in lines)


def test_what_is_broken_comes_first() -> None:
    first = advise(found(None, only(CPU, RENDERING), without="rawpy"))[:2]
    assert "--force-reinstall --no-deps onnxruntime" in first[0]
    assert "rawpy is missing" in first[1]
    assert "rendering does not" in advise(found(None, only(RENDERING)))[0]
