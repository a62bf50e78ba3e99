"""OpenVINO as a runtime: a choice for x86 CPUs. ONNX Runtime starts sooner and is as fast (docs/performance.md)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar, Final

from invisp_deploy.errors import (
    EngineError,
    GraphError,
    MissingExtraError,
    MissingFileError,
    OutOfMemoryError,
)
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.base import Feeds, Runtime, Size, check_tensors, graph_specs

_LARGEST: Final = 65536
"""Pixels of a side; more than any picture has."""

OPENVINO: Final = "OpenVINO"
"""What `provider` calls it. ONNX Runtime's own OpenVINO provider is another thing: OpenVINOExecutionProvider."""


class OpenVinoRuntime(Runtime):
    """A graph of ours in OpenVINO on the CPU, in float32 where the graph says so.

    precision: what OpenVINO is told to compute in; it would take bf16 where the CPU has it.
    threads: 0 for all cores. Raises RequestError for a missing file, MissingExtraError where OpenVINO is not
    installed, GraphError for a file that is not our graph.
    """

    precision: ClassVar[str] = "f32"

    def __init__(self, path: Path, threads: int = 0) -> None:
        try:
            import openvino
        except ModuleNotFoundError as error:
            raise MissingExtraError("openvino", "openvino") from error
        if not path.is_file():
            raise MissingFileError(f"There is no engine {path}.")
        core = openvino.Core()
        try:
            model = core.read_model(str(path))
        except Exception as error:  # OpenVINO raises RuntimeError and classes of its own
            raise GraphError(f"{path} is not an ONNX graph that OpenVINO reads: {_reason(error)}") from error
        self.name = f"OpenVINO {openvino.__version__.partition('-')[0]} CPU"
        self.card = GraphCard.from_metadata(_metadata(model, path), str(path))
        self.inputs, self.outputs = graph_specs(self.card)
        check_tensors(
            str(path), [_described(node) for node in (*model.inputs, *model.outputs)], (*self.inputs, *self.outputs)
        )
        picture = self.inputs[0]
        if picture.rows is not None:  # without an upper bound its plans for sizes overflow where sides are doubled
            side = openvino.Dimension(1, _LARGEST)
            sizes = [
                side if axis in (picture.rows, picture.rows + 1) else size or -1
                for axis, size in enumerate(picture.shape)
            ]
            model.reshape({model.inputs[0]: openvino.PartialShape(sizes)})
        settings = {
            "INFERENCE_NUM_THREADS": threads or len(os.sched_getaffinity(0)),
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": self.precision,
        }
        self._request = core.compile_model(model, "CPU", settings).create_infer_request()

    def close(self) -> None:
        vars(self).pop("_request", None)

    def _run(self, feeds: Feeds) -> dict[str, Array]:
        try:
            results = self._request.infer(dict(feeds), share_inputs=True)
        except Exception as error:  # see above
            height, width = self.inputs[0].sides(feeds[self.inputs[0].name].shape)
            if "alloc" in str(error).lower() or isinstance(error, MemoryError):
                raise OutOfMemoryError(
                    f"{self.name} ran out of memory for a tile of {height}x{width}: pass a smaller `memory`."
                ) from error
            raise EngineError(f"{self.name} failed on {height}x{width}: {_reason(error)}") from error
        return {spec.name: results[spec.name].copy() for spec in self.outputs}  # the request keeps its own


def _described(node: Any) -> tuple[str, str, tuple[Size, ...]]:
    shape = tuple(side.get_length() if side.is_static else None for side in node.partial_shape)
    return node.any_name, node.element_type.to_dtype().name, shape


def _metadata(model: Any, path: Path) -> dict[str, str]:
    """ONNX `metadata_props`, which OpenVINO keeps as runtime information of the framework."""
    information = model.get_rt_info()
    if "framework" not in information:
        return {}
    entries = information["framework"]
    plain = entries if isinstance(entries, dict) else entries.value  # by version
    try:
        return {str(key): str(getattr(entry, "value", entry)) for key, entry in plain.items()}
    except UnicodeDecodeError as error:
        raise GraphError(f"{path} has damaged metadata ({error}): export it again.") from error


def _reason(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
