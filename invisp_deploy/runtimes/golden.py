"""A golden input of any size and a few crops of what the reference makes of it: how a device checks an engine alone.

The input is made, not stored: the same shape and seed give the same values everywhere, so the crops of an
engine of 1024x1024 take 200 kB instead of 25 MB. Crops lie in the corners and the middle, so zero padding at the
borders, and a wrong stride or a swapped side, show as well as wrong arithmetic.
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
from invisp_deploy.runtimes.base import Array, Runtime

__all__ = ["Golden", "make_golden", "natural_input", "npz_bytes", "psnr", "read_golden"]

_SEED: Final = 2021
_EDGE: Final = 64
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Golden:
    """Crops (n, 3, e, e) float32 of a reference's output for `natural_input((1, 3, height, width), seed)`.

    corners: (n, 2), row and column of each crop. reference: the runtime that computed them.
    """

    height: int
    width: int
    seed: int
    corners: npt.NDArray[np.int64]
    crops: Array
    reference: str

    def input(self) -> Array:
        return natural_input((1, 3, self.height, self.width), self.seed)

    def cut(self, output: Array) -> Array:
        """The same crops out of a runtime's output (1, 3, height, width)."""
        edge = self.crops.shape[-1]
        return np.stack([output[0, :, row : row + edge, column : column + edge] for row, column in self.corners])

    def to_bytes(self) -> bytes:
        size = np.array((self.height, self.width, self.seed), np.int64)
        name = np.array(self.reference)
        return npz_bytes({"size_seed": size, "corners": self.corners, "crops": self.crops, "reference": name})


def make_golden(reference: Runtime, height: int, width: int, seed: int = _SEED) -> Golden:
    """Compute the crops with `reference`; the sides are what its graph takes.

    Where that is less work, each crop is computed from its window alone, the crop and the exact receptive radius
    around it: the same values up to the choice of kernels, 0.13 of the work for `paper` at 1024x1024.
    """
    edge = min(_EDGE, height, width)
    corners = {(0, 0), (0, width - edge), (height - edge, 0), (height - edge, width - edge)}
    corners.add(((height - edge) // 2, (width - edge) // 2))
    places = np.array(sorted(corners), np.int64)
    whole = natural_input((1, 3, height, width), seed)
    card = reference.card
    rows, columns = (
        [_window(start, edge, size, card.halo, card.config.squeeze) for start in starts]
        for starts, size in ((places[:, 0], height), (places[:, 1], width))
    )
    if sum((r.stop - r.start) * (c.stop - c.start) for r, c in zip(rows, columns, strict=True)) >= height * width:
        output = reference.apply(whole)
    else:
        output = np.full_like(whole, np.nan)
        for (row, column), r, c in zip(places, rows, columns, strict=True):
            made = reference.apply(np.ascontiguousarray(whole[:, :, r, c]))
            inner = made[:, :, row - r.start : row - r.start + edge, column - c.start : column - c.start + edge]
            output[:, :, row : row + edge, column : column + edge] = inner
    empty = Golden(height, width, seed, places, np.empty((0, 3, edge, edge), np.float32), reference.name)
    return replace(empty, crops=np.ascontiguousarray(empty.cut(output)))


def _window(start: int, edge: int, size: int, halo: int, step: int) -> slice:
    """What the network must see of one axis for `edge` exact pixels from `start` on; a multiple of the squeeze."""
    return slice(max(start // step * step - halo, 0), min(-(-(start + edge) // step) * step + halo, size))


def read_golden(path: Path) -> Golden:
    """Raises EngineError for a file that is missing or was not written by `Golden.to_bytes`."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            height, width, seed = (int(value) for value in arrays["size_seed"])
            return Golden(height, width, seed, arrays["corners"], arrays["crops"], str(arrays["reference"]))
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
