"""What an engine says of itself: the sidecar that the build writes and the runtime compares before it deserialises.

An engine is three files: `forward.trt` (the plan, as NVIDIA's tools read it), `forward.trt.json` (this card) and
`forward.trt.npz` (the golden file, `invisp_deploy.runtimes.golden`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from invisp_deploy.errors import EngineError, InvispError
from invisp_deploy.graph_card import GraphCard
from invisp_deploy.plain_json import parse_json

_FORMAT: Final = 1

BACKENDS: Final = ("tensorrt", "tensorrt-rtx")
"""TensorRT proper, and TensorRT for RTX: plans of one are not plans of the other."""

ENGINE_SUFFIXES: Final = (".trt", ".engine", ".plan")


@dataclass(frozen=True)
class Profile:
    """Height and width in pixels that an engine takes: smallest, the one it is tuned for, largest. Batch is 1."""

    smallest: tuple[int, int]
    optimal: tuple[int, int]
    largest: tuple[int, int]

    @property
    def fixed(self) -> bool:
        return self.smallest == self.largest

    def __str__(self) -> str:
        sizes = [f"{height}x{width}" for height, width in (self.smallest, self.optimal, self.largest)]
        return sizes[0] if self.fixed else " to ".join((sizes[0], sizes[2])) + f", best at {sizes[1]}"


@dataclass(frozen=True)
class EngineCard:
    """Identity of one engine.

    graph: the source graph's own card. backend, backend_version: what built it. engine, onnx: SHA-256 of the plan
    and of its source file. targets: compute capabilities it runs on, such as ("sm86",). profile: sizes it takes.
    device: GPU, driver, CUDA and operating system that built it, by name. build: how (seconds, optimisation level,
    TF32, memory, what its convolutions multiply). self_psnr: dB that an int8 or fp8 graph reaches against itself when
    next to nothing changes (`engines.gate`), which decides what the engine must reach; None in other precisions.
    verified: figures of the golden check on a GPU with the device that ran it; None where no GPU has.
    """

    graph: GraphCard
    backend: str
    backend_version: str
    engine: str
    onnx: str
    targets: tuple[str, ...]
    profile: Profile
    device: Mapping[str, str] = field(default_factory=dict)
    build: Mapping[str, Any] = field(default_factory=dict)
    self_psnr: float | None = None
    verified: Mapping[str, Any] | None = None

    def with_verified(self, figures: Mapping[str, Any]) -> EngineCard:
        return replace(self, verified=dict(figures))

    def to_json(self) -> str:
        data = {
            "format": _FORMAT,
            "graph": self.graph.to_metadata(),
            "backend": self.backend,
            "backend_version": self.backend_version,
            "engine": self.engine,
            "onnx": self.onnx,
            "targets": list(self.targets),
            "profile": {
                "smallest": list(self.profile.smallest),
                "optimal": list(self.profile.optimal),
                "largest": list(self.profile.largest),
            },
            "device": dict(self.device),
            "build": dict(self.build),
            "self_psnr": self.self_psnr,
            "verified": None if self.verified is None else dict(self.verified),
        }
        return json.dumps(data, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> EngineCard:
        """Strict inverse of `to_json`. `source` names the file in the EngineError for anything else."""
        try:
            data = parse_json(text)
            if data["format"] != _FORMAT:
                raise EngineError(
                    f"{source} has the format {data['format']}, this version reads {_FORMAT}: build the engine again."
                )
            profile = Profile(*(_size(data["profile"][name]) for name in _SIZES))
            card = cls(
                graph=GraphCard.from_metadata(data["graph"], source),
                backend=str(data["backend"]),
                backend_version=str(data["backend_version"]),
                engine=str(data["engine"]),
                onnx=str(data["onnx"]),
                targets=tuple(map(str, data["targets"])),
                profile=profile,
                device=dict(data["device"]),
                build=dict(data["build"]),
                self_psnr=None if data["self_psnr"] is None else float(data["self_psnr"]),
                verified=None if data["verified"] is None else dict(data["verified"]),
            )
        except EngineError:
            raise
        except (KeyError, ValueError, TypeError, AttributeError, InvispError) as error:
            raise EngineError(f"{source} is not the sidecar of an engine ({error}): build the engine again.") from error
        if card.backend not in BACKENDS:
            raise EngineError(f"{source} names the backend {card.backend!r}, expected {' or '.join(BACKENDS)}.")
        return card


_SIZES: Final = ("smallest", "optimal", "largest")


def _size(sides: Any) -> tuple[int, int]:
    height, width = sides
    if not all(type(side) is int and side > 0 for side in (height, width)):
        raise ValueError(f"a size is two whole numbers, got {sides}")
    return height, width


def sidecar_path(engine: Path) -> Path:
    """`forward.trt` -> `forward.trt.json`."""
    return engine.with_name(f"{engine.name}.json")


def read_engine_card(engine: Path) -> EngineCard:
    """The sidecar of an engine. Raises EngineError where it is missing or does not read."""
    path = sidecar_path(engine)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(
            f"{engine} has no readable sidecar {path.name}: copy it from where the engine was built; without it the "
            "engine cannot be checked before it is loaded."
        ) from error
    return EngineCard.from_json(text, str(path))
