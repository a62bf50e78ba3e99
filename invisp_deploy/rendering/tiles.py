"""Tiles with a halo: a large picture through a runtime in bounded memory, equal to the whole at once.

::

    +---------------------------+     window: what the network sees, the core and up to `halo` pixels
    |  halo                     |             around it; at the picture's own border there is none,
    |   +-------------------+   |             so the network pads there as it would for the whole
    |   |       core        |   |     core:   what is kept; cores cover the picture without overlap
    |   +-------------------+   |
    +---------------------------+
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Final, NamedTuple

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import RequestError

DEFAULT_MEMORY: Final = 710
"""Megabytes that a tile's tensors may take."""

_CACHED: Final = 32
"""Megabytes of tensors, by `bytes_per_pixel`, that caches of common CPUs still serve: not all are in use at once."""

_BEYOND: Final = 1.3
"""What a pixel of a larger tile takes for one of such a tile (docs/performance.md)."""

_MAX_SPLITS: Final = 256


class Grain(NamedTuple):
    """multiple: pixels; tiles begin and end at multiples of it. reach: exact halo. Those of a graph are its card's."""

    multiple: int
    reach: int


@dataclass(frozen=True)
class Span:
    """One axis of a tile, in pixels: [core_start, core_stop) inside [start, stop)."""

    start: int
    core_start: int
    core_stop: int
    stop: int

    @property
    def window(self) -> slice:
        return slice(self.start, self.stop)

    @property
    def core(self) -> slice:
        return slice(self.core_start, self.core_stop)

    @property
    def inner(self) -> slice:
        """The core within the window."""
        return slice(self.core_start - self.start, self.core_stop - self.start)

    @property
    def size(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Tile:
    rows: Span
    columns: Span


@dataclass(frozen=True)
class Tiling:
    """All tiles of a picture, row by row."""

    rows: tuple[Span, ...]
    columns: tuple[Span, ...]
    halo: int

    def __iter__(self) -> Iterator[Tile]:
        return (Tile(rows, columns) for rows, columns in product(self.rows, self.columns))

    def __len__(self) -> int:
        return len(self.rows) * len(self.columns)

    @property
    def computed(self) -> int:
        """Pixels that all windows together compute."""
        return sum(rows.size for rows in self.rows) * sum(columns.size for columns in self.columns)

    @property
    def largest(self) -> int:
        """Pixels of the largest window."""
        return max(rows.size for rows in self.rows) * max(columns.size for columns in self.columns)


def bytes_per_pixel(config: NetworkConfig) -> float:
    """Memory that one image pixel takes while a runtime computes, fp32.

    A dense block holds its input, what its inner convolutions made, and a running sum, the term that is added
    to it and the result; beside that stand the block's input and output and three temporaries of their size. Of a
    chain OpenVINO keeps seven wide tensors, ONNX Runtime two.
    docs/performance.md compares that with what runtimes took. The camera's part of a graph has its own peak before
    or after the network's, far below it, and adds nothing.
    """
    first, second = config.split
    inner = 7 if config.kind == "chain" else config.depth + 2
    features = max(first, second) + inner * config.growth
    return 4 * (features + 5 * config.channels) / config.squeeze**2


def plan_tiles(
    height: int,
    width: int,
    config: NetworkConfig,
    memory: int = DEFAULT_MEMORY,
    halo: int | None = None,
    grain: Grain | None = None,
) -> Tiling:
    """The grid of tiles that takes the least time within a memory budget.

    A small network, whose halo is narrow, gains by tiles that stay in the cache; of those, and where none is worth its
    halo, the grid that computes the fewest pixels wins.
    height, width: multiples of the grain's. memory: megabytes. halo: pixels, default the exact
    receptive radius; smaller ones are rounded up to such a multiple. grain: default the network's own,
    its squeeze and its halo. Full-width strips come out where they compute less than squares.
    Raises RequestError if not even the smallest tile fits, or for a halo beyond the exact one.
    """
    import numpy as np

    grain = grain or Grain(config.squeeze, config.halo)
    multiple, reach = grain.multiple, _reach(config, halo, grain)
    budget = memory * 1_000_000 / bytes_per_pixel(config)
    rows, columns = _Splits(height, reach, multiple), _Splits(width, reach, multiple)
    largest = np.outer(rows.largest, columns.largest)
    if largest[-1, -1] > budget:
        smallest = largest[-1, -1] * bytes_per_pixel(config) / 1_000_000
        raise RequestError(
            f"A tile of {config} with a halo of {reach} needs about {smallest:.0f} MB, `memory` allows {memory}: "
            "pass more, or a smaller `halo`."
        )
    cost = np.outer(rows.computed, columns.computed).astype(np.float64)
    cost[largest > _CACHED * 1_000_000 / bytes_per_pixel(config)] *= _BEYOND
    cost[largest > budget] = np.inf
    fewest = np.where(cost == cost.min(), np.outer(rows.number, columns.number), np.iinfo(np.int64).max)
    row, column = np.unravel_index(fewest.argmin(), fewest.shape)
    return Tiling(_spans(height, int(rows.core[row]), reach), _spans(width, int(columns.core[column]), reach), reach)


def plan_windows(
    height: int,
    width: int,
    config: NetworkConfig,
    smallest: tuple[int, int],
    largest: tuple[int, int],
    halo: int | None = None,
    grain: Grain | None = None,
) -> Tiling:
    """The grid of tiles for an engine: every window lies within (height, width) `smallest` and `largest`.

    All windows of a picture have one size, so an engine of a fixed tile takes every one. Where the last would
    reach past the picture it is moved inward until it ends at the true border: nothing is padded, and the core
    keeps at least its halo.
    height, width: multiples of the grain's. halo, grain: as for `plan_tiles`; there must be room for the exact halo,
    which a reduced one is compared with. Raises RequestError where the picture is smaller than the smallest
    window, or larger than a window that has no room for a core.
    """
    grain = grain or Grain(config.squeeze, config.halo)
    reach = _reach(config, halo, grain)
    if height < smallest[0] or width < smallest[1]:
        raise RequestError(
            f"The picture is {height}x{width}, height by width, the engine takes no less than "
            f"{smallest[0]}x{smallest[1]}: build it for a smaller tile, or with a profile from a smaller size."
        )
    rows, columns = (
        _windows(size, low, high, reach, config, grain)
        for size, low, high in zip((height, width), smallest, largest, strict=True)
    )
    return Tiling(rows, columns, reach)


def _windows(size: int, low: int, high: int, reach: int, config: NetworkConfig, grain: Grain) -> tuple[Span, ...]:
    """The fewest windows of one size along an axis; it takes the first core from the border, the others go on."""
    multiple, exact = grain
    low, high = -(-low // multiple) * multiple, high // multiple * multiple
    if size <= high:
        return (Span(0, 0, size, size),)
    if high <= 2 * exact:
        raise RequestError(
            f"The engine takes at most {high} pixels, and {config} needs a halo of {exact} to every side: build "
            f"it for a tile above {2 * exact}, or with a profile that covers the whole picture."
        )
    count = -(-(size - 2 * reach) // (high - 2 * reach))
    window = max(-(-(size + 2 * reach * (count - 1)) // (count * multiple)) * multiple, low)
    spans: list[Span] = []
    core = 0
    while core < size:
        start = min(max(core - reach, 0), size - window)
        stop = size if start + window == size else start + window - reach
        spans.append(Span(start, core, stop, start + window))
        core = stop
    return tuple(spans)


def _reach(config: NetworkConfig, halo: int | None, grain: Grain) -> int:
    multiple, exact = grain
    if halo is not None and not 0 <= halo <= exact:
        raise RequestError(f"`halo` must be 0 to {exact}, the receptive radius of {config}, got {halo}.")
    return exact if halo is None else -(-halo // multiple) * multiple


class _Splits:
    """All ways to cut one axis into 1, 2, 3... cores of equal size, as arrays: of up to 65 536 pairs one is chosen.

    Cores are rounded up to a multiple and the last takes what is left, so fewer may do. core: their size. number: of
    spans. computed, largest: the sum and the largest of the spans' sizes, all in pixels.
    """

    def __init__(self, size: int, reach: int, multiple: int) -> None:
        import numpy as np

        count = np.arange(1, min(size // multiple, _MAX_SPLITS) + 1)
        self.core = -(-size // (count * multiple)) * multiple
        start = self.core[:, np.newaxis] * np.arange(len(count))
        sizes = np.minimum(start + self.core[:, np.newaxis] + reach, size) - np.maximum(start - reach, 0)
        sizes[start >= size] = 0
        self.number = np.count_nonzero(sizes, axis=1)
        self.computed = sizes.sum(axis=1)
        self.largest = sizes.max(axis=1)


def _spans(size: int, core: int, reach: int) -> tuple[Span, ...]:
    """Spans of cores of that size; the last takes what is left."""
    return tuple(
        Span(max(start - reach, 0), start, min(start + core, size), min(start + core + reach, size))
        for start in range(0, size, core)
    )
