"""Does an engine compute on this device what its source graph computes? Answered with NumPy and the engine alone.

The device needs neither PyTorch nor the onnx package: an engine is measured against the golden crops that lie beside
it, a graph against the `golden.npz` of its export, and two engines of the same weights against each other: RAW to
picture and back must return to its start.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from invisp_deploy.errors import ContractError, EngineError
from invisp_deploy.graph_card import CAMERA_LEVELS, Direction, GraphCard
from invisp_deploy.runtimes.base import NO_LEVELS, Array, Feeds, Runtime
from invisp_deploy.runtimes.golden import kind_of, natural_planes, of_one, psnr, read_golden
from invisp_deploy.runtimes.tensorrt.engine_card import ENGINE_SUFFIXES, golden_path, read_engine_card
from invisp_deploy.tolerances import Parity, parity_for

__all__ = [
    "LATENCY",
    "Figure",
    "Latency",
    "Reference",
    "Subject",
    "Verification",
    "parity_kind",
    "read_reference",
    "verify",
]

LATENCY: Final = (
    "host clock around one call, arrays in and out: copies to and from the device and waiting for it included, "
    "loading the engine and reading files not"
)
"""What a latency is; reports print it."""

_WARM_UP: Final = 3
_SEED: Final = 7
_CAP: Final = 200.0


@dataclass(frozen=True)
class Reference:
    """What an engine is measured against.

    tensor: (1, C, H, W) planes that go in. expected: what the reference made of it, or crops of that. cut: takes the
    same crops out of an output. made_by: the runtime that computed it. source: file that it was read from. levels:
    further inputs of a camera graph.
    """

    tensor: Array
    expected: Array
    cut: Callable[[Array], Array]
    made_by: str
    source: str
    levels: Feeds = field(default_factory=lambda: NO_LEVELS)


@dataclass(frozen=True)
class Subject:
    """An engine under test. kind: its runtime's name in the table of tolerances (`tolerances.PARITY`)."""

    runtime: Runtime
    reference: Reference
    kind: str


@dataclass(frozen=True)
class Figure:
    """One measured figure and its limit; `at_least` says on which side of the limit it passes. NaN never passes.

    A PSNR is given as at most 200 dB: that of equal arrays is infinite, which JSON has no number for.
    """

    name: str
    value: float
    limit: float
    unit: str
    at_least: bool

    @property
    def ok(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit


@dataclass(frozen=True)
class Latency:
    """Milliseconds of `runs` calls with an input of `shape`, after warm-up; see `LATENCY`."""

    direction: str
    shape: tuple[int, ...]
    runs: int
    p50: float
    p90: float


@dataclass(frozen=True)
class Verification:
    """Everything that was measured. Raises nothing: a missed limit is a figure that is not ok."""

    figures: tuple[Figure, ...]
    latencies: tuple[Latency, ...]

    @property
    def ok(self) -> bool:
        return all(figure.ok for figure in self.figures)

    def of(self, direction: Direction) -> Verification:
        """What concerns one engine: its own figures and those of the round trip."""
        name, other = direction.value, {Direction.FORWARD: "inverse", Direction.INVERSE: "forward"}[direction]
        return Verification(
            tuple(figure for figure in self.figures if not figure.name.startswith(other)),
            tuple(latency for latency in self.latencies if latency.direction == name),
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which has no NaN: such a figure is the word."""
        return {
            "ok": self.ok,
            "figures": [
                asdict(figure) | {"ok": figure.ok, "value": _jsonable(figure.value)} for figure in self.figures
            ],
            "latency_ms": [asdict(latency) for latency in self.latencies],
            "latency_is": LATENCY,
        }


def read_reference(path: Path, card: GraphCard) -> Reference:
    """The golden file of an engine (`forward.trt.npz`) or of a graph's folder (`golden.npz`).

    card: of the graph or the engine's. Raises EngineError where the file is missing or does not read.
    """
    if path.suffix.lower() in ENGINE_SUFFIXES:
        source = golden_path(path)
        golden = read_golden(source)
        return Reference(golden.input(), golden.crops, golden.cut, golden.reference, str(source), golden.levels())
    source = path.parent / "golden.npz"
    names = {
        "tensor": {Direction.FORWARD: ("raw", "srgb"), Direction.INVERSE: ("srgb", "raw_back")},
        "camera": {Direction.FORWARD: ("mosaic", "rgb"), Direction.INVERSE: ("rgb", "mosaic_back")},
    }["camera" if card.takes_mosaic else "tensor"][card.direction]
    try:
        with np.load(source, allow_pickle=False) as arrays:
            tensor, expected = (arrays[name] for name in names)
            levels = {name: arrays[name] for name, _, _ in CAMERA_LEVELS} if card.takes_mosaic else NO_LEVELS
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise EngineError(
            f"{path} cannot be verified: {source} does not hold the golden arrays of its export ({error}); copy "
            "golden.npz from the folder that the graph was exported to."
        ) from error
    return Reference(tensor, expected, lambda output: output, "PyTorch", str(source), levels)


def parity_kind(path: Path) -> str:
    """The runtime's name in the table of tolerances: an engine's backend, or `onnxruntime`."""
    return read_engine_card(path).backend if path.suffix.lower() in ENGINE_SUFFIXES else "onnxruntime"


def verify(
    forward: Subject | None, inverse: Subject | None, *, runs: int = 20, edge: int | None = None
) -> Verification:
    """Measure one engine or both. edge: of the latency's input in pixels, default the golden input's own size.

    Raises ContractError for engines of different weights or the wrong direction, EngineError for sizes that an
    engine does not take, or where one fails.
    """
    subjects = [
        (way, subject) for way, subject in zip(Direction, (forward, inverse), strict=True) if subject is not None
    ]
    for direction, subject in subjects:
        if subject.runtime.card.direction is not direction:
            raise ContractError(
                f"The {direction.value} engine was expected, {subject.runtime.name} holds the "
                f"{subject.runtime.card.direction.value} one: pass --engine forward and --inverse inverse."
            )
    if forward is not None and inverse is not None and forward.runtime.card.weights != inverse.runtime.card.weights:
        raise ContractError(
            f"The engines are of different weights ({forward.runtime.card.weights[:12]} and "
            f"{inverse.runtime.card.weights[:12]}): pass both engines of one export."
        )
    if len({subject.runtime.card.takes_mosaic for _, subject in subjects}) > 1:
        raise ContractError("One of the engines is a camera graph's and the other is not: pass two of one export.")
    figures: list[Figure] = []
    outputs = []
    for direction, subject in subjects:
        output = subject.runtime.apply(subject.reference.tensor, subject.reference.levels)
        outputs.append(output)
        figures += _against_reference(direction, subject, output)
    if forward is not None and inverse is not None:
        figures += _round_trip(forward, inverse, outputs[0])
    latencies = tuple(_latency(direction, subject, runs, edge) for direction, subject in subjects)
    return Verification(tuple(figures), latencies)


def _against_reference(direction: Direction, subject: Subject, output: Array) -> list[Figure]:
    limits = _limits(subject, direction)
    name, reference = direction.value, subject.reference
    crops, expected = of_one(reference.cut(output)), of_one(reference.expected)
    error = float(np.abs(crops - expected).max())
    return [
        Figure(f"{name} PSNR", min(psnr(crops, expected), _CAP), limits.psnr, "dB", True),
        Figure(f"{name} largest error", error, limits.max_abs, "of 1", False),
        _finite(name, output),
    ]


def _round_trip(forward: Subject, inverse: Subject, picture: Array) -> list[Figure]:
    """The looser limit counts where the engines differ in precision: the way back is as good as the worse one."""
    ways = zip((forward, inverse), Direction, strict=True)
    limit = min(_limits(one, way).round_trip_psnr for one, way in ways)
    back = inverse.runtime.apply(picture, forward.reference.levels)
    figure = min(psnr(of_one(back), of_one(forward.reference.tensor)), _CAP)
    return [Figure("round trip PSNR", figure, limit, "dB", True), _finite("round trip", back)]


def _limits(subject: Subject, direction: Direction) -> Parity:
    card = subject.runtime.card
    return parity_for(subject.kind, card.precision, direction.value, codes=card.takes_mosaic)


def _finite(name: str, output: Array) -> Figure:
    return Figure(f"{name} NaN or infinite", float(np.count_nonzero(~np.isfinite(output))), 0, "values", False)


def _latency(direction: Direction, subject: Subject, runs: int, edge: int | None) -> Latency:
    tensor, levels = subject.reference.tensor, subject.reference.levels
    if edge is not None:
        tensor = natural_planes(kind_of(subject.runtime.card), edge, edge, _SEED)
    times = []
    for _ in range(_WARM_UP + runs):
        start = time.perf_counter()
        subject.runtime.apply(tensor, levels)
        times.append((time.perf_counter() - start) * 1e3)
    p50, p90 = np.percentile(times[_WARM_UP:], (50, 90))
    return Latency(direction.value, tensor.shape, runs, float(p50), float(p90))


def _jsonable(value: float) -> float | str:
    return value if np.isfinite(value) else str(value)
