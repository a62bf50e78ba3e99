"""What every runtime is: named tensors in, named tensors out, checked once and here.

What runs has one form: a frame's mosaic goes in and its picture comes out, or the other way, both as bytes, with the
frame's numbers (`isp.recipe.GRAPH_INPUTS`) beside it. Beside the result stands the mean of what the network computed,
which shows a value that was not finite; rounding to codes would hide it. `Runtime.apply` takes and gives arrays of
pixels: a mosaic (H, W) uint16, codes (H, W, 3) uint8 or uint16.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple, TypeAlias, TypeVar

import numpy as np

from invisp_deploy.errors import EngineError, GraphError
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.recipe import Numbers, graph_inputs
from invisp_deploy.isp.steps import Array
from invisp_deploy.runtimes.tensorrt.engine_card import EngineCard

Feeds = Mapping[str, Array]

MEAN: Final = "mean"
"""The output beside the picture or mosaic: the mean of the network's own result, finite where all of it is."""

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
                bounded = "" if spec.limits is None else ": build an engine whose tile or profile covers it"
                raise EngineError(f"{self.name} takes {spec}, got {array.dtype.name} {array.shape}{bounded}.")
            sides = spec.sides(array.shape)
            if any(side % self.card.multiple for side in sides):
                raise EngineError(
                    f"{self.name} takes heights and widths that are multiples of {self.card.multiple}, got {sides}: "
                    "align the frame first."
                )
        results = self._run(feeds)
        for spec in self.outputs:
            result = results.get(spec.name)
            if result is None or result.dtype.name != spec.dtype or not spec.accepts(result.shape):
                raise EngineError(f"{self.name} did not return {spec}: the graph does not match its metadata.")
        return results

    def apply(self, pixels: Array, numbers: Numbers) -> Array:
        """`run` for one picture: a mosaic (H, W) uint16 to codes (H, W, 3) of the card's bits, or the other way.

        numbers: of the frame whose top left pixel this is. Raises as `run`, and EngineError where the network computed
        a value that is not finite.
        """
        given, made = self.inputs[0], self.outputs[0]
        names = [spec.name for spec in self.inputs[1:]]
        if missing := [name for name in names if name not in numbers]:
            raise EngineError(f"{self.name} takes {missing[0]}, which this frame's numbers lack: take its own recipe.")
        results = self.run({given.name: to_bytes(pixels), **{name: numbers[name] for name in names}})
        if not np.isfinite(results[MEAN]).all():
            raise EngineError(f"{self.name} computed values that are not finite: the weights do not fit this input.")
        return from_bytes(results[made.name], mosaic=self.card.direction is Direction.INVERSE)

    def close(self) -> None:  # noqa: B027 - most runtimes have nothing to give back
        """Give memory and devices back, if that was not done; the runtime is of no use afterwards."""

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
    if card.form == "tensor":
        shape = (None, 3, None, None)
        return (
            (TensorSpec(card.direction.input_name, "float32", shape),),
            (TensorSpec(card.direction.output_name, "float32", shape),),
        )
    mosaic = TensorSpec("mosaic", "uint8", (1, None, None, 2), rows=1)
    rgb = TensorSpec("rgb", "uint8", (1, None, None, 3 * card.bits // 8), rows=1)
    given, made = (mosaic, rgb) if card.direction is Direction.FORWARD else (rgb, mosaic)
    numbers = (
        TensorSpec(each.name, each.dtype, each.shape, rows=None)
        for each in graph_inputs(card.contract, card.direction.value)
    )
    return (given, *numbers), (made, TensorSpec(MEAN, "float32", (1,), rows=None))


def to_bytes(pixels: Array) -> Array:
    """Pixels (H, W) or (H, W, 3), uint8 or uint16 -> uint8 (1, H, W, b), little-endian; a view where it can be."""
    held = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    return held.view(np.uint8).reshape(1, *pixels.shape[:2], -1)


def from_bytes(tensor: Array, *, mosaic: bool) -> Array:
    """uint8 (1, H, W, b) -> pixels, a view where it can be: a mosaic (H, W) uint16, else codes (H, W, 3)."""
    held = np.ascontiguousarray(tensor[0])
    if held.shape[-1] != 3:
        held = held.view(np.dtype("<u2")).astype(np.uint16, copy=False)
    pixels: Array = held[..., 0] if mosaic else held
    return pixels


def check_tensors(path: str, found: Sequence[tuple[str, str, tuple[Size, ...]]], specs: Sequence[TensorSpec]) -> None:
    """Raise GraphError unless a graph has the tensors (name, dtype, shape) that its metadata promises, in order."""
    if list(found) != [(spec.name, spec.dtype, spec.shape) for spec in specs]:
        raise GraphError(f"{path} does not have the tensors that its metadata promises: export it again.")


def _bounds(size: Size) -> tuple[float, float]:
    return (1, math.inf) if size is None else _whole(size)


def _whole(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _text(size: Size) -> str:
    if size is None:
        return "any"
    return str(size) if isinstance(size, int) else f"{size[0]} to {size[1]}"
