"""Write the public names of TensorRT and CUDA bindings: python scripts/tensorrt_names.py tests/data/tensorrt_names.json

The bindings wheels are small and real; the libraries behind them are gigabytes and need no more than to be loaded, so
empty ones stand in their place. Nothing of them is called.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TENSORRT = {
    "tensorrt 10.3.0": "tensorrt-cu12-bindings==10.3.0",
    "tensorrt 10.16.1": "tensorrt-cu12-bindings==10.16.1.11",
    "tensorrt 11.4.0": "tensorrt-cu13-bindings==11.4.0.106",
}
CUDA = {
    "cuda-python 12.3.0": ("cuda-python==12.3.0", "numpy"),
    "cuda-python 12.9.0": ("cuda-bindings==12.9.0",),
    "cuda-python 13.4.4": ("cuda-bindings==13.4.4", "cuda-pathfinder"),
}
CLASSES = (
    "Builder BuilderFlag DataType EngineInspector IBuilderConfig ICudaEngine IExecutionContext IHostMemory ILogger "
    "INetworkDefinition ILayer ILogger.Severity IOptimizationProfile IProgressMonitor ITensor ITimingCache "
    "LayerInformationFormat LayerType Logger MemoryPoolType NetworkDefinitionCreationFlag OnnxParser OnnxParserFlag "
    "ParserError ProfilingVerbosity Runtime TensorIOMode"
).split()
CUDA_PREFIXES = "cudaEvent cudaFree cudaGet cudaGraph cudaHost cudaMalloc cudaMem cudaSet cudaStream".split()
CUDA_CLASSES = ["cudaMemcpyKind", "cudaStreamCaptureMode"]
STUBS = ("nvinfer", "nvinfer_plugin", "nvonnxparser")
SYMBOLS = (
    "createInferBuilder_INTERNAL createInferRefitter_INTERNAL createInferRuntime_INTERNAL getBuilderPluginRegistry "
    "getPluginRegistry createNvOnnxParserRefitter_INTERNAL createNvOnnxParser_INTERNAL getNvOnnxParserVersion "
    "initLibNvInferPlugins"
).split()

PROBE = """
import functools, importlib, json, sys
for name in sys.argv[1].split(","):
    try: module = importlib.import_module(name)
    except ModuleNotFoundError: continue
    break
public = lambda thing: sorted(name for name in dir(thing) if not name.startswith("_"))
found = {"": public(module)}
for path in sys.argv[2].split():
    try: found[path] = public(functools.reduce(getattr, path.split("."), module))
    except AttributeError: pass
print(json.dumps(found))
"""


def names_of(packages: tuple[str, ...], modules: str, classes: list[str]) -> dict[str, list[str]]:
    """Class path ("" for the module) -> public names, from wheels installed aside."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*pip, "--target", folder, *packages], check=True)
        write_stubs(Path(folder))
        environment = {**os.environ, "PYTHONPATH": folder, "LD_LIBRARY_PATH": folder}
        call = [sys.executable, "-c", PROBE, modules, " ".join(classes)]
        done = subprocess.run(call, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def write_stubs(folder: Path) -> None:
    """Shared libraries that hold the C symbols that the bindings want, and do nothing."""
    source = folder / "stub.c"
    source.write_text("\n".join(f"void *{symbol}(void) {{ return 0; }}" for symbol in SYMBOLS))
    for major in (10, 11):
        for stub in STUBS:
            name = f"lib{stub}.so.{major}"
            gcc = ["gcc", "-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(folder / name), str(source)]
            subprocess.run(gcc, check=True)


def collect() -> dict[str, dict[str, list[str]]]:
    found = {}
    for version, package in TENSORRT.items():
        found[version] = names_of((package,), "tensorrt_bindings", CLASSES)
        found[version][""] = [name for name in found[version][""] if name[0].isupper()]
    for version, packages in CUDA.items():
        found[version] = names_of(packages, "cuda.bindings.runtime,cuda.cudart", CUDA_CLASSES)
        found[version][""] = [name for name in found[version][""] if name.startswith(tuple(CUDA_PREFIXES))]
    return found


def lines(found: dict[str, dict[str, list[str]]]) -> str:
    """JSON with one line for each class, so that a change shows as one."""
    versions = []
    for version, classes in found.items():
        rows = ",\n".join(f"  {json.dumps(path)}: {json.dumps(names)}" for path, names in classes.items())
        versions.append(f" {json.dumps(version)}: {{\n{rows}\n }}")
    return "{\n" + ",\n".join(versions) + "\n}\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(lines(collect()), encoding="utf-8")
