"""ONNX Runtime as a runtime. The provider that was asked for runs, or nothing does."""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from invisp_deploy.errors import EngineError, GraphError, MissingFileError, OutOfMemoryError
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.base import Feeds, Runtime, Size, check_tensors, graph_specs
from invisp_deploy.runtimes.bound import timed_run
from invisp_deploy.runtimes.plugins import PLUGINS, check_assignment, take_plugin
from invisp_deploy.runtimes.tensorrt.contexts import Times

if TYPE_CHECKING:
    import onnxruntime

CPU: Final = "CPUExecutionProvider"
_DTYPES: Final = {
    "tensor(float)": "float32",
    "tensor(int32)": "int32",
    "tensor(uint16)": "uint16",
    "tensor(uint8)": "uint8",
}
_ERRORS_ONLY: Final = 3
_CUDA: Final = "CUDAExecutionProvider"
_OPTIONS: Final = {
    # fp32 means fp32. The exhaustive search would time every algorithm again for each size of tile, and pick by noise.
    _CUDA: {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
}


class OnnxRuntime(Runtime):
    """A graph of ours in ONNX Runtime.

    provider: exactly one, by ONNX Runtime's name; nodes it cannot take are an error, not a fallback.
    threads: of the CPU provider, 0 for all cores. constants: arrays in place of the graph's own constants of these
    names, of the same types and shapes. Raises MissingFileError, GraphError for a file that is not our graph,
    EngineError for a provider that is not there, MissingPackageError for a plug-in that is not installed.
    """

    def __init__(self, path: Path, provider: str = CPU, threads: int = 0, constants: Feeds | None = None) -> None:
        import onnxruntime

        if not path.is_file():
            raise MissingFileError(f"There is no engine {path}.")
        plugged = provider in PLUGINS and provider not in onnxruntime.get_available_providers()
        chosen = (provider, {}) if plugged else provider_with_options(provider)
        if provider == _CUDA and hasattr(onnxruntime, "preload_dlls"):  # from 1.21 on
            with contextlib.redirect_stdout(sys.stderr):  # it prints what it does not find; --json must stay JSON
                onnxruntime.preload_dlls()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = _ERRORS_ONLY
        # its threads would spin between nodes and take the cores from whatever else runs: decoder, coder, neighbours
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_mem_pattern = False  # tiles differ in size; a pattern would be kept for each
        if provider != CPU and not plugged:  # what a plug-in leaves to the CPU is named below
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        self._on_device = provider == _CUDA
        self._run_options = onnxruntime.RunOptions()
        if provider == CPU:  # give a tile's memory back: the picture's coder needs it next
            self._run_options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self._constants = []  # the session reads them as long as it lives
        for name, array in (constants or {}).items():
            self._constants.append(onnxruntime.OrtValue.ortvalue_from_numpy(array))
            options.add_initializer(name, self._constants[-1])
        if plugged:
            take_plugin(provider, options)
        self._session = _session(path, options, chosen, plugged=plugged)
        if plugged:
            check_assignment(provider, self._session, str(path))
        elif self._session.get_providers()[0] != provider:
            raise EngineError(
                f"{provider} was asked for but ONNX Runtime chose {self._session.get_providers()[0]}: its libraries do "
                "not load on this machine."
            )
        self.name = f"ONNX Runtime {onnxruntime.__version__} {provider.removesuffix('ExecutionProvider')}"
        self.card = GraphCard.from_metadata(_metadata(self._session, path), str(path))
        self.inputs, self.outputs = graph_specs(self.card)
        found = [_described(argument) for argument in (*self._session.get_inputs(), *self._session.get_outputs())]
        check_tensors(str(path), found, (*self.inputs, *self.outputs))

    def close(self) -> None:
        vars(self).pop("_session", None)

    def timed(self, feeds: Feeds) -> tuple[dict[str, Array], Times] | None:
        """The outputs of `run` for inputs that fit, and the times of its parts; None where there is no device."""
        names = [spec.name for spec in self.outputs]
        return timed_run(self._session, feeds, names, "cuda") if self._on_device else None

    def _run(self, feeds: Feeds) -> dict[str, Array]:
        try:
            results = self._session.run([spec.name for spec in self.outputs], dict(feeds), self._run_options)
        except Exception as error:  # ONNX Runtime raises classes of its own, derived from nothing narrower
            shape = feeds[self.inputs[0].name].shape
            if "alloc" in str(error).lower():
                height, width = self.inputs[0].sides(shape)
                raise OutOfMemoryError(
                    f"{self.name} ran out of memory for a tile of {height}x{width}: pass a smaller `memory`."
                ) from error
            raise EngineError(f"{self.name} failed on {shape}: {error}") from error
        return dict(zip((spec.name for spec in self.outputs), results, strict=True))


def provider_with_options(provider: str) -> tuple[str, dict[str, str]]:
    """What a session of ONNX Runtime is made with.

    Raises EngineError for a provider that is not there, is not used, or is a plug-in.
    """
    import onnxruntime

    if "tensorrt" in provider.lower() and provider not in PLUGINS:
        raise EngineError(
            f"{provider} is not used: it builds engines inside ONNX Runtime, in a precision that its options choose. "
            "Build one with `invisp-export engine`, which keeps the graph's, or take NvTensorRTRTXExecutionProvider or "
            "CUDAExecutionProvider."
        )
    available = onnxruntime.get_available_providers()
    if provider in available:
        return provider, _OPTIONS.get(provider, {})
    if provider in PLUGINS:
        raise EngineError(f"{provider} is a plug-in, which runs graphs as they are and cannot be looked into here.")
    known = {
        name.removesuffix("ExecutionProvider").lower(): name for name in (*onnxruntime.get_all_providers(), *PLUGINS)
    }
    close = difflib.get_close_matches(provider.removesuffix("ExecutionProvider").lower(), known, 1)
    has = f"ONNX Runtime {onnxruntime.__version__} has no {provider}, only {', '.join(available)}"
    if provider not in known.values() and close:
        raise EngineError(f"{has}: did you mean {known[close[0]]}?")
    raise EngineError(f"{has}: install the package that brings it (onnxruntime-gpu instead of onnxruntime for CUDA).")


def _session(
    path: Path, options: onnxruntime.SessionOptions, chosen: tuple[str, dict[str, str]], *, plugged: bool
) -> onnxruntime.InferenceSession:
    import onnxruntime

    try:
        # its fallback would print to standard output, and run elsewhere
        providers = None if plugged else [chosen]  # a plug-in's device is in the options
        return onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    except Exception as error:  # see _run
        reason = str(error).splitlines()[0]
        if chosen[0] != CPU:
            raise EngineError(f"{chosen[0]} could not take {path}: {reason}") from error
        raise GraphError(f"{path} is not an ONNX graph that ONNX Runtime reads: {reason}") from error


def _metadata(session: onnxruntime.InferenceSession, path: Path) -> dict[str, str]:
    try:
        return dict(session.get_modelmeta().custom_metadata_map)
    except UnicodeDecodeError as error:
        raise GraphError(f"{path} has damaged metadata ({error}): export it again.") from error


def _described(argument: Any) -> tuple[str, str, tuple[Size, ...]]:
    shape = tuple(size if isinstance(size, int) else None for size in argument.shape)
    return argument.name, _DTYPES.get(argument.type, argument.type), shape
