"""TensorRT and TensorRT for RTX as a runtime: the plan that the sidecar describes, on the GPU it was built for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from invisp_deploy.errors import EngineError, MissingFileError, OutOfMemoryError
from invisp_deploy.files import sha256_file
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.base import Feeds, Runtime, Size, TensorSpec, graph_specs
from invisp_deploy.runtimes.tensorrt.backend import load_backend
from invisp_deploy.runtimes.tensorrt.contexts import ContextPool, Loaded, Times, refusal
from invisp_deploy.runtimes.tensorrt.cuda import Cuda
from invisp_deploy.runtimes.tensorrt.cuda_device import CudaDevice, require_device
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard, read_engine_card

_NAMES: Final = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT for RTX"}
_DTYPES: Final = {
    "FLOAT": "float32",
    "HALF": "float16",
    "BF16": "bfloat16",
    "INT32": "int32",
    "INT8": "int8",
    "UINT8": "uint8",
}


class TensorRTRuntime(Runtime):
    """An engine of ours on the first GPU.

    All that its sidecar says is compared before the plan is deserialised, because TensorRT answers a plan that does
    not fit with a line on standard error, and a missing GPU with a segmentation fault. A fixed tile runs as a CUDA
    graph; where CUDA refuses to capture one, the engine is queued for each tile, and `name` says so and why.

    Unlike other runtimes, several threads may run it at once: each run takes a context of its own from a pool, with
    its own stream, buffers and TensorRT's working memory, so n threads take n times the memory.

    Raises RequestError for a missing file; EngineError for a sidecar, version, GPU or tensors that do not fit;
    OutOfMemoryError, also from `run`, with the next smaller tile.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise MissingFileError(f"There is no engine {path}.")
        self.engine = card = read_engine_card(path)
        self.card = card.graph
        self._rebuild = rebuild_command(path, card)
        if sha256_file(path) != card.engine:
            raise EngineError(
                f"{path} is not the engine that its sidecar describes (the digests differ): copy both files from where "
                f"it was built, or build it again: {self._rebuild}."
            )
        trt = load_backend(card.backend)
        backend = _NAMES[card.backend]
        if str(trt.__version__) != card.backend_version:
            raise EngineError(
                f"{path} was built by {backend} {card.backend_version}, here runs {trt.__version__}, which does not "
                f"read it: {self._rebuild}."
            )
        device = require_device(backend)
        if device.capability not in card.targets:
            raise EngineError(
                f"{path} was built for {', '.join(card.targets)}, this GPU is {device.capability} ({device.name}): "
                f"{rebuild_command(path, card, device)}."
            )
        self.name = f"{backend} {trt.__version__} {device.name}"
        log = _error_log(trt)
        cuda = Cuda(device)
        try:
            runtime = trt.Runtime(log)
            engine = runtime.deserialize_cuda_engine(path.read_bytes())
            if engine is None:
                raise refusal(log, f"{path} could not be deserialised; {self._rebuild}")
            self.inputs, self.outputs = _specs(trt, engine, card)
            self._check(path, card)
            self._pool = ContextPool(Loaded(engine, runtime, cuda, self.inputs, self.outputs, log))
            del runtime, engine  # the pool lets go of both when it is closed
            with self._pool.context() as first:  # too little memory shows here and not in the middle of a picture
                refused = first.graph_refused
        except OutOfMemoryError as error:
            raise self._too_large(card.profile.largest, error) from error
        if refused:
            self.name += f" (no CUDA graph: {refused})"

    def close(self) -> None:
        self._pool.close()

    def timed(self, feeds: Feeds) -> tuple[dict[str, Array], Times]:
        """The outputs of `run` for inputs that fit, and the device's own times of its parts."""
        try:
            with self._pool.context() as context:
                return context.timed(feeds)
        except OutOfMemoryError as error:
            raise self._too_large(self._sides(feeds), error) from error

    def _run(self, feeds: Feeds) -> dict[str, Array]:
        try:
            with self._pool.context() as context:
                return context.run(feeds)
        except OutOfMemoryError as error:
            raise self._too_large(self._sides(feeds), error) from error

    def _sides(self, feeds: Feeds) -> tuple[int, ...]:
        return self.inputs[0].sides(feeds[self.inputs[0].name].shape)

    def _check(self, path: Path, card: EngineCard) -> None:
        """The engine's own names, dtypes and sizes against those that its card promises."""
        expected = graph_specs(card.graph)
        found = [(spec.name, spec.dtype) for spec in (*self.inputs, *self.outputs)]
        if found != [(spec.name, spec.dtype) for side in expected for spec in side]:
            raise EngineError(
                f"{path} has the tensors {', '.join(map(str, (*self.inputs, *self.outputs)))}, its sidecar promises "
                f"{', '.join(str(spec) for side in expected for spec in side)}: {self._rebuild}."
            )
        given, promised = self.inputs[0], (card.profile.smallest, card.profile.largest)
        if given.limits != promised or not given.accepts(expected[0][0].shape_of(*promised[0])):
            raise EngineError(f"{path} takes {self.inputs[0]}, its sidecar promises {card.profile}: {self._rebuild}.")

    def _too_large(self, size: tuple[int, ...], error: Exception) -> OutOfMemoryError:
        smaller = _smaller(min(size), self.card.reach)
        remedy = (
            f"build the engine for a tile of {smaller}"
            if smaller
            else f"close other programs; no smaller tile has room for the halo of {self.card.reach}"
        )
        return OutOfMemoryError(f"{self.name} ran out of memory for a tile of {size[0]}x{size[1]} ({error}): {remedy}.")


def rebuild_command(path: Path, card: EngineCard, device: CudaDevice | None = None) -> str:
    """The command that builds the engine again where it stands, for `device` where one is given."""
    profile = card.profile
    sizes = [f"{height}x{width}" for height, width in (profile.smallest, profile.optimal, profile.largest)]
    words = ["invisp-export", "engine", f"{card.graph.direction.value}.onnx", "-o", str(path)]
    words += ["--backend", card.backend]
    words += ["--tile", sizes[0]] if profile.fixed else ["--profile", *sizes]
    if card.backend == "tensorrt-rtx":
        words += ["--target", ",".join((*card.targets, device.capability) if device else card.targets)]
    return f"`{' '.join(words)}`"


def _specs(trt: Any, engine: Any, card: EngineCard) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs as the engine itself names and types them; -1 stands for what its profile bounds."""
    rows = {spec.name: spec.rows for side in graph_specs(card.graph) for spec in side}
    inputs: list[TensorSpec] = []
    outputs: list[TensorSpec] = []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        dtype = engine.get_tensor_dtype(name).name
        shape: tuple[Size, ...] = tuple(None if size < 0 else int(size) for size in engine.get_tensor_shape(name))
        side = outputs
        if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
            side = inputs
            if None in shape:
                low, _, high = engine.get_tensor_profile_shape(name, 0)
                bounds = (int(a) if a == b else (int(a), int(b)) for a, b in zip(low, high, strict=True))
                shape = tuple(bound if size is None else size for size, bound in zip(shape, bounds, strict=True))
        side.append(TensorSpec(name, _DTYPES.get(dtype, dtype), shape, rows.get(name, 2)))
    return tuple(inputs), tuple(outputs)


def _smaller(edge: int, halo: int) -> int:
    """The next tile of a ladder of three quarters, in multiples of 64 pixels; 0 where no core would be left."""
    smaller = (edge * 3 // 4) // 64 * 64
    return smaller if smaller > 2 * halo else 0


def _error_log(module: Any) -> Any:
    """A logger for that module's objects that keeps errors instead of printing them; it must outlive the objects.

    `take()` gives what was logged since, as one line, and forgets it: TensorRT's calls return None or False and
    say why here alone.
    """

    class ErrorLog(module.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self._lines: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (module.ILogger.Severity.ERROR, module.ILogger.Severity.INTERNAL_ERROR):
                self._lines.append(message.strip())

        def take(self) -> str:
            lines, self._lines = self._lines, []
            return " / ".join(lines)

    return ErrorLog()
