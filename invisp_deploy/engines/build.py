"""Graph to plan: NVIDIA's parser and builder, with one configuration for TensorRT 10.3 to 11 and TensorRT for RTX.

Precision stands in the graph, the network is strongly typed, and TF32 is off, so fp32 means fp32. What the builder
has to say is collected and comes as one sentence.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from invisp_deploy.contract import CFA_PATTERNS, UNIVERSAL, CameraContract
from invisp_deploy.engines.plan_layers import PlanLayer, convolution_types, read_layers
from invisp_deploy.engines.progress import BuildProgress, interrupts, progress_monitor
from invisp_deploy.errors import EngineError, GraphError, RequestError
from invisp_deploy.isp.recipe import graph_inputs
from invisp_deploy.memory import peak_memory
from invisp_deploy.runtimes.tensorrt.backend import strongly_typed_flag
from invisp_deploy.runtimes.tensorrt.engine_card import Profile

LEVELS: Final = range(6)
"""Optimisation levels of TensorRT."""

DEFAULT_LEVEL: Final = 3

_ACTIVATIONS: Final = re.compile(r"Total Activation Memory: (\d+) bytes")
_WEIGHTS: Final = re.compile(r"Total Weights Memory: (\d+) bytes")


@dataclass(frozen=True)
class BuildSettings:
    """profile: sizes. targets: compute capabilities, for TensorRT for RTX alone. level: None for the default.

    workspace: most bytes that a layer may take beside its tensors; None for the builder's own limit, all of the GPU.
    """

    backend: str
    profile: Profile
    targets: tuple[str, ...]
    level: int | None = None
    workspace: int | None = None

    @property
    def portable(self) -> bool:
        """Built for `targets` and not for the GPU at hand."""
        return self.backend == "tensorrt-rtx"


@dataclass(frozen=True)
class Built:
    """A plan and what it took.

    peak_memory: highest resident memory of the process, bytes. device_memory: what the builder says the engine
    takes on the device for weights and activations, bytes; None where it does not say. convolutions: what each one of
    F, G and H multiplies in the plan (`plan_layers.convolution_types`); empty where the builder does not say. layers:
    of the plan, in the order that they run in; none where the builder does not say.
    timing_cache: for the next build on this GPU; empty where the backend has none. notes: sentences for the user.
    """

    plan: bytes
    seconds: float
    peak_memory: int
    device_memory: int | None
    convolutions: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[PlanLayer, ...] = ()
    timing_cache: bytes = b""
    notes: tuple[str, ...] = ()


_ENDS: Final = {
    (1 + len(graph_inputs(replace(contract, cfa=cfa), direction)), 2)
    for contract in (CameraContract(), UNIVERSAL)
    for cfa in ("any", CFA_PATTERNS[0])
    for direction in ("forward", "inverse")
}
"""How many inputs and outputs our graphs have."""


def check_level(level: int | None, backend: str) -> None:
    """Raise RequestError for an optimisation level that is none or that the backend does not have."""
    if level is None:
        return
    if backend == "tensorrt-rtx":
        raise RequestError(
            "TensorRT for RTX has no optimisation levels, its kernels are compiled on the device that loads the plan: "
            "leave out `level`."
        )
    if level not in LEVELS:
        raise RequestError(f"`level` is {LEVELS[0]} to {LEVELS[-1]}, got {level}.")


def parse_graph(module: Any, onnx: Path, logger: Any) -> tuple[Any, Any]:
    """The builder and its strongly typed network. Raises GraphError with the parser's own reasons."""
    builder = module.Builder(logger)
    network = builder.create_network(strongly_typed_flag(module))
    parser = module.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx)):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        reasons = "; ".join(
            f"{error.node_name() or 'the graph'} {error.node_operator()}".strip() + f": {_line(error.desc())}"
            for error in errors[:3]
        )
        raise GraphError(
            f"The parser of {module.__name__} {module.__version__} does not take {onnx} "
            f"({reasons or 'no reason given'}): export it again with `invisp-export onnx`."
        )
    given = (network.num_inputs, network.num_outputs)
    if given not in _ENDS:  # the parser takes some files that are no graphs at all
        raise GraphError(
            f"{onnx} has {given[0]} inputs and {given[1]} outputs for the parser of "
            f"{module.__name__}, which none of our graphs has: export it with `invisp-export onnx`."
        )
    return builder, network


def build_plan(
    module: Any,
    onnx: Path,
    settings: BuildSettings,
    timing_cache: bytes = b"",
    progress: BuildProgress = lambda done, phase: None,
) -> Built:
    """Parse and build. An interrupt ends the build at its next step.

    The device must have been proven before, where the backend needs one. Raises GraphError where the parser, and
    EngineError where the builder refuses.
    """
    start = time.perf_counter()
    logger = _logger(module)
    builder, network = parse_graph(module, onnx, logger)
    config = builder.create_builder_config()
    config.clear_flag(module.BuilderFlag.TF32)
    if settings.level is not None:
        config.builder_optimization_level = settings.level
    if settings.workspace is not None:
        config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, settings.workspace)
    if settings.portable:
        config.profiling_verbosity = module.ProfilingVerbosity.DETAILED  # the log names types; the plan keeps its size
        config.num_compute_capabilities = len(settings.targets)
        for index, target in enumerate(settings.targets):
            if not config.set_compute_capability(getattr(module.ComputeCapability, target.upper()), index):
                raise EngineError(f"{module.__name__} {module.__version__} does not build for {target}.")
    profile = builder.create_optimization_profile()
    sizes = (settings.profile.smallest, settings.profile.optimal, settings.profile.largest)
    picture = network.get_input(0)
    profile.set_shape(picture.name, *(_filled(tuple(picture.shape), size) for size in sizes))
    if config.add_optimization_profile(profile) < 0:
        raise EngineError(f"{module.__name__} refuses the profile {settings.profile}: {logger.reason()}.")
    notes = [] if settings.portable else _take_timing_cache(config, timing_cache)
    with interrupts() as interrupted:
        monitor = progress_monitor(module, progress, interrupted)  # the configuration keeps no reference of its own
        config.progress_monitor = monitor
        plan = builder.build_serialized_network(network, config)
    if interrupted.is_set():
        raise KeyboardInterrupt
    if plan is None:
        raise EngineError(
            f"{module.__name__} {module.__version__} could not build {onnx} for {settings.profile}: {logger.reason()}."
        )
    return Built(
        plan=bytes(plan),
        seconds=time.perf_counter() - start,
        peak_memory=peak_memory(),
        device_memory=logger.device_memory(),
        convolutions=convolution_types(logger.layers),
        layers=tuple(logger.layers),
        timing_cache=b"" if settings.portable else bytes(config.get_timing_cache().serialize()),
        notes=tuple(notes),
    )


def _filled(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, ...]:
    """Batch 1, height and width in place of the sizes that are open, in that order; some graphs fix the batch."""
    left = [1, *size][-shape.count(-1) :]
    return tuple(left.pop(0) if side == -1 else side for side in shape)


def _take_timing_cache(config: Any, data: bytes) -> list[str]:
    """Start from `data`, or from nothing where TensorRT does not take it. Returns a note about that."""
    cache = config.create_timing_cache(data)
    if cache is not None and config.set_timing_cache(cache, False):
        return []
    config.set_timing_cache(config.create_timing_cache(b""), False)
    return ["the timing cache was made elsewhere or is damaged; kernels are timed again"]


def _logger(module: Any) -> Any:
    """A logger that keeps errors, the layers of the plan and what the builder says of memory, and prints nothing."""

    class Logger(module.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self.errors: list[str] = []
            self.memory: dict[re.Pattern[str], int] = {}
            self.layers: list[PlanLayer] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (module.ILogger.Severity.ERROR, module.ILogger.Severity.INTERNAL_ERROR):
                self.errors.append(message)
            for pattern in (_ACTIVATIONS, _WEIGHTS):
                if match := pattern.search(message):
                    self.memory[pattern] = int(match[1])
            self.layers += read_layers(message)

        def reason(self) -> str:
            return _line(self.errors[0]).rstrip(".") if self.errors else "no reason given"

        def device_memory(self) -> int | None:
            return sum(self.memory.values()) if _ACTIVATIONS in self.memory else None

    return Logger()


def _line(text: str) -> str:
    """One line without the positions in NVIDIA's sources."""
    return re.sub(r"\)?\.? In \S+ at \S.*", "", " ".join(text.split()))[:300]
