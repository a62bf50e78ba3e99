"""Where the places of a mosaic lie in a picture, and the picture's pixels there.

::

    row of the picture    = a + b * row + bend down
    column of the picture = c + d * column + bend across

Bends are those of a lens that was corrected, and of a frame that was turned by a small angle: decentering of the second
order (D. C. Brown, Decentering distortion of lenses, 1966), and radial of the first to the fourth. The first three are
those of PTLens, by which lensfun corrects most lenses; the fourth is for what is its inverse here.

Straight, pixels are taken by Pillow's `resize` of a box, Catmull-Rom's cubic: that of its `transform` is off by a tenth
of a pixel halfway to the middle between two pixels, as its weights do not keep a straight line straight. Bent, by the
same cubic of sixteen pixels each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.develop import Window

if TYPE_CHECKING:
    from PIL import Image

Floats = npt.NDArray[np.float64]

_BORDER: Final = 2
"""Pixels of a picture that bicubic interpolation needs on each side."""

_ROWS: Final = 64
"""Of the mosaic's, that bent pixels are taken for at once: what sixteen of each take of memory stays small."""

_ALONG: Final = 33
"""Places along each side of a rectangle that are looked at, where bends may leave the picture."""


@dataclass(frozen=True)
class Bends:
    """What a straight map lacks; all numbers are pixels of the picture at a corner of the mosaic, of the other picture.

    middle: row and column of the mosaic's middle, around which it bends. turn: down for places to the right, across for
    places further down. radial: of the first to the fourth order. decentering: down and across.
    """

    middle: tuple[float, float]
    turn: tuple[float, float]
    radial: tuple[float, float, float, float]
    decentering: tuple[float, float]

    @classmethod
    def of(cls, middle: tuple[float, float], numbers: Sequence[float]) -> Bends:
        """numbers: as many as `terms`, in their order."""
        down, across, first, second, third, fourth, below, beside = map(float, numbers)
        return cls(middle, (down, across), (first, second, third, fourth), (below, beside))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Bends:
        """Strict inverse of `dataclasses.asdict` after JSON. Raises ValueError."""
        names = [field.name for field in fields(cls)]
        if not isinstance(data, Mapping) or set(data) != set(names):
            raise ValueError("the fields of bends are not those expected")
        for name in names:
            numbers, count = data[name], 4 if name == "radial" else 2
            if not isinstance(numbers, list) or len(numbers) != count or not all(map(_is_number, numbers)):
                raise ValueError(f"{name} of bends is {numbers}, expected {count} numbers")
        if max(data["middle"]) <= 0:
            raise ValueError(f"bends are around {data['middle']}")
        return cls(**{name: tuple(data[name]) for name in names})

    @property
    def numbers(self) -> Floats:
        return np.array([*self.turn, *self.radial, *self.decentering])

    def at(self, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
        """Pixels that the places lie further down and further to the right; broadcast."""
        terms = zip(self.numbers.tolist(), self.terms(rows, columns), strict=True)
        parts = [(number * down, number * across) for number, (down, across) in terms]
        return sum(down for down, _ in parts), sum(across for _, across in parts)

    def terms(self, rows: Floats, columns: Floats) -> list[tuple[Any, Any]]:
        """Of each number what one of it moves a place by, down and across."""
        unit = math.hypot(*self.middle)
        y, x = (rows - self.middle[0]) / unit, (columns - self.middle[1]) / unit
        square = y**2 + x**2
        radius = np.sqrt(square)
        return [
            (x, 0.0),
            (0.0, y),
            *((y * power, x * power) for power in (radius, square, square * radius, square**2)),
            (square + 2 * y**2, 2 * x * y),
            (2 * x * y, square + 2 * x**2),
        ]

    @property
    def largest(self) -> float:
        """By how many pixels the map bends where it does so most, at the corners and the middles of the sides."""
        rows, columns = (np.array([0.0, middle, 2 * middle]) for middle in self.middle)
        return float(np.hypot(*self.at(rows[:, None], columns[None, :])).max())


@dataclass(frozen=True)
class Placement:
    """rows: (a, b), columns: (c, d), bends: None for a straight map; places are the centres of pixels, the first 0."""

    rows: tuple[float, float]
    columns: tuple[float, float]
    bends: Bends | None = None

    @property
    def lines(self) -> Floats:
        return np.array([self.rows, self.columns])

    @classmethod
    def straight(cls, lines: Floats) -> Placement:
        (a, b), (c, d) = lines.tolist()
        return cls((a, b), (c, d))

    def at(self, points: Floats) -> Floats:
        """(n, 2) rows and columns of the mosaic -> (n, 2) of the picture."""
        straight: Floats = self.lines[:, 0] + self.lines[:, 1] * points
        return straight if self.bends is None else straight + np.stack(self.bends.at(*points.T), axis=1)

    def between(self, ours: Floats, theirs: Floats) -> Placement:
        """The same between versions that are so many times as high and as wide; pixels are areas."""
        first, step = self.lines.T
        scale = step * theirs / ours
        corner = (first + 0.5 - 0.5 * step) * theirs  # of the picture, where the mosaic's is 0
        moved = Placement.straight(np.stack([corner - 0.5 + 0.5 * scale, scale], axis=1))
        if self.bends is None:
            return moved
        row, column = ((np.array(self.bends.middle) + 0.5) * ours - 0.5).tolist()
        return replace(moved, bends=Bends.of((row, column), self.bends.numbers * theirs.mean()))

    def shown(self, shape: tuple[int, int], picture: tuple[int, int]) -> Window:
        """The part of a mosaic of `shape` that a picture of (h, w) pixels shows, with even starts and sizes.

        It is empty or less than that where the picture shows nothing.
        """
        top, bottom = _inside(self.rows, picture[0], shape[0])
        left, right = _inside(self.columns, picture[1], shape[1])
        while self.bends is not None and min(bottom - top, right - left) >= 2:
            rows, columns = np.linspace(top, bottom - 1, _ALONG), np.linspace(left, right - 1, _ALONG)
            lacks = (
                _BORDER - self._edge(0, top, columns).min(),
                self._edge(0, bottom - 1, columns).max() - (picture[0] - 1 - _BORDER),
                _BORDER - self._edge(1, left, rows).min(),
                self._edge(1, right - 1, rows).max() - (picture[1] - 1 - _BORDER),
            )
            steps = [2 * math.ceil(max(lack, 0) / self.lines[index // 2, 1] / 2) for index, lack in enumerate(lacks)]
            if not any(steps):
                break
            top, bottom, left, right = top + steps[0], bottom - steps[1], left + steps[2], right - steps[3]
        return slice(top, bottom), slice(left, right)

    def taken(self, image: Image.Image, window: Window) -> Image.Image:
        """A window of the mosaic's grid out of the picture, which must hold all of it, bicubic."""
        from PIL import Image

        if self.bends is not None:
            return Image.fromarray(self._gathered(image, window))
        corners = []  # Pillow counts from the corners of pixels
        for (first, step), part in zip(self.lines.tolist(), window, strict=True):
            start = first + step * (part.start - 0.5) + 0.5
            corners.append((start, start + step * (part.stop - part.start)))
        (top, bottom), (left, right) = corners
        size = (window[1].stop - window[1].start, window[0].stop - window[0].start)
        return image.resize(size, Image.Resampling.BICUBIC, box=(left, top, right, bottom))

    def _edge(self, axis: int, at: int, along: Floats) -> Floats:
        """Rows (axis 0) or columns in the picture of one row or column of the mosaic."""
        points = np.stack(
            [along, np.full(len(along), float(at))] if axis else [np.full(len(along), float(at)), along], 1
        )
        return self.at(points)[:, axis]

    def _gathered(self, image: Image.Image, window: Window) -> npt.NDArray[np.uint8]:
        from PIL import Image

        whole = np.array(image.size[::-1])
        coarse = np.ceil(whole / np.maximum(self.lines[:, 1], 1)).astype(int)
        if (coarse == whole).all():
            return self._cubic(np.asarray(image), window)
        height, width = coarse.tolist()  # finer than the mosaic: no pixel of it may be passed over
        shrunk = image.resize((width, height), Image.Resampling.BICUBIC)
        return self.between(np.ones(2), coarse / whole)._cubic(np.asarray(shrunk), window)

    def _cubic(self, pixels: npt.NDArray[np.uint8], window: Window) -> npt.NDArray[np.uint8]:
        rows, columns = window
        width = pixels.shape[1]
        flat = pixels.reshape(-1, *pixels.shape[2:])
        made = np.empty((rows.stop - rows.start, columns.stop - columns.start, *pixels.shape[2:]), np.uint8)
        across = np.arange(columns.start, columns.stop, dtype=np.float64)[None]
        for top in range(rows.start, rows.stop, _ROWS):
            down = np.arange(top, min(top + _ROWS, rows.stop), dtype=np.float64)[:, None]
            bent = self.bends.at(down, across) if self.bends is not None else (0.0, 0.0)
            at = [
                np.clip(first + step * place + more, 1, side - 3 + 0.999)
                for (first, step), place, more, side in zip(
                    self.lines.tolist(), (down, across), bent, pixels.shape[:2], strict=True
                )
            ]
            whole = [np.floor(one).astype(np.int64) for one in at]
            shares = [_catmull_rom((one - start).astype(np.float32)) for one, start in zip(at, whole, strict=True)]
            corner = (whole[0] - 1) * width + whole[1] - 1
            total: Any = 0
            for row, share in enumerate(shares[0]):
                line: Any = 0
                for column, other in enumerate(shares[1]):
                    found = flat[corner + (row * width + column)]
                    line = line + found * (other if pixels.ndim == 2 else other[..., None])
                total = total + line * (share if pixels.ndim == 2 else share[..., None])
            made[top - rows.start : top - rows.start + len(down)] = np.clip(total, 0, 255).round()
        return made


def _catmull_rom(share: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    """Weights of the pixels one before, at, one and two after a place so far behind a pixel."""
    t, square = share, share * share
    cube = square * t
    half = np.float32(0.5)
    return [
        half * (2 * square - t - cube),
        half * (2 - 5 * square + 3 * cube),
        half * (t + 4 * square - 3 * cube),
        half * (cube - square),
    ]


def _inside(line: Sequence[float], length: int, along: int) -> tuple[int, int]:
    """First and last + 1 of the places of `along` that lie inside `length` pixels, both even."""
    first = math.ceil((_BORDER - line[0]) / line[1] / 2)
    last = math.floor((length - 1 - _BORDER - line[0]) / line[1])
    return max(2 * first, 0), min(2 * ((last + 1) // 2), along - along % 2)


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
