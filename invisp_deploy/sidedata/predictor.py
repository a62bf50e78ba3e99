"""The mosaic as a filter of the stored picture, fitted to the true one while rendering: about a kilobyte a file.

For each site of the 2x2 pattern, and apart for pixels that the picture clips, DN = a constant and the light of the
picture's three colours at the 5x5 pixels around, each times a coefficient. All are whole numbers (`linear`), so that
the same picture gives the same mosaic on every machine.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.pixels import Pixels, Rows, clipped_pixels
from invisp_deploy.isp.colour import inverse_matrix
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.sidedata.correction import NEIGHBOURS, Corrections, corrected
from invisp_deploy.sidedata.linear import WHITE, Highlights, Whole, by_site, light

PREDICTOR_LAYER: Final = "predictor"

TAPS: Final = 3 * 5 * 5 + 1
"""Filters of one site."""

DIGITS: Final = 16
"""Hexadecimal ones of a digest by which a layer knows what it belongs to."""

_POINT: Final = 24
"""Bits of a coefficient behind the point."""

_EXACT: Final = 1 << 53
"""Below this all whole numbers are float64."""

_AT_ONCE: Final = 5400
"""Columns of a matrix product: below this OpenBLAS takes no threads, which wait for each other on a busy machine."""

_BLOCK: Final = 180
"""The same of a product of half of the samples with the other."""

_DARK: Final = 0.01
"""Share of white at which noise is no more that of light."""

_NEAR: Final = 1e-9
_NEAR_CLIPPED: Final = 1e-6
"""How fast filters are held where they begin, as a share of what their pixels say; highlights are often few."""
_HEAD: Final = struct.Struct("<BB5H8s8s")
_VERSION: Final = 1
_KINDS: Final = (1, 2, 3, 9, 11, 4, 6)
"""Bits: of open pixels, of clipped ones, of the network; with a residual. The network's has none."""

Filters = npt.NDArray[np.int32]
"""(4, TAPS): by the sites of the 2x2 pattern, row by row; the last is of the constant."""


@dataclass(frozen=True)
class Predictor:
    """white: largest DN that it gives. saturated: the same of each site of the 2x2 pattern where the picture clips.

    open: for all pixels; None where the network's inverse is nearer. network: then, what that is filtered by. clipped:
    for pixels that the picture clips and a gain map has; None where there is no map. picture: what the record's digest
    begins with, so that a picture with another's predictor is found out. decoded: where a residual goes with it, what
    the SHA-256 of the pixels begins with that it was made for (`digest_of`): a decoder that gives others is found out;
    else empty.
    """

    white: int
    saturated: tuple[int, int, int, int]
    open: Filters | None
    clipped: Filters | None
    picture: str
    decoded: str = ""
    network: Corrections | None = None

    @property
    def empty(self) -> bool:
        """Nothing of it is used."""
        return self.open is None and self.clipped is None and self.network is None

    def to_bytes(self) -> bytes:
        """The layer `predictor`: a head, then little-endian int32."""
        every = (self.open, self.clipped, self.network)
        parts = [each for each in every if each is not None]
        kinds = sum((each is not None) << kind for kind, each in enumerate(every)) | bool(self.decoded) << 3
        digests = map(bytes.fromhex, (self.picture, self.decoded))
        head = _HEAD.pack(_VERSION, kinds, self.white, *self.saturated, *digests)
        return head + b"".join(each.astype("<i4").tobytes() for each in parts)

    @classmethod
    def from_bytes(cls, data: bytes, source: str) -> Predictor:
        """Inverse of `to_bytes`. Raises ImageFileError, which names `source`, for what it never wrote."""
        if len(data) < _HEAD.size:
            raise _damaged(source, f"it has {len(data)} bytes")
        version, kinds, white, *saturated, picture, decoded = _HEAD.unpack_from(data)
        if version != _VERSION or kinds not in _KINDS:
            raise _damaged(source, f"version {version}, kinds {kinds}")
        found: list[npt.NDArray[np.int32] | None] = []
        start = _HEAD.size
        for kind, taps in enumerate((TAPS, TAPS, NEIGHBOURS)):
            stop = start + 4 * 4 * taps * (kinds >> kind & 1)
            if stop > len(data):
                raise _damaged(source, f"it has {len(data)} bytes for the kinds {kinds}")
            part = np.frombuffer(data[start:stop], "<i4").astype(np.int32)
            found.append(part.reshape(4, taps) if part.size else None)
            start = stop
        if len(data) != start:
            raise _damaged(source, f"it has {len(data)} bytes for the kinds {kinds}")
        of_open, of_clipped, of_network = found
        first, second, third, fourth = saturated
        return cls(
            white,
            (first, second, third, fourth),
            of_open,
            of_clipped,
            picture.hex(),
            decoded.hex() if kinds & 8 else "",
            of_network,
        )

    def predict(self, pixels: Pixels, highlights: Highlights | None, base: Mosaic | None = None) -> Mosaic:
        """(H, W, 3), both even -> (H, W) uint16 DN; where `open` is None, `base` through `network` and with its clipped
        pixels replaced. Without highlights these are as all others.

        Raises ImageFileError for coefficients with which sums would not be exact; no fit gives such.
        """
        height, width = pixels.shape[:2]
        mosaic: Mosaic = np.empty((height, width), np.uint16) if base is None else base
        if base is not None and self.network is not None:
            mosaic = corrected(base, pixels, self.network, self.white)
        of_clipped = None if highlights is None else self.clipped
        everywhere, where_clipped = (_checked(each, highlights) for each in (self.open, of_clipped))
        strip = max(_AT_ONCE // (width // 2 + 2), 1)
        for top in range(0, height // 2, strip):
            bottom = min(top + strip, height // 2)
            planes = _padded(lambda first, last: pixels[first:last], top, bottom, height // 2, highlights)
            sites = by_site_of(mosaic[2 * top : 2 * bottom])
            if everywhere is not None:
                for site, made in zip(sites, _filtered(planes, everywhere, (self.white,) * 4), strict=True):
                    site[...] = made
            if where_clipped is not None and (clipped := clipped_pixels(pixels[2 * top : 2 * bottom])).any():
                made_there = _filtered(planes, where_clipped, self.saturated)
                for site, made, there in zip(sites, made_there, by_site(clipped), strict=True):
                    np.copyto(site, made, where=there, casting="unsafe")
        return mosaic


def digest_of(pixels: Pixels) -> str:
    """By which a predictor knows the pixels that its residual was made for."""
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()[:DIGITS]


def predictor_size(filters: int) -> int:
    """Bytes of the layer with so many filters, 1 or 2."""
    return _HEAD.size + filters * 4 * TAPS * 4


def closed_form_filters(recipe: Recipe) -> Filters:
    """The inverse of the recipe's matrix, gains and levels, at each site alone: what filters are without a fit."""
    to_camera = np.eye(3) if recipe.matrix is None else inverse_matrix(recipe.matrix)
    found = np.zeros((4, TAPS))
    for site, letter in enumerate(recipe.cfa):
        own, black = "RGB".index(letter), recipe.black[site]
        span = (recipe.white - black) / (recipe.gains[own] * WHITE)
        places = _places(site)
        for colour in range(3):
            found[site, places.index((colour * 4 + site, 1, 1))] = to_camera[own][colour] * span
        found[site, -1] = black / WHITE
    return _whole(found)


def fitted_filters(
    rows: Rows,
    samples: Iterable[tuple[int, Mosaic]],
    height: int,
    recipe: Recipe,
    ends: Sequence[float],
    highlights: Highlights | None,
    near: Filters,
    *,
    clipped: bool,
    relative: bool = False,
) -> Filters:
    """Least squares between a stored picture of `height` rows and strips of its true mosaic.

    samples: of each strip, which pair of rows it begins with, and its (2n, W) DN. clipped: fit the pixels that the
    picture clips, else the others. relative: errors count by the noise of their light, as for a residual, and not all
    alike, as for a mean square. near: what is changed no more than the pixels ask for. ends: DN of each site from which
    it is left out, because there the sensor says nothing.
    """
    sums, with_target = np.zeros((4, TAPS, TAPS)), np.zeros((4, TAPS))
    places = [_places(site).index(("RGB".index(recipe.cfa[site]) * 4 + site, 1, 1)) for site in range(4)]
    for top, strip in samples:
        bottom = top + len(strip) // 2
        planes = _padded(rows, top, bottom, height // 2, highlights)
        blown = by_site(clipped_pixels(rows(2 * top, 2 * bottom)))
        for site, target in enumerate(by_site(strip)):
            taken = (target < ends[site]) & (blown[site] == clipped)
            if taken.any():
                around, there = _neighbours(planes, site)[:, taken.ravel()], target[taken].astype(np.float64)[None]
                if relative:
                    weight = 1 / np.sqrt(around[places[site]] / WHITE + _DARK)
                    around, there = around * weight, there * weight
                seen, wanted = _in_blocks(around), _in_blocks(there)
                sums[site] += _with_themselves(seen)
                with_target[site] += np.matmul(seen, wanted.transpose(0, 2, 1)).sum(axis=0)[:, 0]
    found = []
    for total, both, first in zip(sums, with_target, near / 2.0**_POINT, strict=True):
        ridge = np.eye(TAPS) * max(np.trace(total), 1) * (_NEAR_CLIPPED if clipped else _NEAR)
        found.append(np.linalg.solve(total + ridge, both + ridge @ first))
    return _whole(np.array(found))


def _whole(coefficients: Whole) -> Filters:
    return np.rint(np.clip(coefficients * 2.0**_POINT, -(2**31), 2**31 - 1)).astype(np.int32)


def by_site_of(mosaic: Mosaic) -> list[Mosaic]:
    """(2n, 2w) -> views of its four sites."""
    return [mosaic[row::2, column::2] for row in (0, 1) for column in (0, 1)]


@lru_cache(maxsize=4)
def _places(site: int) -> tuple[tuple[int, int, int], ...]:
    """Plane, row and column among the 3x3 squares around a site's, of each of its neighbours."""
    places = []
    for colour in range(3):
        for down in range(-2, 3):
            for right in range(-2, 3):
                row, column = site // 2 + down, site % 2 + right
                places.append((colour * 4 + row % 2 * 2 + column % 2, row // 2 + 1, column // 2 + 1))
    return tuple(places)


def _neighbours(planes: Whole, site: int) -> Whole:
    """(12, n + 2, w + 2) -> (TAPS, n * w): what each coefficient of a site is multiplied with."""
    rows, columns = planes.shape[1] - 2, planes.shape[2] - 2
    seen = [planes[plane, row : row + rows, column : column + columns] for plane, row, column in _places(site)]
    return np.stack([*(each.ravel() for each in seen), np.full(rows * columns, float(WHITE))])


def _in_blocks(samples: Whole) -> Whole:
    """(k, n) -> (blocks, k, `_BLOCK`), with zeros behind the last."""
    count = samples.shape[1]
    filled = np.pad(samples, ((0, 0), (0, -count % _BLOCK)))
    return np.ascontiguousarray(filled.reshape(len(samples), -1, _BLOCK).transpose(1, 0, 2))


def _with_themselves(blocks: Whole) -> Whole:
    """(blocks, TAPS, `_BLOCK`) -> (TAPS, TAPS): sums of products of all pairs of rows, by quarters."""
    half = TAPS // 2
    sums = np.empty((TAPS, TAPS))
    parts = slice(0, half), slice(half, TAPS)
    for rows, columns in ((0, 0), (0, 1), (1, 1)):
        right = blocks[:, parts[columns]].transpose(0, 2, 1)
        sums[parts[rows], parts[columns]] = np.matmul(blocks[:, parts[rows]], right).sum(axis=0)
    sums[parts[1], parts[0]] = sums[parts[0], parts[1]].T
    return sums


def _padded(rows: Rows, top: int, bottom: int, pairs: int, highlights: Highlights | None) -> Whole:
    """(12, bottom - top + 2, w + 2): the light of pairs of rows with a square around them; at the picture's edge the
    outermost one again.
    """
    first, last = max(top - 1, 0), min(bottom + 1, pairs)
    planes = light(rows(2 * first, 2 * last), 2 * first, highlights)
    return np.pad(planes, ((0, 0), (first - top + 1, bottom + 1 - last), (1, 1)), mode="edge")


_Filter = tuple[Whole, Whole]
"""(3, 3, 4, 12): by row and column of squares, to sites from planes; (4, 1): the constants and a half to round by."""


def _checked(coefficients: Filters | None, highlights: Highlights | None) -> _Filter | None:
    if coefficients is None:
        return None
    largest = WHITE if highlights is None else 2 * WHITE * 2 ** (highlights.sixteenths // 16 + 1)
    if np.abs(coefficients.astype(np.int64)).sum(axis=1).max() >= _EXACT // largest:
        raise _damaged("the picture", "its coefficients are too large")
    filters = np.zeros((3, 3, 4, 12))
    for site in range(4):
        for (plane, row, column), coefficient in zip(_places(site), coefficients[site], strict=False):
            filters[row, column, site, plane] = coefficient
    return filters, coefficients[:, -1:].astype(np.float64) * WHITE + 2.0 ** (_POINT - 1)


def _filtered(planes: Whole, by_filter: _Filter, most: tuple[int, ...]) -> Whole:
    """(12, n + 2, w + 2) -> (4, n, w) DN, of each site at most so many."""
    filters, constants = by_filter
    rows, columns = planes.shape[1] - 2, planes.shape[2]
    flat = np.concatenate([planes.reshape(12, -1), np.zeros((12, 2))], axis=1)
    sums = np.repeat(constants, rows * columns, axis=1)
    part = np.empty_like(sums)
    for row in range(3):
        for column in range(3):
            start = row * columns + column
            sums += np.matmul(filters[row, column], flat[:, start : start + rows * columns], out=part)
    sums *= 2.0**-_POINT
    np.clip(np.floor(sums, out=sums), 0, np.reshape(most, (4, 1)), out=sums)
    return sums.reshape(4, rows, columns)[:, :, :-2]


def _damaged(source: str, why: str) -> ImageFileError:
    return ImageFileError(
        f"The predictor that {source} carries is damaged, or of another version ({why}): use the file as it was "
        "rendered, or leave it aside by `raw_budget` 0."
    )
