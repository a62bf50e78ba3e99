"""What every runtime is: named float tensors in, named float tensors out, checked once and here."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from invisp_deploy.engine_card import EngineCard
from invisp_deploy.errors import EngineError
from invisp_deploy.graph_card import GraphCard

__all__ = ["Array", "Limits", "Runtime", "Size", "TensorSpec", "graph_specs"]

Array = npt.NDArray[np.float32]
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
    where any will do.
    """

    name: str
    dtype: str
    shape: tuple[Size, ...]

    def accepts(self, shape: tuple[int, ...]) -> bool:
        return len(shape) == len(self.shape) and all(
            low <= size <= high for (low, high), size in zip(map(_bounds, self.shape), shape, strict=True)
        )

    @property
    def limits(self) -> Limits | None:
        """(smallest, largest) of height and of width, both inclusive; None where any size will do."""
        height, width = self.shape[-2:]
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

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
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
            step = self.card.config.squeeze
            if array.shape[-2] % step or array.shape[-1] % step:
                raise EngineError(
                    f"{self.name} takes heights and widths that are multiples of {step}, got {array.shape[-2:]}: "
                    "border the frame first."
                )
        results = self._run(feeds)
        for spec in self.outputs:
            if spec.name not in results or not spec.accepts(results[spec.name].shape):
                raise EngineError(f"{self.name} did not return {spec}: the graph does not match its metadata.")
        return results

    def apply(self, tensor: Array) -> Array:
        """`run` for the one input and the one output that a graph has: (B, 3, H, W) -> (B, 3, H, W)."""
        return self.run({self.inputs[0].name: tensor})[self.outputs[0].name]

    def close(self) -> None:  # noqa: B027 - most runtimes have nothing to give back
        """Give memory and devices back; the runtime is of no use afterwards."""

    @abstractmethod
    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]: ...

    def __enter__(self: _Runtime) -> _Runtime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def graph_specs(card: GraphCard) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Inputs and outputs that a graph of that card has."""
    shape = (None, 3, None, None)
    return (
        (TensorSpec(card.direction.input_name, "float32", shape),),
        (TensorSpec(card.direction.output_name, "float32", shape),),
    )


def _bounds(size: Size) -> tuple[float, float]:
    return (1, math.inf) if size is None else _whole(size)


def _whole(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _text(size: Size) -> str:
    if size is None:
        return "any"
    return str(size) if isinstance(size, int) else f"{size[0]} to {size[1]}"
