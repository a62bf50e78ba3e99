"""Does an engine compute on this device what its source graph computes? Answered with NumPy and the engine alone.

The device needs neither PyTorch nor the onnx package: an engine is measured against the golden crops that lie beside
it, a graph alike, and two engines of the same weights against each other: RAW to
picture and back must return to its start.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.runtimes.golden import Golden, mirrored, shares
from invisp_deploy.runtimes.tensorrt.engine_card import ENGINE_SUFFIXES, read_engine_card
from invisp_deploy.tolerances import Figure, Parity, engine_parity, parity_for

LATENCY: Final = (
    "host clock around one call, arrays in and out: copies to and from the device and waiting for it included, "
    "loading the engine and reading files not"
)
"""What a latency is; reports print it."""

_WARM_UP: Final = 3
_CAP: Final = 200.0


@dataclass(frozen=True)
class Subject:
    """An engine or graph under test, and its golden file.

    kind: its backend, or "onnxruntime" for a graph, which is measured against fp32.
    """

    runtime: Runtime
    golden: Golden
    kind: str


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


def parity_kind(path: Path) -> str:
    """An engine's backend, or `onnxruntime`."""
    return read_engine_card(path).backend if path.suffix.lower() in ENGINE_SUFFIXES else "onnxruntime"


def verify(
    forward: Subject | None, inverse: Subject | None, *, runs: int = 20, edge: int | None = None
) -> Verification:
    """Measure one engine or both of a model. edge: of the latency's input in pixels, default the golden input's own.

    Raises EngineError for sizes that an engine does not take, or where one fails.
    """
    subjects = [
        (way, subject) for way, subject in zip(Direction, (forward, inverse), strict=True) if subject is not None
    ]
    figures: list[Figure] = []
    outputs = []
    for direction, subject in subjects:
        output = subject.runtime.apply(subject.golden.input(), subject.golden.numbers)
        outputs.append(output)
        figures += _against_reference(direction, subject, output)
    if forward is not None and inverse is not None:
        figures += _round_trip(forward, inverse, outputs[0])
    latencies = tuple(_latency(direction, subject, runs, edge) for direction, subject in subjects)
    return Verification(tuple(figures), latencies)


def _against_reference(direction: Direction, subject: Subject, output: Array) -> list[Figure]:
    limits, golden = _limits(subject), subject.golden
    crops, expected = shares(golden.cut(output), golden.numbers), shares(golden.crops, golden.numbers)
    error = float(np.abs(crops - expected).max())
    return [
        Figure(f"{direction.value} PSNR", min(psnr(crops, expected), _CAP), limits.psnr, "dB", True),
        Figure(f"{direction.value} largest error", error, limits.max_abs, "of 1", False),
    ]


def _round_trip(forward: Subject, inverse: Subject, picture: Array) -> list[Figure]:
    """The looser limit counts where the engines differ in precision: the way back is as good as the worse one."""
    limit = min(_limits(one).round_trip_psnr for one in (forward, inverse))
    numbers, start = forward.golden.numbers, forward.golden.input()
    back = inverse.runtime.apply(picture, numbers)
    figure = min(psnr(shares(back, numbers), shares(start, numbers)), _CAP)
    return [Figure("round trip PSNR", figure, limit, "dB", True)]


def _limits(subject: Subject) -> Parity:
    card, engine = subject.runtime.card, subject.runtime.engine
    if subject.kind == "onnxruntime":
        return parity_for(card.precision, codes=True)
    return engine_parity(card.precision, engine.self_psnr if engine else None)


def _latency(direction: Direction, subject: Subject, runs: int, edge: int | None) -> Latency:
    golden = subject.golden
    pixels = golden.input() if edge is None else mirrored(golden.patch, edge, edge)
    times = []
    for _ in range(_WARM_UP + runs):
        start = time.perf_counter()
        subject.runtime.apply(pixels, golden.numbers)
        times.append((time.perf_counter() - start) * 1e3)
    p50, p90 = np.percentile(times[_WARM_UP:], (50, 90))
    return Latency(direction.value, pixels.shape[:2], runs, float(p50), float(p90))


def _jsonable(value: float) -> float | str:
    return value if np.isfinite(value) else str(value)
