"""Where a picture by another program lies on the mosaic of its RAW file, to a fraction of a pixel.

::

    small versions    each of the eight ways to lie, at the scales that the sizes suggest: phase correlation
    1024 pixels       shifts of windows on a grid of places -> one map, fitted to the places that agree
    all pixels        the same twice, each time of windows that the map so far has brought into place

Phase correlation: C. D. Kuglin and D. C. Hines, The phase correlation image alignment method, 1975. The map is fitted
by random samples of two places (M. A. Fischler and R. C. Bolles, RANSAC, 1981), then by least squares. It is a scale
and a shift for rows, and a scale and a shift for columns: a picture that was levelled, or whose lens distortion was
corrected, agrees in too few places and is refused.

Pixels are taken by Pillow's `resize` of a box, Catmull-Rom's cubic: that of its `transform` is off by a tenth of a
pixel halfway to the middle between two pixels, as its weights do not keep a straight line straight.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import DatasetError
from invisp_deploy.formats.orientation import ORIENTATIONS, WORDS, sensor_order
from invisp_deploy.formats.pixels import Rgb8
from invisp_deploy.isp.develop import Window

if TYPE_CHECKING:
    from PIL import Image

Floats = npt.NDArray[np.float64]

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
"""Pixels that a place may lie off the map; in the first round of a size three times as many."""

_FEWEST: Final = 8
_SHARE: Final = 0.6
"""Places that must agree, and their share of those with a peak or with detail on both sides."""

_DETAIL: Final = 8.0
"""Standard deviation of the codes of a window from which it shows more than an even sky."""

_SPREAD: Final = 1 / 3
"""Part of the height and of the width over which the places that agree must lie."""

_SAMPLES: Final = 300

_BORDER: Final = 2
"""Pixels of a picture that bicubic interpolation needs on each side."""


@dataclass(frozen=True)
class Registration:
    """How a picture lies on a mosaic, and how sure that is.

    orientation: EXIF's number of what was done to the sensor's order; the numbers below are of the picture turned back.
    rows: (a, b), a row of the mosaic is row a + b * row of the picture; columns: the same of columns. Centres of the
    first pixels are 0.
    residual: root mean square distance of the places to the map, pixels; places: how many agreed; tried: of how many.
    """

    orientation: int
    rows: tuple[float, float]
    columns: tuple[float, float]
    residual: float
    places: int
    tried: int

    @property
    def scale(self) -> tuple[float, float]:
        """Pixels of the picture for one of the mosaic, down and across."""
        return self.rows[1], self.columns[1]

    def __str__(self) -> str:
        down, across = self.scale
        return (
            f"{WORDS[self.orientation]}, scale {down:.4f} x {across:.4f}, shift {self.rows[0]:+.1f} rows and "
            f"{self.columns[0]:+.1f} columns, residual {self.residual:.2f} pixels at {self.places} of {self.tried} "
            "places"
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
        return cls(**{**data, "rows": tuple(data["rows"]), "columns": tuple(data["columns"])})


def register(reference: Rgb8, picture: Rgb8) -> Registration:
    """Find where a picture lies on a rendering of the same RAW file.

    reference: (H, W, 3) uint8, in the mosaic's order and size. picture: (h, w, 3) uint8, turned and mirrored in any of
    the eight ways, cropped and scaled; colours and tones may be quite others.
    Raises DatasetError where the two do not agree: another frame, a panorama, another scale than sizes suggest, a lens
    corrected, or less than half of the resolution.
    """
    height, width = reference.shape[:2]
    if max(picture.shape[:2]) < SMALLEST_SCALE * max(height, width):
        raise DatasetError(
            f"the picture is {picture.shape[1]}x{picture.shape[0]}, less than half of the mosaic's {width}x{height}: "
            "expected one that has the mosaic's resolution."
        )
    ours = _luminance(reference)
    orientation, lines = _lie(ours, picture)
    theirs = _luminance(sensor_order(picture, orientation))
    factor = max(height, width) / _MIDDLE
    if factor >= 2:
        shrunk = _shrunk(ours, factor), _shrunk(theirs, factor)
        steps = [
            np.array(small.size[::-1]) / whole.size[::-1] for small, whole in zip(shrunk, (ours, theirs), strict=True)
        ]
        lines = _rescaled(lines, *steps)
        for agree in (3 * _AGREE, _AGREE):
            lines = _fitted(*shrunk, lines, agree)[0]
        lines = _rescaled(lines, *(1 / step for step in steps))
    for agree in (3 * _AGREE, _AGREE):
        lines, residual, places, tried = _fitted(ours, theirs, lines, agree)
    (a, b), (c, d) = lines.tolist()
    found = Registration(orientation, (a, b), (c, d), residual, places, tried)
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
    height, width = shape
    top, bottom = _inside(registration.rows, inner[0], height)
    left, right = _inside(registration.columns, inner[1], width)
    if 2 * (bottom - top) < height or 2 * (right - left) < width:
        raise DatasetError(
            f"the picture shows {max(right - left, 0)}x{max(bottom - top, 0)} of the mosaic's {width}x{height} pixels, "
            "less than half: expected one of the whole frame."
        )
    return slice(top, bottom), slice(left, right)


def on_mosaic(picture: Rgb8, registration: Registration, window: Window) -> Rgb8:
    """(h, w, 3) uint8 -> the picture at the pixels of a window of the mosaic, (rows, columns, 3) uint8, bicubic."""
    from PIL import Image

    turned = Image.fromarray(np.ascontiguousarray(sensor_order(picture, registration.orientation)))
    return np.asarray(_taken(turned, np.array([registration.rows, registration.columns]), window))


def _inside(line: Sequence[float], length: int, along: int) -> tuple[int, int]:
    """First and last + 1 of the places of `along` that lie inside `length` pixels, both even."""
    first = math.ceil((_BORDER - line[0]) / line[1] / 2)
    last = math.floor((length - 1 - _BORDER - line[0]) / line[1])
    return max(2 * first, 0), min(2 * ((last + 1) // 2), along - along % 2)


def _luminance(pixels: Rgb8) -> Image.Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels)).convert("L")


def _shrunk(image: Image.Image, factor: float) -> Image.Image:
    from PIL import Image

    size = (max(round(image.width / factor), 1), max(round(image.height / factor), 1))
    return image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def _taken(image: Image.Image, lines: Floats, window: Window) -> Image.Image:
    """A window of the mosaic's grid out of the picture, which must hold all of it."""
    from PIL import Image

    corners = []  # Pillow counts from the corners of pixels
    for (first, step), part in zip(lines.tolist(), window, strict=True):
        start = first + step * (part.start - 0.5) + 0.5
        corners.append((start, start + step * (part.stop - part.start)))
    (top, bottom), (left, right) = corners
    size = (window[1].stop - window[1].start, window[0].stop - window[0].start)
    return image.resize(size, Image.Resampling.BICUBIC, box=(left, top, right, bottom))


def _rescaled(lines: Floats, ours: Floats, theirs: Floats) -> Floats:
    """The map between versions that are so many times as high and as wide; pixels are areas."""
    first, step = lines.T
    scale = step * theirs / ours
    corner = (first + 0.5 - 0.5 * step) * theirs  # of the picture, where the mosaic's is 0
    return np.stack([corner - 0.5 + 0.5 * scale, scale], axis=1)


def _lie(ours: Image.Image, picture: Rgb8) -> tuple[int, Floats]:
    """The orientation and a rough map, by small versions. Raises DatasetError where none stands out."""
    factor = max(max(ours.size) / _SMALL, 1.0)
    small = _shrunk(ours, factor)
    found: list[tuple[float, int, Floats]] = []
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
            start = np.array([[row, 1.0], [column, 1.0]])
            steps = np.array([ours.height / small.height, ours.width / small.width])
            found.append((peak, orientation, _rescaled(start, steps, np.array(turned[:2]) / other.shape)))
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


def _fitted(ours: Image.Image, theirs: Image.Image, lines: Floats, agree: float) -> tuple[Floats, float, int, int]:
    """A better map by the shifts that are left of windows; its residual, places that agree, places looked at.

    Raises DatasetError where too few places agree.
    """
    down = _inside(lines[0], theirs.height, ours.height)
    across = _inside(lines[1], theirs.width, ours.width)
    extents = np.array([down[1] - down[0], across[1] - across[0]])
    side = int(np.clip(1 << max(int(extents.min()) // 4, 1).bit_length() - 1, *_WINDOWS))
    places = _places(down, across, side)
    rows, unlike = [], 0
    for row, column in places:
        middle = np.array([row, column]) + (side - 1) / 2
        window = np.asarray(ours.crop((column, row, column + side, row + side)))
        other = np.asarray(_taken(theirs, lines, (slice(row, row + side), slice(column, column + side))))
        peak, *moved = _shift(_tapered(window), _tapered(other))
        if peak >= 1 and max(map(abs, moved)) < side / 4:
            rows.append((middle, lines[:, 0] + lines[:, 1] * (middle + moved)))
        elif min(window.std(), other.std()) >= _DETAIL:
            unlike += 1
    points, targets = np.array(rows).reshape(-1, 2, 2).swapaxes(0, 1)
    kept = _agreeing(points, targets, agree)
    if kept.any():
        for _ in range(3):
            fit = _solved(points[kept], targets[kept])
            kept = _distance(points, targets, fit) < agree
    count = int(np.count_nonzero(kept))
    enough = max(_FEWEST, math.ceil(_SHARE * (len(points) + unlike)))
    spread = np.ptp(points[kept], axis=0) if count else np.zeros(2)
    if count < enough or (spread < _SPREAD * (extents - side)).any():
        raise DatasetError(
            f"the picture agrees with the RAW file at {count} of {len(places)} places, expected at least {enough}, all "
            "over the frame: it is another exposure, put together of several, too flat to tell, or its lens was "
            "corrected."
        )
    residual = math.sqrt(float((_distance(points[kept], targets[kept], fit) ** 2).mean()))
    return fit, residual, count, len(places)


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


def _agreeing(points: Floats, targets: Floats, agree: float) -> npt.NDArray[np.bool_]:
    """The places nearest to the map of two of them that most places agree with."""
    best = np.zeros(len(points), bool)
    rng = np.random.default_rng(0)
    for _ in range(_SAMPLES if len(points) > 1 else 0):
        chosen = rng.choice(len(points), 2, replace=False)
        if not np.ptp(points[chosen], axis=0).all():  # on one line of places
            continue
        near = _distance(points, targets, _solved(points[chosen], targets[chosen])) < agree
        if np.count_nonzero(near) > np.count_nonzero(best):
            best = near
    return best


def _solved(points: Floats, targets: Floats) -> Floats:
    """Least squares: (2, 2), first and step for rows and for columns."""
    around = points - points.mean(0)
    step = (around * targets).sum(0) / (around**2).sum(0)
    return np.stack([targets.mean(0) - step * points.mean(0), step], axis=1)


def _distance(points: Floats, targets: Floats, lines: Floats) -> Floats:
    return np.asarray(np.linalg.norm(lines[:, 0] + lines[:, 1] * points - targets, axis=1))
