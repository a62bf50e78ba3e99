"""Where a picture by another program lies on the mosaic of its RAW file, to a fraction of a pixel.

::

    small versions    each of the eight ways to lie, at the scales that the sizes suggest: phase correlation
    1024 pixels       shifts of windows on a grid of places -> one map, fitted to the places that agree
    all pixels        the same twice, each time of windows that the map so far has brought into place

Phase correlation: C. D. Kuglin and D. C. Hines, The phase correlation image alignment method, 1975. The map is a scale
and a shift for rows, and a scale and a shift for columns, fitted by random samples of two places (M. A. Fischler and
R. C. Bolles, RANSAC, 1981), then by least squares. Where places lie off it, one with bends is tried, by least squares
that weigh far places less (P. W. Holland and R. E. Welsch, Robust regression using iteratively reweighted
least-squares, 1977).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.dataset.placement import Bends, Floats, Placement
from invisp_deploy.errors import DatasetError
from invisp_deploy.formats.orientation import ORIENTATIONS, WORDS, sensor_order
from invisp_deploy.formats.pixels import Rgb8
from invisp_deploy.isp.develop import Window
from invisp_deploy.report.registration import ComparedPlace

if TYPE_CHECKING:
    from PIL import Image

SMALLEST_SCALE: Final = 0.5
LARGEST_SCALE: Final = 2.0
"""Pixels of a picture for one of the mosaic, along a side: with fewer it says nothing of sharpness, and more are not
in the RAW file.
"""

_SMALL: Final = 256
_MIDDLE: Final = 1024
"""Pixels of the longer side of the versions that are looked at first."""

_WINDOWS: Final = (32, 256)
"""Smallest and largest side of the windows, pixels: a quarter of the shorter side between them."""

_GRID: Final = (6, 8)
"""Places down and across, at most; windows overlap by half at most."""

_WHITENING: Final = 0.7
"""Power of the cross power's size that it is divided by: 1 is phase alone, which is thrown off by frequencies that hold
noise alone; 0 is plain correlation, whose peak is as blunt as the scene.
"""

_PASSBAND: Final = 0.2
"""Cycles a pixel: standard deviation of the Gaussian that the cross power is weighed with. Finer detail is the noise of
one side and the compression of the other; and the peak of a Gaussian is one, through whose logarithm a parabola goes.
"""

_SURE: Final = 6.0
"""Root mean squares of the correlation from which its peak is one: of windows that have nothing in common none is."""

_AGREE: Final = 0.5
"""Pixels that a place may lie off the map."""

_ROUNDS: Final = (3 * _AGREE, _AGREE)
_BENT_ROUNDS: Final = (16.0, 8.0, 4.0)
"""What may lie off in the rounds of a size; of a map with bends those before them at the first size. The first of these
has no bends beyond the second order and no decentering, which the few places that are found at once do not tell.
"""

_BENDS: Final = 8
"""Numbers of bends."""

_FEWEST: Final = (8, 16)
_SHARE: Final = (0.6, 0.8)
"""Places that must agree, and their share of those with a peak or with detail on both sides: straight, and with bends,
whose twelve numbers follow many things that are no lens.
"""

_LOOSE: Final = 0.1
"""Root mean square distance of places to a straight map, each counted as `_AGREE` at most, from which bends are tried;
they are taken where they halve it. Eight numbers more for 48 places of noise alone take a twentieth off.
"""

_STEEPEST: Final = 0.1
"""What a map may bend by at most, of half of the mosaic's diagonal: a fisheye made straight bends more."""

_DETAIL: Final = 8.0
"""Standard deviation of the codes of a window from which it shows more than an even sky."""

_SPREAD: Final = 1 / 3
"""Part of the height and of the width over which the places that agree must lie."""

_SAMPLES: Final = 300
_REWEIGHTED: Final = 10


@dataclass(frozen=True)
class Registration:
    """How a picture lies on a mosaic, and how sure that is.

    orientation: EXIF's number of what was done to the sensor's order; the numbers below are of the picture turned back.
    rows: (a, b), a row of the mosaic is row a + b * row of the picture; columns: the same of columns. Centres of the
    first pixels are 0. bends: what is added to these, None where nothing is.
    residual: root mean square distance of the places to the map, pixels; places: how many agreed; tried: of how many.
    """

    orientation: int
    rows: tuple[float, float]
    columns: tuple[float, float]
    bends: Bends | None
    residual: float
    places: int
    tried: int

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the picture for one of the mosaic, down and across, in the middle."""
        return self.rows[1], self.columns[1]

    @property
    def placement(self) -> Placement:
        """The map alone, of the picture turned back."""
        return Placement(self.rows, self.columns, self.bends)

    def __str__(self) -> str:
        down, across = self.scale
        bent = "" if self.bends is None else f"bent by up to {self.bends.largest:.1f} pixels, "
        return (
            f"{WORDS[self.orientation]}, scale {down:.4f} x {across:.4f}, shift {self.rows[0]:+.1f} rows and "
            f"{self.columns[0]:+.1f} columns, {bent}residual {self.residual:.2f} pixels at {self.places} of "
            f"{self.tried} places"
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Registration:
        """Strict inverse of `to_dict` after JSON. Raises ValueError."""
        if not isinstance(data, Mapping) or set(data) != {field.name for field in fields(cls)}:
            raise ValueError("the fields of a registration are not those expected")
        maps = (data["rows"], data["columns"])
        if not all(isinstance(one, list) and len(one) == 2 for one in maps):
            raise ValueError(f"a registration has two numbers for rows and for columns, got {maps}")
        numbers = [*data["rows"], *data["columns"], data["residual"]]
        if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
            raise ValueError(f"the numbers of a registration are {numbers}")
        counts = [data[name] for name in ("orientation", "places", "tried")]
        if not all(type(count) is int and count >= 0 for count in counts) or data["orientation"] not in ORIENTATIONS:
            raise ValueError(f"orientation and places of a registration are {counts}")
        bends = None if data["bends"] is None else Bends.from_dict(data["bends"])
        return cls(**{**data, "rows": tuple(data["rows"]), "columns": tuple(data["columns"]), "bends": bends})


def register(
    reference: Rgb8,
    picture: Rgb8,
    on_places: Callable[[int, Sequence[ComparedPlace]], object] = lambda turned, places: None,
) -> Registration:
    """Find where a picture lies on a rendering of the same RAW file.

    reference: (H, W, 3) uint8, in the mosaic's order and size. picture: (h, w, 3) uint8, turned and mirrored in any of
    the eight ways, cropped and scaled; colours and tones may be quite others. on_places is told the orientation and the
    places that were looked at, also where they are refused then.
    Raises DatasetError where the two do not agree: another frame, a panorama, another scale than sizes suggest, bends
    as no lens has, or less than half of the resolution.
    """
    height, width = reference.shape[:2]
    if max(picture.shape[:2]) < SMALLEST_SCALE * max(height, width):
        raise DatasetError(
            f"the picture is {picture.shape[1]}x{picture.shape[0]}, less than half of the mosaic's {width}x{height}: "
            "expected one that has the mosaic's resolution."
        )
    ours = _luminance(reference)
    orientation, start = _lie(ours, picture)
    theirs = _luminance(sensor_order(picture, orientation))
    factor = max(height, width) / _MIDDLE
    versions = [(ours, theirs)]
    if factor >= 2:
        versions.insert(0, (_shrunk(ours, factor), _shrunk(theirs, factor)))
    fit = _through(versions, start, bent=False)
    if not fit.sure or fit.error > _LOOSE:
        other = _through(versions, start, bent=True)
        if other.sure and (not fit.sure or 2 * other.error < fit.error):
            fit = other
    on_places(orientation, fit.told(theirs.height))
    if not fit.sure:
        raise DatasetError(
            f"the picture agrees with the RAW file at {fit.count} of {fit.tried} places, expected at least "
            f"{fit.enough}, all over the frame: it is another exposure, put together of several, too flat to tell, or "
            "bent as no lens bends."
        )
    found = Registration(orientation, *fit.numbers, fit.residual, fit.count, fit.tried)
    if not SMALLEST_SCALE <= min(found.scale) <= max(found.scale) <= LARGEST_SCALE:
        raise DatasetError(
            f"the picture has {found.scale[0]:.3f} x {found.scale[1]:.3f} pixels for one of the mosaic, expected "
            f"{SMALLEST_SCALE} to {LARGEST_SCALE}: render it in the mosaic's resolution."
        )
    return found


def shown_part(registration: Registration, shape: tuple[int, int], picture: tuple[int, int]) -> Window:
    """The largest part of a mosaic of `shape` that a picture of (h, w) pixels shows, with even starts and sizes.

    Raises DatasetError where that is less than half of the height or of the width.
    """
    inner = sensor_order(np.empty((*picture, 0)), registration.orientation).shape
    rows, columns = registration.placement.shown(shape, (inner[0], inner[1]))
    height, width = shape
    if 2 * (rows.stop - rows.start) < height or 2 * (columns.stop - columns.start) < width:
        shown = f"{max(columns.stop - columns.start, 0)}x{max(rows.stop - rows.start, 0)}"
        raise DatasetError(
            f"the picture shows {shown} of the mosaic's {width}x{height} pixels, less than half: expected one of the "
            "whole frame."
        )
    return rows, columns


def on_mosaic(picture: Rgb8, registration: Registration, window: Window) -> Rgb8:
    """(h, w, 3) uint8 -> the picture at the pixels of a window of the mosaic, (rows, columns, 3) uint8, bicubic."""
    from PIL import Image

    turned = Image.fromarray(np.ascontiguousarray(sensor_order(picture, registration.orientation)))
    return np.asarray(registration.placement.taken(turned, window))


def _luminance(pixels: Rgb8) -> Image.Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels)).convert("L")


def _shrunk(image: Image.Image, factor: float) -> Image.Image:
    from PIL import Image

    size = (max(round(image.width / factor), 1), max(round(image.height / factor), 1))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def _lie(ours: Image.Image, picture: Rgb8) -> tuple[int, Placement]:
    """The orientation and a rough map, by small versions. Raises DatasetError where none stands out."""
    factor = max(max(ours.size) / _SMALL, 1.0)
    small = _shrunk(ours, factor)
    found: list[tuple[float, int, Placement]] = []
    plain = _luminance(picture)
    for orientation in ORIENTATIONS:
        turned = sensor_order(np.empty((plain.height, plain.width, 0)), orientation).shape
        ratios = (1.0, turned[0] / ours.height, turned[1] / ours.width)
        for index, scale in enumerate(ratios):
            if any(abs(scale / other - 1) < 0.004 for other in ratios[:index]):
                continue
            if not 0.8 * SMALLEST_SCALE <= scale <= 1.2 * LARGEST_SCALE:
                continue
            other = sensor_order(np.asarray(_shrunk(plain, factor * scale)), orientation)
            side = 1 << (max(*small.size, *other.shape) - 1).bit_length()
            a, b = (_padded(pixels, side) for pixels in (np.asarray(small), other))
            peak, row, column = _shift(a, b)
            start = Placement((row, 1.0), (column, 1.0))
            steps = np.array([ours.height / small.height, ours.width / small.width])
            found.append((peak, orientation, start.between(steps, np.array(turned[:2]) / other.shape)))
    found.sort(key=lambda one: -one[0])
    if not found or found[0][0] < 1:
        raise DatasetError(
            "the picture shows nothing of what the RAW file does, in none of the eight ways it can lie: expected a "
            "picture of the same exposure."
        )
    return found[0][1], found[0][2]


def _padded(pixels: npt.NDArray[np.uint8], side: int) -> Floats:
    result = np.zeros((side, side))
    result[: pixels.shape[0], : pixels.shape[1]] = _tapered(pixels)
    return result


def _tapered(pixels: npt.NDArray[np.uint8]) -> Floats:
    """Around their mean, under a Hann window."""
    down, across = (np.hanning(length + 2)[1:-1] for length in pixels.shape)
    tapered: Floats = (pixels - pixels.mean()) * down[:, None] * across
    return tapered


def _shift(ours: Floats, theirs: Floats) -> tuple[float, float, float]:
    """(n, m) both, tapered -> by how much the second lies further down and to the right, in pixels.

    First comes the height of the peak in units of what is sure (`_SURE`).
    """
    down = np.fft.fftfreq(ours.shape[0])[:, None]
    across = np.fft.rfftfreq(ours.shape[1])
    weight = np.exp(-(down**2 + across**2) / (2 * _PASSBAND**2))
    cross = np.fft.rfft2(theirs) * np.fft.rfft2(ours).conj()
    plane = np.fft.irfft2(weight * cross / np.maximum(np.abs(cross), 1e-9) ** _WHITENING, ours.shape)
    at = np.unravel_index(int(plane.argmax()), plane.shape)
    peak = float(plane[at])
    noise = math.sqrt(float((plane**2).mean()))
    if peak <= 0:
        return 0.0, 0.0, 0.0
    shifts = []
    for axis, length in enumerate(plane.shape):
        near = np.take(np.take(plane, [at[axis] - 1, at[axis] + 1], axis, mode="wrap"), at[1 - axis], 1 - axis)
        before, here, after = np.log(np.maximum([near[0], peak, near[1]], 1e-6 * peak))
        curvature = before - 2 * here + after
        fraction = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
        whole = int(at[axis])
        shifts.append((whole if whole <= length // 2 else whole - length) + float(fraction))
    return peak / (_SURE * noise), shifts[0], shifts[1]


@dataclass(frozen=True)
class _Windows:
    """What was found in windows of one version of both pictures.

    middles: (n, 2) of the mosaic, of those that were found; there: (n, 2) in the picture; unlike: (m, 2), middles of
    those that show something on both sides, but not the same. shapes: of both; side: of the windows, pixels; tried:
    how many; extents: rows and columns that both show.
    """

    middles: Floats
    there: Floats
    unlike: Floats
    shapes: tuple[tuple[int, int], tuple[int, int]]
    side: int
    tried: int
    extents: Floats


@dataclass(frozen=True)
class _Fit:
    """A map, and the windows that it was fitted to; kept: which of those found agree."""

    placement: Placement
    windows: _Windows
    kept: npt.NDArray[np.bool_]

    @property
    def numbers(self) -> tuple[tuple[float, float], tuple[float, float], Bends | None]:
        return self.placement.rows, self.placement.columns, self.placement.bends

    @property
    def count(self) -> int:
        return int(np.count_nonzero(self.kept))

    @property
    def enough(self) -> int:
        bent = self.placement.bends is not None
        return max(_FEWEST[bent], math.ceil(_SHARE[bent] * (len(self.kept) + len(self.windows.unlike))))

    @property
    def tried(self) -> int:
        return self.windows.tried

    @property
    def sure(self) -> bool:
        """Whether enough places agree, all over the frame, with a map of a lens."""
        if self.count < self.enough:
            return False
        spread = np.ptp(self.windows.middles[self.kept], axis=0)
        bends = self.placement.bends
        return bool((spread >= _SPREAD * (self.windows.extents - self.windows.side)).all()) and (
            bends is None or bends.largest <= _STEEPEST * math.hypot(*bends.middle) * self.placement.lines[:, 1].min()
        )

    @property
    def residual(self) -> float:
        return math.sqrt(float((_distance(self.placement, self.windows)[self.kept] ** 2).mean()))

    @property
    def error(self) -> float:
        """Root mean square of the distance of all places that were found, each of `_AGREE` at most."""
        return math.sqrt(float((np.minimum(_distance(self.placement, self.windows), _AGREE) ** 2).mean()))

    def told(self, rows: int) -> list[ComparedPlace]:
        """All but the flat ones; what they lie off is in pixels of a picture of so many rows."""
        ours, theirs = (np.array(shape) for shape in self.windows.shapes)

        def place(middle: Floats, off: Floats | None, agrees: bool) -> ComparedPlace:
            here, there = (middle + 0.5) / ours, (self.placement.at(middle[None])[0] + 0.5) / theirs
            size = self.windows.side / ours
            moved = None if off is None else (float(off[0]), float(off[1]))
            return ComparedPlace((here[0], here[1]), (there[0], there[1]), (size[0], size[1]), moved, agrees)

        off = (self.windows.there - self.placement.at(self.windows.middles)) * rows / self.windows.shapes[1][0]
        found = zip(self.windows.middles, off, self.kept.tolist(), strict=True)
        return [place(*one) for one in found] + [place(one, None, False) for one in self.windows.unlike]


def _through(versions: Sequence[tuple[Image.Image, Image.Image]], start: Placement, *, bent: bool) -> _Fit:
    """The map as the last version has it; of an earlier one where nothing agrees, or not enough with a straight map."""
    placement, before = start, None
    for ours, theirs in versions:
        shapes = np.array([ours.size[::-1], theirs.size[::-1]], np.float64)
        whole = np.array([image.size[::-1] for image in versions[-1]], np.float64)
        steps = shapes / (whole if before is None else before)
        placement, first, before = placement.between(steps[0], steps[1]), before is None, shapes
        for agree in (*(_BENT_ROUNDS if bent and first else ()), *_ROUNDS):
            windows = _windows(ours, theirs, placement)
            if bent:
                fit = _bent(windows, agree, placement, simple=agree == _BENT_ROUNDS[0])
            else:
                fit = _straight(windows, agree, placement)
            if not fit.count or not (bent or fit.sure):
                return fit
            placement = fit.placement
    return fit


def _windows(ours: Image.Image, theirs: Image.Image, placement: Placement) -> _Windows:
    shapes = ((ours.height, ours.width), (theirs.height, theirs.width))
    down, across = ((part.start, part.stop) for part in placement.shown(*shapes))
    extents = np.array([down[1] - down[0], across[1] - across[0]], np.float64)
    side = int(np.clip(1 << max(int(extents.min()) // 4, 1).bit_length() - 1, *_WINDOWS))
    places = _places(down, across, side)
    middles, there, unlike = [], [], []
    for row, column in places:
        middle = np.array([row, column]) + (side - 1) / 2
        window = np.asarray(ours.crop((column, row, column + side, row + side)))
        other = np.asarray(placement.taken(theirs, (slice(row, row + side), slice(column, column + side))))
        peak, *moved = _shift(_tapered(window), _tapered(other))
        if peak >= 1 and max(map(abs, moved)) < side / 4:
            middles.append(middle)
            there.append(placement.at((middle + moved)[None])[0])
        elif min(window.std(), other.std()) >= _DETAIL:
            unlike.append(middle)
    found, here, lost = (np.array(points, np.float64).reshape(-1, 2) for points in (middles, there, unlike))
    return _Windows(found, here, lost, shapes, side, len(places), extents)


def _places(down: tuple[int, int], across: tuple[int, int], side: int) -> list[tuple[int, int]]:
    """Row and column of the first pixel of each window, all inside these rows and columns; none where none fits."""
    lengths = (down[1] - down[0], across[1] - across[0])
    if min(lengths) < side:
        return []
    most = _GRID if lengths[0] <= lengths[1] else _GRID[::-1]
    starts = [
        np.linspace(first, last - side, min(number, 2 * (last - first - side) // side + 1)).round().astype(int).tolist()
        for (first, last), number in zip((down, across), most, strict=True)
    ]
    return list(itertools.product(*starts))


def _straight(windows: _Windows, agree: float, placement: Placement) -> _Fit:
    """By samples of two places: the map that most places agree with, then least squares of these."""
    points, targets = windows.middles, windows.there
    kept = np.zeros(len(points), bool)
    rng = np.random.default_rng(0)
    for _ in range(_SAMPLES if len(points) > 1 else 0):
        chosen = rng.choice(len(points), 2, replace=False)
        if not np.ptp(points[chosen], axis=0).all():  # on one line of places
            continue
        near = _distance(_solved(points[chosen], targets[chosen]), windows) < agree
        if np.count_nonzero(near) > np.count_nonzero(kept):
            kept = near
    if kept.any():
        for _ in range(3):
            placement = _solved(points[kept], targets[kept])
            kept = _distance(placement, windows) < agree
    return _Fit(placement, windows, kept)


def _solved(points: Floats, targets: Floats) -> Placement:
    """Least squares of rows and of columns."""
    around = points - points.mean(0)
    step = (around * targets).sum(0) / (around**2).sum(0)
    return Placement.straight(np.stack([targets.mean(0) - step * points.mean(0), step], axis=1))


def _bent(windows: _Windows, agree: float, placement: Placement, *, simple: bool) -> _Fit:
    """Least squares, reweighted so that a place that lies `agree` off counts a half.

    simple: with turn and radial bends up to the second order alone.
    """
    (height, width), _ = windows.shapes
    bends = placement.bends or Bends.of(((height - 1) / 2, (width - 1) / 2), [0.0] * _BENDS)
    if len(windows.middles) < _FEWEST[True]:
        return _Fit(replace(placement, bends=bends), windows, np.zeros(len(windows.middles), bool))
    rows, columns = windows.middles.T
    ones, none = np.ones(len(rows)), np.zeros(len(rows))
    terms = bends.terms(rows, columns)[: 4 if simple else _BENDS]
    down = np.stack([ones, rows, none, none, *(one + none for one, _ in terms)], axis=1)
    across = np.stack([none, none, ones, columns, *(one + none for _, one in terms)], axis=1)
    weights = ones
    for _ in range(_REWEIGHTED):
        both = np.concatenate([down, across]) * np.tile(weights, 2)[:, None]
        numbers = np.linalg.lstsq(both, windows.there.T.ravel() * np.tile(weights, 2), rcond=None)[0]
        (a, b, c, d), more = numbers[:4].tolist(), [*numbers[4:], *[0.0] * (4 + _BENDS - len(numbers))]
        placement = Placement((a, b), (c, d), Bends.of(bends.middle, more))
        weights = 1 / (1 + (_distance(placement, windows) / agree) ** 2)
    return _Fit(placement, windows, _distance(placement, windows) < agree)


def _distance(placement: Placement, windows: _Windows) -> Floats:
    return np.asarray(np.linalg.norm(placement.at(windows.middles) - windows.there, axis=1))
