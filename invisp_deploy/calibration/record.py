"""The record of a calibration: one table of scales for both directions, and all that it was measured on.

JSON of ours: portable because the exported graphs carry the scales, refused for any other weights, and complete
enough to measure it again (files with digests, tiles, seed, method, JPEG, versions).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from invisp_deploy.arithmetic import FULL_SCALE, Arithmetic
from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import CalibrationError, RequestError
from invisp_deploy.files import write_whole
from invisp_deploy.plain_json import parse_json

_FORMAT: Final = "invisp-scales-1"

RAISE: Final = 0.8
"""0 leaves a channel on its tensor's grid, 1 gives it a whole one; docs/precision.md has what each loses."""

QUIETEST: Final = 0.02
"""Channels below this share of their tensor are raised no further."""

METHODS: Final = ("maximum", "percentile", "entropy", "mse")
"""How the range of a tensor is chosen from what was seen of it."""


@dataclass(frozen=True)
class TensorScale:
    """scale: what neighbours of int8's grid differ by. maximum: largest magnitude seen. saturated: share of values
    beyond 127 scales.

    channels: largest magnitude seen of each channel, for inner tensors.
    """

    scale: float
    maximum: float
    saturated: float
    channels: tuple[float, ...] = ()

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of the scale that each channel has: between that of its own maximum and the tensor's.

        Quiet channels are raised, but not all the way: what is gained on their grid is lost on the weights' grid.
        """
        return tuple(min(max(top / self.maximum, QUIETEST), 1.0) ** RAISE for top in self.channels)


@dataclass(frozen=True)
class CalibratedFile:
    """One RAW file by name and digest, with what it covers. iso and exposure (seconds) are None where EXIF has none.

    brightness: mean of its tiles in the network's domain, 0 to 1.
    """

    name: str
    sha256: str
    tiles: int
    iso: int | None = None
    exposure: float | None = None
    brightness: float | None = None


@dataclass(frozen=True)
class ScaleRecord:
    """weights: SHA-256 of the weights. tensors: name -> scale, for every tensor of `arithmetic.quantised_tensors`.

    method: of `METHODS`. options: its numbers, tile size, seed and JPEG. files: what was looked at. kept: layers that
    an int8 graph leaves fp16. sensitivity: function -> dB of RAW PSNR that it costs alone at int8. drops: name of
    an arithmetic -> dB of RAW PSNR lost through JPEG, on tiles that no range was measured on. versions: of the tools.
    """

    weights: str
    config: NetworkConfig
    tensors: Mapping[str, TensorScale]
    method: str
    files: tuple[CalibratedFile, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    sensitivity: Mapping[str, float] = field(default_factory=dict)
    drops: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def arithmetic(self, precision: str, *, keep: bool = True) -> Arithmetic:
        """Of an int8 or fp8 graph. FP8 spans the largest value that was seen: its grid is fine near zero anyway.

        keep: leave the record's `kept` layers fp16; else every convolution is lowered.
        """
        scales = {
            name: tensor.scale if precision == "int8" else tensor.maximum / FULL_SCALE[precision]
            for name, tensor in self.tensors.items()
        }
        channels = {name: tensor.shares for name, tensor in self.tensors.items() if tensor.channels}
        return Arithmetic(precision, scales, frozenset(self.kept if keep else ()), channels)

    def check_weights(self, weights: str, source: str) -> None:
        """Raise CalibrationError unless the scales were measured on these weights."""
        if weights != self.weights:
            raise CalibrationError(
                f"{source} was measured on the weights {self.weights[:12]}, not on {weights[:12]}: calibrate again "
                "with `invisp calibrate`."
            )

    def for_weights(self, weights: str, note: Mapping[str, Any]) -> ScaleRecord:
        """The same scales for weights that were trained with them; `note` says how, among the options."""
        return replace(self, weights=weights, options={**self.options, **note}, sensitivity={}, drops={})


def write_record(path: Path, record: ScaleRecord) -> None:
    """Write JSON, whole or not at all. Raises OutputError."""
    data = {"format": _FORMAT, **asdict(record), "config": record.config.to_dict()}
    write_whole(path, json.dumps(data, indent=2, sort_keys=True) + "\n")


def read_record(path: Path) -> ScaleRecord:
    """Strict inverse of `write_record`. Raises RequestError for a missing file, CalibrationError for another one."""
    try:
        data = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"The record of scales {path} could not be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise CalibrationError(f"{path} is not a record of scales (not JSON: {error}): calibrate again.") from error
    found = data.get("format") if isinstance(data, dict) else None
    if found != _FORMAT:
        raise CalibrationError(f"{path} has the format {found!r}, expected {_FORMAT!r}: calibrate with this version.")
    try:
        record = ScaleRecord(
            weights=str(data["weights"]),
            config=NetworkConfig.from_dict(data["config"]),
            tensors={str(name): _tensor(entry) for name, entry in data["tensors"].items()},
            method=str(data["method"]),
            files=_files(data["files"]),
            options=dict(data["options"]),
            kept=tuple(map(str, data["kept"])),
            sensitivity=dict(data["sensitivity"]),
            drops=dict(data["drops"]),
            versions=dict(data["versions"]),
        )
        record.arithmetic("int8").check(record.config)
    except (KeyError, TypeError, ValueError, AttributeError, RequestError) as error:
        raise CalibrationError(f"{path} is damaged ({error}): calibrate again.") from error
    return record


def _tensor(entry: Mapping[str, Any]) -> TensorScale:
    numbers = (entry["scale"], entry["maximum"], entry["saturated"], *entry["channels"])
    if not all(type(number) in (int, float) and 0 <= number < math.inf for number in numbers):
        raise ValueError(f"a scale is numbers from 0, got {dict(entry)}")
    if entry["channels"] and not entry["maximum"]:
        raise ValueError(f"a tensor of nothing but zeros has no channels, got {dict(entry)}")
    return TensorScale(**{**entry, "channels": tuple(map(float, entry["channels"]))})


def _files(entries: Sequence[Mapping[str, Any]]) -> tuple[CalibratedFile, ...]:
    return tuple(CalibratedFile(**entry) for entry in entries)
