"""A file to its runtime: ONNX graphs to ONNX Runtime or OpenVINO, engines to TensorRT."""

from __future__ import annotations

from pathlib import Path

from invisp_deploy.errors import RequestError
from invisp_deploy.runtimes.around import StepsAround
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.tensorrt.engine_card import ENGINE_SUFFIXES


def open_runtime(path: Path, provider: str | None = None, threads: int = 0, *, bits: int = 8) -> Runtime:
    """The runtime that the file's suffix asks for: .onnx, or one of `ENGINE_SUFFIXES`; its form is always "mosaic".

    bits: of the picture's codes where the file is a float graph, which gets the steps around it; any other has its own.
    provider: of ONNX Runtime, default its CPU, or "OpenVINO"; an engine takes none. threads: of the CPU, 0 for all
    cores; an engine takes none. Raises RequestError for any other suffix, for a provider or threads with an engine and
    for a missing file, and whatever the runtime raises.
    """
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        graph = open_graph(path, provider, threads)
        return StepsAround(graph, bits) if graph.card.form == "tensor" else graph
    if suffix not in ENGINE_SUFFIXES:
        raise RequestError(
            f"{path} is neither a graph (.onnx) nor an engine ({', '.join(ENGINE_SUFFIXES)}): pass one of these."
        )
    if provider is not None:
        raise RequestError(
            f"`provider` chooses where ONNX Runtime runs a graph; {path.name} is an engine, which TensorRT runs on the "
            "GPU: leave `provider` out, or pass the .onnx file."
        )
    if threads:
        raise RequestError(
            f"`threads` sets how many ONNX Runtime takes for a graph; {path.name} is an engine, which runs on the GPU: "
            "leave `threads` out."
        )
    from invisp_deploy.runtimes.tensorrt.runtime import TensorRTRuntime

    return TensorRTRuntime(path)


def open_graph(path: Path, provider: str | None = None, threads: int = 0) -> Runtime:
    """An ONNX graph as it is, of either form, in ONNX Runtime or OpenVINO. Raises as `open_runtime`."""
    from invisp_deploy.runtimes.openvino_ import OPENVINO, OpenVinoRuntime

    if provider == OPENVINO:
        return OpenVinoRuntime(path, threads)
    from invisp_deploy.runtimes.onnxruntime_ import CPU, OnnxRuntime

    return OnnxRuntime(path, provider or CPU, threads)
