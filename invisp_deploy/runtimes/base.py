"""What every runtime is: named tensors in, named tensors out, checked once and here.

A picture goes by two names. Its tensor is what the graph takes, in the graph's own layout; its planes are (B, C, H, W)
whatever the graph: three of float32 or of uint8 sRGB, or one of uint16 mosaic.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import EngineError
from invisp_deploy.graph_card import CAMERA_LEVELS, Direction, GraphCard
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard

__all__ = ["NO_LEVELS", "Array", "Feeds", "Limits", "Runtime", "Size", "TensorSpec", "graph_specs"]

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]

NO_LEVELS: Final[Feeds] = MappingProxyType({})
"""The levels of a tensor graph, which takes none."""

_Runtime = TypeVar("_Runtime", bound="Runtime")

Size: TypeAlias = "int | tuple[int, int] | None"
"""One side of a tensor: fixed, from a smallest to a largest, or any."""


class Limits(NamedTuple):
    """(height, width) in pixels of the smallest and the largest input of an engine; equal where it is fixed."""

    smallest: tuple[int, int]
    largest: tuple[int, int]

    def __str__(self) -> str:
        low, high = (f"{height}x{width}" for height, width in self)
        return low if low == high else f"{low} to {high}"


@dataclass(frozen=True)
class TensorSpec:
    """Name, numpy dtype name and shape of a graph's input or output.

    A size is a number where it is fixed, (smallest, largest) where an engine's profile bounds it, and None
    where any will do. rows: the axis of the picture's height, its width follows; None where there is no picture.
    """

    name: str
    dtype: str
    shape: tuple[Size, ...]
    rows: int | None = 2

    def accepts(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.shape) and all(
            low <= size <= high for (low, high), size in zip(map(_bounds, self.shape), shape, strict=True)
        )

    def sides(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Height and width of a picture whose tensor has that shape; empty where there is no picture."""
        return () if self.rows is None else shape[self.rows : self.rows + 2]

    def shape_of(self, height: int, width: int) -> tuple[int, ...]:
        """The shape of one picture of that size."""
        axes = range(len(self.shape))
        sides = {} if self.rows is None else {self.rows: height, self.rows + 1: width}
        return tuple(sides.get(axis, _whole(self.shape[axis] or 1)[0]) for axis in axes)

    def from_planes(self, planes: Array) -> Array:
        """Planes (B, C, H, W) as this tensor holds them; what cannot be such planes stays as it is."""
        if self.rows == 1 and planes.ndim == 4:
            if self._by_bytes and planes.dtype.name == "uint16" and planes.shape[1] == 1:
                little = np.ascontiguousarray(planes[:, 0], np.dtype("<u2"))
                return little.view(np.uint8).reshape(*little.shape, 2)
            planes = planes.transpose(0, 2, 3, 1)
        return np.ascontiguousarray(planes)

    def to_planes(self, tensor: Array) -> Array:
        """This tensor as planes (B, C, H, W); a view where it can be."""
        if self.rows != 1:
            return tensor
        held = np.ascontiguousarray(tensor).view(np.dtype("<u2")) if self._by_bytes else tensor
        return held.transpose(0, 3, 1, 2)

    @property
    def _by_bytes(self) -> bool:
        return self.dtype == "uint8" and self.shape[-1] == 2

    @property
    def limits(self) -> Limits | None:
        """(smallest, largest) of height and of width, both inclusive; None where any size will do."""
        if self.rows is None:
            return None
        height, width = self.shape[self.rows : self.rows + 2]
        if height is None or width is None:
            return None
        return Limits(*zip(_whole(height), _whole(width), strict=True))

    def __str__(self) -> str:
        sizes = ", ".join(_text(size) for size in self.shape)
        return f"`{self.name}` {self.dtype} ({sizes})"


class Runtime(ABC):
    """A loaded graph. Subclasses set the fields and compute in `_run`; callers use `run`.

    name: of runtime and device, for reports. card: what the graph says of itself. engine: what the engine says
    of itself, where the runtime runs one and not a graph.
    One runtime is used by one thread at a time, unless its class says otherwise.
    """

    name: str
    card: GraphCard
    engine: EngineCard | None = None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def verified(self) -> bool | None:
        """Whether the engine's golden check has passed on a GPU; None for a graph, which export has checked."""
        return None if self.engine is None else self.engine.verified is not None

    def run(self, feeds: Feeds) -> dict[str, Array]:
        """Compute all outputs. Arrays must have the names, dtypes and shapes of `inputs`.

        Raises EngineError naming the first tensor that does not fit, OutOfMemoryError where the
        runtime runs out of memory.
        """
        expected = ", ".join(str(spec) for spec in self.inputs)
        if set(feeds) != {spec.name for spec in self.inputs}:
            names = ", ".join(sorted(feeds)) or "nothing"
            raise EngineError(f"{self.name} takes {expected}, got tensors named {names}.")
        for spec in self.inputs:
            array = feeds[spec.name]
            if array.dtype.name != spec.dtype or not spec.accepts(array.shape):
                bounded = "" if spec.limits is None else ": build an engine whose --tile or --profile covers it"
                raise EngineError(f"{self.name} takes {spec}, got {array.dtype.name} {array.shape}{bounded}.")
            sides = spec.sides(array.shape)
            if any(side % self.card.step for side in sides):
                raise EngineError(
                    f"{self.name} takes heights and widths that are multiples of {self.card.step}, got {sides}: "
                    "border the frame first."
                )
        results = self._run(feeds)
        for spec in self.outputs:
            result = results.get(spec.name)
            if result is None or result.dtype.name != spec.dtype or not spec.accepts(result.shape):
                raise EngineError(f"{self.name} did not return {spec}: the graph does not match its metadata.")
        return results

    def apply(self, planes: Array, levels: Feeds = NO_LEVELS) -> Array:
        """`run` for the one picture in and the one out, as planes (B, C, H, W).

        A tensor graph takes and gives three of float32. A camera graph takes or gives one of uint16 DN on its raw
        side and three of uint8 on the other, and `levels` are its further inputs (`graph_card.CAMERA_LEVELS`).
        """
        given, made = self.inputs[0], self.outputs[0]
        return made.to_planes(self.run({given.name: given.from_planes(planes), **levels})[made.name])

    def close(self) -> None:  # noqa: B027 - most runtimes have nothing to give back
        """Give memory and devices back; the runtime is of no use afterwards."""

    @abstractmethod
    def _run(self, feeds: Feeds) -> dict[str, Array]: ...

    def __enter__(self: _Runtime) -> _Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def graph_specs(card: GraphCard) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs that a graph of that card has."""
    if not card.takes_mosaic:
        shape = (None, 3, None, None)
        return (
            (TensorSpec(card.direction.input_name, "float32", shape),),
            (TensorSpec(card.direction.output_name, "float32", shape),),
        )
    rgb = TensorSpec("rgb", "uint8", (1, None, None, 3), rows=1)
    mosaic = TensorSpec("mosaic", "uint16", (1, 1, None, None))
    if card.interface == "camera-bytes":
        mosaic = TensorSpec("mosaic", "uint8", (1, None, None, 2), rows=1)
    given, made = (mosaic, rgb) if card.direction is Direction.FORWARD else (rgb, mosaic)
    return (given, *(TensorSpec(name, kind, (size,), rows=None) for name, kind, size in CAMERA_LEVELS)), (made,)


def _bounds(size: Size) -> tuple[float, float]:
    return (1, math.inf) if size is None else _whole(size)


def _whole(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _text(size: Size) -> str:
    if size is None:
        return "any"
    return str(size) if isinstance(size, int) else f"{size[0]} to {size[1]}"
