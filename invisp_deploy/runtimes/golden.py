"""Golden files: a small input and crops of what a reference makes of it, by which a device checks a graph alone.

One format for every graph and engine, of either direction, beside its file (`forward.onnx.npz`, `forward.trt.npz`); a
program in any language reads it:

    patch                    what goes in: mosaic (e, e) uint16, or codes (e, e, 3) of uint8 or uint16
    size                     height and width of the input: the patch, mirrored (row e is row e - 2) up to it
    black white gains ...    the inputs beside it (`isp.recipe.GRAPH_INPUTS`; a graph takes those that it has)
    corners                  (n, 2) row and column of each crop
    crops                    (n, c, c) or (n, c, c, 3): what comes out there
    reference                what computed them, in words

Crops lie in the corners and the middle, so zero padding at the borders, and a wrong stride or a swapped side, show as
well as wrong arithmetic.
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
from invisp_deploy.files import write_whole
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.develop import undevelop
from invisp_deploy.isp.recipe import GRAPH_INPUTS, Numbers, Recipe, graph_inputs
from invisp_deploy.isp.steps import Array, Codes
from invisp_deploy.runtimes.base import Feeds, Runtime, to_bytes

EDGE: Final = 64
"""Pixels of a patch's and of a crop's side."""

_SEED: Final = 2021
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_NATURAL: Final = Recipe("RGGB", (127.0, 128.0, 129.0, 130.0), 4095.0, (0.9, 0.5, 0.75), 2.2)
"""An RGGB sensor of 12 bits with black levels that differ by site."""

_MATRIX: Final = ((1.75, -0.65, -0.1), (-0.2, 1.6, -0.4), (0.05, -0.6, 1.55))
"""Camera RGB to linear sRGB of that sensor."""


_LARGEST: Final = 1 << 28  # pixels of a golden input


@dataclass(frozen=True)
class Golden:
    """One golden file; the fields are its arrays."""

    patch: Array
    height: int
    width: int
    numbers: Numbers
    corners: npt.NDArray[np.int64]
    crops: Array
    reference: str

    def input(self) -> Array:
        """The patch, mirrored to the whole size."""
        return mirrored(self.patch, self.height, self.width)

    def cut(self, output: Array) -> Array:
        """The same crops out of a runtime's output (height, width) or (height, width, 3)."""
        edge = self.crops.shape[1]
        return np.stack([output[row : row + edge, column : column + edge] for row, column in self.corners])

    def check(self) -> None:
        """Raises ValueError for arrays that do not fit each other: a file's are not taken at their word."""
        if not 1 <= self.height * self.width <= _LARGEST or min(self.height, self.width) < 1:
            raise ValueError(f"a size of {self.height}x{self.width}")
        if self.patch.ndim not in (2, 3) or self.patch.size == 0 or self.patch.dtype.kind not in "uf":
            raise ValueError(f"a patch of {self.patch.dtype} {self.patch.shape}")
        for each in (each for each in GRAPH_INPUTS if each.name in self.numbers):
            array = self.numbers[each.name]
            if array.shape != each.shape or array.dtype != each.dtype or not np.isfinite(array).all():
                raise ValueError(f"{each.name} of {array.dtype} {array.shape}")
        if self.crops.ndim not in (3, 4) or self.crops.size == 0 or self.crops.dtype.kind not in "uf":
            raise ValueError(f"crops of {self.crops.dtype} {self.crops.shape}")
        edge = self.crops.shape[1]
        last = (self.height - edge, self.width - self.crops.shape[2])
        if self.corners.shape != (len(self.crops), 2) or self.corners.dtype.kind != "i":
            raise ValueError(f"corners of {self.corners.dtype} {self.corners.shape} for {len(self.crops)} crops")
        if (self.corners < 0).any() or (self.corners > last).any():
            raise ValueError(f"crops of {edge} pixels outside {self.height}x{self.width}")

    def to_bytes(self) -> bytes:
        size = np.array((self.height, self.width), np.int64)
        return npz_bytes(
            {
                "patch": self.patch,
                "size": size,
                **self.numbers,
                "corners": self.corners,
                "crops": self.crops,
                "reference": np.array(self.reference),
            }
        )


def make_golden(reference: Runtime, height: int = EDGE, width: int = EDGE) -> Golden:
    """Compute the crops with `reference`; the sides are multiples of its card's.

    Where that is less work, each crop is computed from its window alone, the crop and the exact receptive radius
    around it: the same values up to the choice of kernels, 0.13 of the work for `paper` at 1024x1024.
    """
    card = reference.card
    edge = min(EDGE, height, width)
    corners = {(0, 0), (0, width - edge), (height - edge, 0), (height - edge, width - edge)}
    corners.add(((height - edge) // 2, (width - edge) // 2))
    places = np.array(sorted(corners), np.int64)
    golden = Golden(
        natural_pixels(card), height, width, natural_recipe(card).numbers(), places, np.empty(0), reference.name
    )
    whole = golden.input()
    rows, columns = (
        [_window(start, edge, size, card.reach, card.multiple) for start in starts]
        for starts, size in ((places[:, 0], height), (places[:, 1], width))
    )
    if sum((r.stop - r.start) * (c.stop - c.start) for r, c in zip(rows, columns, strict=True)) >= height * width:
        made = reference.apply(whole, golden.numbers)
        return replace(golden, crops=np.stack([made[r : r + edge, c : c + edge] for r, c in places]))
    crops = []
    for (row, column), r, c in zip(places, rows, columns, strict=True):
        made = reference.apply(whole[r, c], golden.numbers)
        crops.append(made[row - r.start : row - r.start + edge, column - c.start : column - c.start + edge])
    return replace(golden, crops=np.stack(crops))


def golden_path(path: Path) -> Path:
    """`forward.onnx` -> `forward.onnx.npz`."""
    return path.with_name(f"{path.name}.npz")


def write_golden(path: Path, golden: Golden) -> None:
    """Whole or not at all. Raises OutputError."""
    write_whole(path, golden.to_bytes())


def read_golden(path: Path) -> Golden:
    """Raises EngineError for a file that is missing or was not written by `Golden.to_bytes`."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            height, width = (int(side) for side in arrays["size"])
            numbers = {each.name: arrays[each.name] for each in GRAPH_INPUTS if each.name in arrays}
            reference = str(arrays["reference"])
            golden = Golden(arrays["patch"], height, width, numbers, arrays["corners"], arrays["crops"], reference)
            golden.check()
            return golden
    except Exception as error:  # damaged archives and headers of arrays make numpy raise errors of its parsers
        raise EngineError(
            f"{path} does not hold the golden input and crops of a graph ({error}): copy it from where the graph was "
            "exported or the engine built, or make them again."
        ) from error


def mirrored(patch: Array, height: int, width: int) -> Array:
    """The patch continued by mirroring about its edge pixels, which keeps the CFA phase."""
    rows, columns = (_folded(size, side) for size, side in zip((height, width), patch.shape[:2], strict=True))
    result: Array = patch[np.ix_(rows, columns)]
    return result


def natural_recipe(card: GraphCard) -> Recipe:
    """What the numbers of natural pixels are."""
    contract = card.contract
    cfa = _NATURAL.cfa if contract.cfa == "any" else contract.cfa
    matrix = _MATRIX if contract.color == "srgb" else None
    return replace(_NATURAL, cfa=cfa, curve=contract.curve, matrix=matrix, clips=contract.clips)


def natural_pixels(card: GraphCard, edge: int = EDGE, seed: int = _SEED) -> Array:
    """A patch that is made like a picture, as a mosaic graph of that card takes it."""
    planes = natural_planes((1, 3, edge, edge), seed)[0]
    recipe = natural_recipe(card)
    if card.direction is Direction.INVERSE:
        return Codes(card.bits).forward(planes, recipe.numbers())
    return undevelop(planes, recipe)


def natural_feeds(card: GraphCard, height: int, width: int) -> Feeds:
    """All inputs of a graph of that card, of either form, made like a picture."""
    if card.form == "tensor":
        return {card.direction.input_name: natural_planes((1, 3, height, width), _SEED)}
    pixels = mirrored(natural_pixels(card), height, width)
    name = "mosaic" if card.direction is Direction.FORWARD else "rgb"
    numbers = natural_recipe(card).numbers()
    taken = (each.name for each in graph_inputs(card.contract, card.direction.value))
    return {name: to_bytes(pixels), **{each: numbers[each] for each in taken}}


def natural_planes(shape: tuple[int, int, int, int], seed: int) -> Array:
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


def shares(pixels: Array, numbers: Numbers) -> npt.NDArray[np.float64]:
    """Pixels in units of full scale: codes of their largest, DN of the white level."""
    mosaic = pixels.ndim == 2 or pixels.shape[-1] != 3
    full = float(numbers["white"][0]) if mosaic else float(np.iinfo(pixels.dtype).max)
    return pixels.astype(np.float64) / full


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


def _window(start: int, edge: int, size: int, halo: int, multiple: int) -> slice:
    """What the network must see of one axis for `edge` exact pixels from `start` on; cut at such a multiple."""
    first, last = start // multiple * multiple, -(-(start + edge) // multiple) * multiple
    return slice(max(first - halo, 0), min(last + halo, size))


def _folded(size: int, side: int) -> npt.NDArray[np.int64]:
    """Indices into an axis of that side for each of `size` positions."""
    index = np.arange(size) % max(2 * (side - 1), 1)
    return np.where(index < side, index, 2 * (side - 1) - index)
