"""A golden input of any size and a few crops of what the reference makes of it: how a device checks an engine alone.

The input is made, not stored: the same shape and seed give the same values everywhere, so the crops of an
engine of 1024x1024 take 200 kB instead of 25 MB. Crops lie in the corners and the middle, so zero padding at the
borders, and a wrong stride or a swapped side, show as well as wrong arithmetic. All arrays are planes
(`runtimes.base`), so a golden file does not know whether a mosaic goes in as numbers or as bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import EngineError
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.runtimes.base import NO_LEVELS, Array, Feeds, Runtime

__all__ = [
    "KINDS",
    "Golden",
    "kind_of",
    "make_golden",
    "natural_input",
    "natural_levels",
    "natural_planes",
    "npz_bytes",
    "of_one",
    "psnr",
    "read_golden",
]

_SEED: Final = 2021
_EDGE: Final = 64
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_BLACK: Final = (127.0, 128.0, 129.0, 130.0)
_WHITE: Final = 4095.0
_GAINS: Final = (0.9, 0.5, 0.75)
_SITES: Final = (0, 1, 1, 2)  # RGGB

KINDS: Final = ("tensor", "mosaic", "rgb")
"""What goes in: float32 planes; of a camera graph one of uint16 DN, or three of uint8 codes."""


@dataclass(frozen=True)
class Golden:
    """Crops (n, C, e, e) of the planes that a reference makes of `natural_planes(kind, height, width, seed)`.

    corners: (n, 2), row and column of each crop. reference: the runtime that computed them. kind: of `KINDS`.
    """

    height: int
    width: int
    seed: int
    corners: npt.NDArray[np.int64]
    crops: Array
    reference: str
    kind: str = KINDS[0]

    def input(self) -> Array:
        return natural_planes(self.kind, self.height, self.width, self.seed)

    def levels(self) -> Feeds:
        return natural_levels(self.kind)

    def cut(self, output: Array) -> Array:
        """The same crops out of a runtime's output (1, C, height, width)."""
        edge = self.crops.shape[-1]
        return np.stack([output[0, :, row : row + edge, column : column + edge] for row, column in self.corners])

    def to_bytes(self) -> bytes:
        size = np.array((self.height, self.width, self.seed), np.int64)
        name = np.array(self.reference)
        kind = {} if self.kind == KINDS[0] else {"kind": np.array(self.kind)}
        return npz_bytes({"size_seed": size, "corners": self.corners, "crops": self.crops, "reference": name, **kind})


def make_golden(reference: Runtime, height: int, width: int, seed: int = _SEED) -> Golden:
    """Compute the crops with `reference`; the sides are what its graph takes.

    Where that is less work, each crop is computed from its window alone, the crop and the exact receptive radius
    around it: the same values up to the choice of kernels, 0.13 of the work for `paper` at 1024x1024.
    """
    edge = min(_EDGE, height, width)
    corners = {(0, 0), (0, width - edge), (height - edge, 0), (height - edge, width - edge)}
    corners.add(((height - edge) // 2, (width - edge) // 2))
    places = np.array(sorted(corners), np.int64)
    card = reference.card
    kind = kind_of(card)
    whole, levels = natural_planes(kind, height, width, seed), natural_levels(kind)
    rows, columns = (
        [_window(start, edge, size, card.reach, card.step) for start in starts]
        for starts, size in ((places[:, 0], height), (places[:, 1], width))
    )
    if sum((r.stop - r.start) * (c.stop - c.start) for r, c in zip(rows, columns, strict=True)) >= height * width:
        empty = Golden(height, width, seed, places, np.empty((0, 3, edge, edge)), reference.name, kind)
        return replace(empty, crops=np.ascontiguousarray(empty.cut(reference.apply(whole, levels))))
    crops = []
    for (row, column), r, c in zip(places, rows, columns, strict=True):
        made = reference.apply(whole[:, :, r, c], levels)[0]
        crops.append(made[:, row - r.start : row - r.start + edge, column - c.start : column - c.start + edge])
    return Golden(height, width, seed, places, np.stack(crops), reference.name, kind)


def _window(start: int, edge: int, size: int, halo: int, step: int) -> slice:
    """What the network must see of one axis for `edge` exact pixels from `start` on; a multiple of the squeeze."""
    return slice(max(start // step * step - halo, 0), min(-(-(start + edge) // step) * step + halo, size))


def read_golden(path: Path) -> Golden:
    """Raises EngineError for a file that is missing or was not written by `Golden.to_bytes`."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            height, width, seed = (int(value) for value in arrays["size_seed"])
            kind = str(arrays["kind"]) if "kind" in arrays else KINDS[0]
            return Golden(height, width, seed, arrays["corners"], arrays["crops"], str(arrays["reference"]), kind)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise EngineError(f"{path} does not hold golden crops ({error}): build the engine again.") from error


def natural_input(shape: tuple[int, int, int, int], seed: int) -> Array:
    """Float32 in [0, 1], made like a picture: slow waves of one hue, an edge, and sensor-like noise.

    The same shape and seed give the same values on every machine, up to the rounding of the cosine.
    """
    random = np.random.default_rng(seed)
    batch, channels, height, width = shape
    rows, columns = np.meshgrid(np.linspace(0, 1, height), np.linspace(0, 1, width), indexing="ij")
    frames = np.empty(shape)
    for frame in frames:
        light = np.full((height, width), 0.45)
        for _ in range(4):
            row, column, phase = random.random(3) * (6, 6, 2 * np.pi)
            light += 0.12 * np.cos(2 * np.pi * (row * rows + column * columns) + phase)
        light[columns > random.random()] *= 0.6
        frame[:] = light * (0.6 + 0.4 * random.random(channels))[:, None, None]
    frames += 0.04 * (random.random((batch, channels, height, width)) - 0.5)
    return np.clip(frames, 0, 1).astype(np.float32)


def kind_of(card: GraphCard) -> str:
    """Which of `KINDS` a graph of that card takes."""
    if not card.takes_mosaic:
        return "tensor"
    return "mosaic" if card.direction is Direction.FORWARD else "rgb"


def natural_planes(kind: str, height: int, width: int, seed: int) -> Array:
    """`natural_input` as a graph of that kind takes it; a mosaic is its light, as `natural_levels` would measure it."""
    planes = natural_input((1, 3, height, width), seed)
    if kind == "tensor":
        return planes
    if kind == "rgb":
        return np.rint(planes * np.float32(255)).astype(np.uint8)
    mosaic = np.empty((1, 1, height, width), np.uint16)
    for site, (colour, black) in enumerate(zip(_SITES, _BLACK, strict=True)):
        own = (slice(site // 2, None, 2), slice(site % 2, None, 2))
        light = planes[0, colour][own].astype(np.float64) ** 2.2 / _GAINS[colour]
        mosaic[0, 0][own] = np.rint(np.clip(light, 0, 1) * (_WHITE - black) + black)
    return mosaic


def natural_levels(kind: str) -> Feeds:
    """The further inputs that belong to it: an RGGB sensor of 12 bits with black levels that differ by site."""
    if kind == "tensor":
        return NO_LEVELS
    return {
        "black": np.array(_BLACK, np.float32),
        "white": np.array([_WHITE], np.float32),
        "gains": np.array(_GAINS, np.float32),
        "cfa": np.array(_SITES, np.int32),
    }


def of_one(planes: Array) -> npt.NDArray[np.float64]:
    """Planes in units of full scale: codes of 255, DN of the natural white level, float32 as it is."""
    full = {"uint8": 255.0, "uint16": _WHITE}.get(planes.dtype.name, 1.0)
    return planes.astype(np.float64) / full


def psnr(array: npt.NDArray[Any], reference: npt.NDArray[Any]) -> float:
    """Peak signal-to-noise ratio in dB with peak 1; infinite for equal arrays."""
    error = float(np.mean(np.square(array.astype(np.float64) - reference)))
    return float("inf") if error == 0 else -10 * float(np.log10(error))


def npz_bytes(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """What `numpy.load` reads; unlike `numpy.savez`'s, the bytes do not tell the time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=_EPOCH)
            entry.create_system = 3  # Unix wherever it is written
            entry.external_attr = 0o644 << 16
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)  # keeps 0-d arrays so
            archive.writestr(entry, member.getvalue())
    return buffer.getvalue()
