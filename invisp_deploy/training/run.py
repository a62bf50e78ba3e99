"""The description of a run, `run.json`: the same text lies in the run's folder and in the card of its weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.plain_json import parse_json
from invisp_deploy.training.options import DataOptions, JpegOptions, LossOptions, OptimiserOptions

INVISP: Final = "invisp"
_FORMAT: Final = "invisp-run-1"


@dataclass(frozen=True)
class TrainingSource:
    """What a run trains on. files: how many; made: how many of them from photographs, not by the camera.

    digest: SHA-256 over names and sizes of the mosaics in their order, which is what crops are drawn from.
    """

    files: int = 0
    made: int = 0
    digest: str = ""

    @classmethod
    def of(cls, shots: Iterable[tuple[str, tuple[int, int]]], made: int = 0) -> TrainingSource:
        """shots: name and (height, width) of every file."""
        lines = [f"{name} {height} {width}\n" for name, (height, width) in shots]
        return cls(len(lines), made, hashlib.sha256("".join(lines).encode()).hexdigest())


@dataclass(frozen=True)
class Run:
    """Everything that decides a run but the files themselves.

    config: of InvISP; None for another method, which has sizes of its own. method: `invisp` or the other's name.
    start: facts of the weights that it goes on from (training.method), None for new ones.
    minutes: of optimiser time that were asked for; the steps were chosen from it.
    """

    contract: CameraContract
    config: NetworkConfig | None = None
    method: str = INVISP
    source: TrainingSource = field(default_factory=TrainingSource)
    data: DataOptions = field(default_factory=DataOptions)
    loss: LossOptions = field(default_factory=LossOptions)
    jpeg: JpegOptions = field(default_factory=JpegOptions)
    optimiser: OptimiserOptions = field(default_factory=OptimiserOptions)
    start: dict[str, Any] | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        if (self.method == INVISP) != (self.config is not None):
            raise RequestError(
                f"A run of {INVISP} has a configuration and one of another method has none: got {self.method}, "
                f"{self.config}."
            )

    def identity(self) -> dict[str, Any]:
        """Dotted name -> value of all that a resumed run must have in common with the run that it goes on with."""
        found: dict[str, Any] = {"method": self.method, "source": self.source.digest}
        for name, part in self.to_dict().items():
            if name not in ("format", "source", "minutes") and isinstance(part, dict):
                found |= {f"{name}.{key}": value for key, value in part.items()}
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as JSON gives it back."""
        parts = {"contract": self.contract.to_dict(), "config": self.config and self.config.to_dict()}
        data: dict[str, Any] = json.loads(json.dumps({"format": _FORMAT, **asdict(self), **parts}))
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Run:
        """Strict inverse of `to_dict`; raises RequestError for missing, unknown or impossible fields."""
        _check_fields("A run", data, {"format"} | {part.name for part in fields(cls)})
        if data["format"] != _FORMAT:
            raise RequestError(f"A run has the format {_FORMAT!r}, got {data['format']!r}.")
        jpeg = dict(data["jpeg"])
        jpeg |= {name: tuple(jpeg[name]) for name in ("quality", "subsampling") if isinstance(jpeg.get(name), list)}
        return cls(
            contract=CameraContract.from_dict(data["contract"]),
            config=None if data["config"] is None else NetworkConfig.from_dict(data["config"]),
            method=data["method"],
            source=_part(TrainingSource, data["source"]),
            data=_part(DataOptions, data["data"]),
            loss=_part(LossOptions, data["loss"]),
            jpeg=_part(JpegOptions, jpeg),
            optimiser=_part(OptimiserOptions, data["optimiser"]),
            start=data["start"],
            minutes=data["minutes"],
        )

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2) + "\n"


def read_run(path: Path) -> Run:
    """Read a `run.json`. Raises RequestError for a file that is missing, unreadable or describes no run."""
    try:
        return Run.from_dict(parse_json(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RequestError(f"{path} could not be read: {error.strerror or error}.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise RequestError(f"{path} does not describe a run ({error}): pass the run.json of a run's folder.") from error
    except RequestError as error:
        raise RequestError(f"{path} does not describe a run. {error}") from error


def _part(kind: type[Any], data: Any) -> Any:
    _check_fields(kind.__name__, data, {part.name for part in fields(kind)})
    return kind(**data)


def _check_fields(what: str, data: Any, expected: set[str]) -> None:
    if not isinstance(data, Mapping) or set(data) != expected:
        found = sorted(map(str, data)) if isinstance(data, Mapping) else data
        raise RequestError(f"{what} has the fields {sorted(expected)}, got {found}.")
