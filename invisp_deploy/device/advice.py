"""From what was found to what to do: one sentence each, with the command. Nothing here looks at the machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from invisp_deploy.device.examine import Examination
from invisp_deploy.device.machine import Machine
from invisp_deploy.device.packages import Package
from invisp_deploy.installation import install_line

_CPU: Final = "onnxruntime CPUExecutionProvider"
_CUDA: Final = "onnxruntime CUDAExecutionProvider"
_RTX: Final = "onnxruntime NvTensorRTRTXExecutionProvider"
_SHARED: Final = (
    "this virtual environment does not see the system's packages: make it again with "
    "`python3 -m venv --system-site-packages .venv`"
)


def advise(found: Examination) -> tuple[str, ...]:
    """What to mend first, then what would be needed for a GPU, then what the absent extras are for."""
    return (*_broken(found), *_onnxruntime(found), *(_jetson(found) or _desktop(found)), *_extras(found))


def _broken(found: Examination) -> Iterator[str]:
    if not found.works(_CPU):
        yield "ONNX Runtime does not work: `pip install --force-reinstall --no-deps onnxruntime`."
    elif not found.renders:
        yield f"ONNX Runtime works and rendering does not: `{install_line(again=True)}`."
    for module, package in (("rawpy", "rawpy"), ("PIL", "Pillow"), ("tifffile", "tifffile")):
        if not found.package(module).path:
            yield f"{package} is missing, a part of the base install: `pip install {package}`."


def mixed_onnxruntime(package: Package, *, gpu: bool) -> str:
    """What several builds of ONNX Runtime do to each other and how to keep one; empty where there is only one.

    gpu: an NVIDIA GPU answers that onnxruntime-gpu has code for.
    """
    if not package.rivals:
        return ""
    kept = "onnxruntime-gpu" if gpu else "onnxruntime"
    others = [name for name in package.rivals if name != kept]
    return (
        f"{' and '.join(package.rivals)} are both installed and write one folder; the files there are those of "
        f"{package.build or 'an unknown build'}, so that one is imported. Keep one: `pip uninstall --yes "
        f"{' '.join(others)}`, then `pip install --force-reinstall --no-deps {kept}`."
    )


def takes_onnxruntime_gpu(machine: Machine) -> bool:
    """Whether the machine has a GPU that the wheels of onnxruntime-gpu hold code for."""
    return machine.device is not None and not machine.l4t


def _onnxruntime(found: Examination) -> Iterator[str]:
    mixed = mixed_onnxruntime(found.package("onnxruntime"), gpu=takes_onnxruntime_gpu(found.machine))
    if mixed:
        yield mixed


def _jetson(found: Examination) -> list[str]:
    """On a Jetson TensorRT is the GPU's way: the wheels of onnxruntime-gpu hold no code for Orin and Thor."""
    machine = found.machine
    if not machine.l4t:
        return []
    advice = []
    if machine.environment == "isolated":
        advice.append(f"JetPack's TensorRT is a package of the system, and {_SHARED}.")
    if not found.works("tensorrt"):
        known = {
            "6": "JetPack 6 brings TensorRT 10.3 for Python 3.10: `sudo apt-get install nvidia-jetpack`, and run "
            "/usr/bin/python3 (TensorRT 11 does not run on JetPack 6).",
            "7": "JetPack 7 brings TensorRT 10.13 (7.1), 10.16 (7.2.0) or takes 11.4 (from 7.2.2 on): "
            "`sudo apt-get install nvidia-jetpack`, and run /usr/bin/python3.",
        }
        advice.append(known.get(machine.jetpack, f"JetPack 6 or 7 is needed, Jetson Linux {machine.l4t} is older."))
    if machine.jetpack == "6" and not machine.python.startswith("3.10."):
        advice.append(f"JetPack 6's TensorRT is for Python 3.10, this is {machine.python}: use /usr/bin/python3.")
    if "onnxruntime-gpu" in {one.name for one in found.package("onnxruntime").distributions}:
        advice.append(
            "PyPI's onnxruntime-gpu has no code for Jetson's GPUs: `pip uninstall --yes onnxruntime-gpu`, then "
            "`pip install --force-reinstall --no-deps onnxruntime`, and use TensorRT for the GPU."
        )
    if not found.works("cuda-python"):
        advice.append(f"Engines need cuda-python: {_cuda_python(found)}.")
    return advice or ["nothing: TensorRT works on this Jetson."]


def _desktop(found: Examination) -> Iterator[str]:
    device = found.machine.device
    if device is None:
        yield (
            "No NVIDIA GPU answers: graphs run on the CPU. If there is one, install NVIDIA's driver (`nvidia-smi` must "
            "list the GPU; in a container pass `--gpus all`)."
        )
        return
    major = device.driver.partition(".")[0]
    if not (found.works(_CUDA) or found.works(_RTX)):
        yield (
            f"{device.name} is not used by ONNX Runtime. A GeForce RTX or RTX PRO card takes `pip install "
            f"onnxruntime-ep-nv-tensorrt-rtx-cu{major}` and --provider NvTensorRTRTXExecutionProvider; any GPU takes "
            "CUDA's: `pip uninstall --yes onnxruntime`, then `pip install "
            "--force-reinstall --no-deps onnxruntime-gpu` (CUDA 13, Python 3.11 or later); docs/install.md says more."
        )
    if not (found.works("tensorrt") or found.works("tensorrt-rtx")):
        yield (
            f"For engines: `pip install tensorrt-cu{major} --extra-index-url https://pypi.nvidia.com` (the driver "
            f"supports CUDA {device.driver}), or `pip install tensorrt-rtx` for a GeForce RTX or RTX PRO card."
        )
    if not found.works("cuda-python"):
        yield f"Engines need cuda-python: {_cuda_python(found)}."


def _cuda_python(found: Examination) -> str:
    """The major version is that of the driver's CUDA."""
    device = found.machine.device
    return (
        f"`pip install 'cuda-python=={device.driver.partition('.')[0]}.*'`" if device else "`pip install cuda-python`"
    )


def _extras(found: Examination) -> Iterator[str]:
    if not found.works("torch"):
        yield f"Training and export of weights need PyTorch: `{install_line('train,export')}`."
    if not (found.works("polygraphy") and found.works("onnx")):
        yield f"`invisp verify --layers` needs polygraphy and onnx: `{install_line('verify')}`."
