"""What a mosaic differs by from the predicted one, quantised to a bound: the layer that gives a RAW back to the DN.

A difference d is stored as q = floor((d + D) / (2 D + 1)), D being the bound at the pixel's predicted DN, and comes
back as q (2 D + 1): the quantiser of near-lossless JPEG-LS (ITU-T T.87, A.4.4). What is left of a mosaic behind a good
prediction is nearly all noise, whose scale follows from how bright a place is and how uneven. So the pixels of each
site of the 2x2 pattern are sorted into groups by both, as the prediction has them, and each group is coded as numbers
without an order by pcodec (Loncaric, arXiv 2502.06112). The little that neighbours do tell, 1 to 2 % of the size, is
taken first: the sites come one after the other, and what the neighbours of those before differed by is weighed, by
weights that are fitted and stored, and added to the prediction.

Many cameras store numbers that a curve spreads over a wider range, and most DN never occur. So where nothing is to be
lost, the mosaic and the prediction are counted among the DN that do: by their ranks.

Bytes of the layer, little-endian: version, rows, columns, least and greatest DN, sizes of the bound and of the DN that
occur; the bound as compressed pairs of the predicted DN from which it holds and D; where that is 0 everywhere, which DN
occur, as compressed bits; then for each band of rows the largest difference of neighbours that counts, and for each
site of it the CRC-32 of the DN that come back, the eight weights in 1024ths, the sizes of its groups, and the groups.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ImageFileError, MissingExtraError, OutputError, RequestError
from invisp_deploy.isp.frame import Mosaic

RESIDUAL_LAYER: Final = "residual"

Bound = npt.NDArray[np.uint16]
"""(65536,): by predicted DN, the largest difference that may stay."""

_DNS: Final = 1 << 16
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<BHHHHII")
_BAND: Final = 1 << 22
"""Pixels that are coded at once, about: what is held beside the two mosaics."""

_LEVELS: Final = 16
_SPREADS: Final = 2
_GROUPS: Final = _LEVELS * _SPREADS
"""More of them cost as much in tables as they save: sizes within 0.3 % from 8 x 2 to 16 x 8 on 13 photographs."""

_WIDEST: Final = _DNS // _LEVELS
"""Spreads above this are not told apart."""

_NEIGHBOURS: Final = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right)
_POINT: Final = 10
"""Bits of a weight behind the point."""

_HEAVIEST: Final = 2 << _POINT
_USUAL: Final = 4
"""Medians of a site's differences within which neighbours count: where a picture clips they are of another kind."""

_FITTED: Final = 8
"""Of so many rows of a site one is looked at for the weights."""

_FEWEST: Final = 1000
"""Pixels that weights are fitted to, at least."""

_LIMIT: Final = struct.Struct("<H")
_SITE: Final = struct.Struct(f"<I{len(_NEIGHBOURS)}h{_GROUPS}I")
_CODED_AT: Final = 10
"""pcodec's level of 12: each of the last two takes less than 0.05 % off, each of the two before 0.1 %."""

_Plane = npt.NDArray[np.uint16]
"""(h, w) of one site in one band: DN, or what is counted for them."""

_Values = npt.NDArray[np.uint16]

_Known = npt.NDArray[np.int32]
"""What the predictions of pixels differ by, DN: a band's with a border, or views of it."""


def check_coder() -> None:
    """Raise MissingExtraError where what codes a residual is not installed."""
    _pcodec()


def uniform_bound(most: int) -> Bound:
    """A bound of `most` DN everywhere, 0 for none. Raises RequestError for a number that is none of 0 to 65535."""
    if not 0 <= most < _DNS:
        raise RequestError(f"`max_error` is a whole number of DN from 0 to {_DNS - 1}, got {most}: choose one.")
    return np.full(_DNS, most, np.uint16)


def encode_residual(true: Mosaic, predicted: Mosaic, bound: Bound) -> bytes:
    """The layer `residual`: with `predicted`, (H, W), it gives `true`, (H, W), back to within the bound.

    What the layer gives is computed from its own bytes and compared with `true`. Raises RequestError for mosaics of
    different sizes, MissingExtraError without pcodec, OutputError where the bound does not hold.
    """
    if true.shape != predicted.shape:
        raise RequestError(f"A residual is between mosaics of one size, got {true.shape} and {predicted.shape}.")
    runs = _runs(bound)
    if bound.any():
        scale, occurring = _Scale(int(true.min()), int(true.max())), b""
    else:
        met = np.zeros(_DNS, np.bool_)
        for rows in _bands(*true.shape):  # `bincount` takes eight bytes for each pixel
            met |= np.bincount(true[rows].ravel(), minlength=_DNS) > 0
        scale, occurring = _Scale.of(met), zlib.compress(np.packbits(met).tobytes(), 9)
    parts = [_HEAD.pack(_VERSION, *true.shape, scale.least, scale.most, len(runs), len(occurring)), runs, occurring]
    for rows in _bands(*true.shape):
        limit, known = 0, _unknown(predicted[rows])
        for site in _sites(predicted[rows]):
            actual, base = (scale.counted(mosaic[rows][site.pixels]) for mosaic in (true, predicted))
            allowed = _allowed(bound, base)
            order, counts = _groups(base)
            difference = actual.astype(np.int32) - base
            if site.first:
                limit = _limit(difference)
                parts.append(_LIMIT.pack(limit))
            seen = site.seen(known)
            weights = _weights(difference, seen, limit)
            expected = _expected(base, seen, weights)
            steps = (actual - expected + allowed) // (2 * allowed + 1)
            groups = _coded(steps.astype(np.int16).ravel()[order], counts)
            back = _restored(_decoded(groups, order, counts), expected, allowed, scale)
            off = np.abs(back.astype(np.int32) - actual) - allowed
            if off.max() > 0:
                raise OutputError(
                    f"The residual gives a RAW that is {off.max()} DN further off than its bound: the package `pcodec` "
                    "does not decode what it encoded; install another release of it."
                )
            site.learn(known, back, base, limit)
            parts += [_SITE.pack(_checksum(scale.dn(back)), *weights, *map(len, groups)), *groups]
    return b"".join(parts)


def decode_residual(data: bytes, predicted: Mosaic, source: str) -> Mosaic:
    """Inverse of `encode_residual`: (H, W) within the layer's bound of what was encoded, exactly that for a bound of 0.

    Raises ImageFileError, which names `source`, for a layer that is damaged or was made for another prediction;
    MissingExtraError without pcodec.
    """
    bound, scale, place = _head(data, predicted, source)
    mosaic: Mosaic = np.empty(predicted.shape, np.uint16)
    for rows in _bands(*predicted.shape):
        limit, known = 0, _unknown(predicted[rows])
        for site in _sites(predicted[rows]):
            if len(data) < place + _LIMIT.size + _SITE.size:
                raise _damaged(source, "it is cut short")
            if site.first:
                (limit,) = _LIMIT.unpack_from(data, place)
                place += _LIMIT.size
            check, *numbers = _SITE.unpack_from(data, place)
            weights, sizes = numbers[: len(_NEIGHBOURS)], numbers[len(_NEIGHBOURS) :]
            ends = np.cumsum([place + _SITE.size, *sizes], dtype=np.int64).tolist()
            if ends[-1] > len(data):
                raise _damaged(source, "it is cut short")
            base = scale.counted(predicted[rows][site.pixels])
            order, counts = _groups(base)
            try:
                stored = _decoded([data[start:end] for start, end in zip(ends, ends[1:], strict=False)], order, counts)
            except (RuntimeError, ValueError) as error:
                raise _damaged(source, str(error)) from error
            expected = _expected(base, site.seen(known), weights)
            back = _restored(stored, expected, _allowed(bound, base), scale)
            dn = scale.dn(back)
            if _checksum(dn) != check:
                raise _damaged(source, "its checksum is wrong, or it belongs to another prediction")
            site.learn(known, back, base, limit)
            mosaic[rows][site.pixels] = dn
            place = ends[-1]
    if place != len(data):
        raise _damaged(source, f"it has {len(data) - place} bytes too many")
    return mosaic


def least_residual(height: int, width: int) -> int:
    """Bytes that the layer of a mosaic of that size takes at least: its tables."""
    return _HEAD.size + sum(_LIMIT.size + 4 * _SITE.size for _ in _bands(height, width))


def residual_bound(data: bytes, source: str) -> Bound:
    """The bound that a layer was made with. Raises ImageFileError as `decode_residual`."""
    return _head(data, None, source)[0]


@dataclass(frozen=True)
class _Scale:
    """How DN are counted: as they are, or by rank among those that occur. least, most: DN that come back."""

    least: int
    most: int
    occurring: _Values | None = None

    @classmethod
    def of(cls, met: npt.NDArray[np.bool_]) -> _Scale:
        """met: (65536,), which DN occur, one at least."""
        occurring = np.flatnonzero(met).astype(np.uint16)
        return cls(int(occurring[0]), int(occurring[-1]), occurring)

    @cached_property
    def _ranks(self) -> _Values:
        """(65536,): of the DN that occurs and is the nearest."""
        values = np.empty(0, np.uint16) if self.occurring is None else self.occurring
        between = (values[:-1].astype(np.int32) + values[1:] + 1) // 2
        return np.searchsorted(between, np.arange(_DNS), side="right").astype(np.uint16)

    @property
    def ends(self) -> tuple[int, int]:
        """The least and the greatest number that is counted to."""
        return (self.least, self.most) if self.occurring is None else (0, len(self.occurring) - 1)

    def counted(self, dn: _Plane) -> _Plane:
        return np.ascontiguousarray(dn) if self.occurring is None else np.take(self._ranks, dn)

    def dn(self, counted: _Plane) -> _Plane:
        return counted if self.occurring is None else np.take(self.occurring, counted)


def _head(data: bytes, predicted: Mosaic | None, source: str) -> tuple[Bound, _Scale, int]:
    """The bound, how DN are counted, and where the first band begins."""
    if len(data) < _HEAD.size:
        raise _damaged(source, f"it has {len(data)} bytes")
    version, rows, columns, least, most, *sizes = _HEAD.unpack_from(data)
    if version != _VERSION or least > most:
        raise _damaged(source, f"version {version}, DN {least} to {most}")
    if predicted is not None and predicted.shape != (rows, columns):
        size = "x".join(map(str, predicted.shape))
        raise _damaged(source, f"it is of {rows}x{columns} pixels, the mosaic has {size}")
    runs, bits = _HEAD.size + sizes[0], _HEAD.size + sum(sizes)
    pairs = _inflated(data[_HEAD.size : runs], 4 * _DNS, source)
    starts, bounds = np.frombuffer(pairs[: len(pairs) // 4 * 4], "<u2").reshape(-1, 2).T.astype(np.int64)
    if not starts.size or starts[0] != 0 or (np.diff(starts) <= 0).any():
        raise _damaged(source, "its bound cannot be read")
    bound = np.repeat(bounds, np.diff(starts, append=_DNS)).astype(np.uint16)
    if bound.any():
        return bound, _Scale(least, most), bits
    met = np.unpackbits(np.frombuffer(_inflated(data[runs:bits], _DNS // 8, source), np.uint8))
    if met.size != _DNS or not met.any():
        raise _damaged(source, "which DN occur cannot be read")
    return bound, _Scale.of(met > 0), bits


def _inflated(data: bytes, most: int, source: str) -> bytes:
    inflate = zlib.decompressobj()
    try:
        found = inflate.decompress(data, most)
    except zlib.error as error:
        raise _damaged(source, str(error)) from error
    if not inflate.eof:
        raise _damaged(source, "its head cannot be read")
    return found


def _runs(bound: Bound) -> bytes:
    starts = np.flatnonzero(np.diff(bound.astype(np.int32), prepend=-1))
    return zlib.compress(np.stack((starts, bound[starts]), axis=1).astype("<u2").tobytes(), 9)


def _bands(height: int, width: int) -> Iterator[slice]:
    rows = max(_BAND // width // 2 * 2, 2)
    return (slice(top, top + rows) for top in range(0, height, rows))


@dataclass(frozen=True)
class _Site:
    """One of the four of a band. row, column: of its first pixel. shape: rows and columns of its pixels."""

    row: int
    column: int
    shape: tuple[int, int]

    @property
    def first(self) -> bool:
        return not (self.row or self.column)

    @property
    def pixels(self) -> tuple[slice, slice]:
        """Where they stand in the band."""
        return slice(self.row, None, 2), slice(self.column, None, 2)

    def seen(self, known: _Known) -> list[_Known | None]:
        """What each of `_NEIGHBOURS` differs by, None where it is of this site or a later one."""
        return [self._at(known, *step) if self._is_before(*step) else None for step in _NEIGHBOURS]

    def learn(self, known: _Known, back: _Plane, base: _Plane, limit: int) -> None:
        """Let later sites see what this one's prediction differed by, up to the limit."""
        np.clip(back.astype(np.int32) - base, -limit, limit, out=self._at(known, 0, 0))

    def _at(self, known: _Known, down: int, right: int) -> _Known:
        top, left = self.row + down + 1, self.column + right + 1
        return known[top : top + 2 * self.shape[0] : 2, left : left + 2 * self.shape[1] : 2]

    def _is_before(self, down: int, right: int) -> bool:
        return ((self.row + down) % 2, (self.column + right) % 2) < (self.row, self.column)


def _sites(band: Mosaic) -> Iterator[_Site]:
    """Those that have pixels."""
    height, width = band.shape
    for row in range(min(2, height)):
        for column in range(min(2, width)):
            yield _Site(row, column, ((height - row + 1) // 2, (width - column + 1) // 2))


def _unknown(band: Mosaic) -> _Known:
    """Differences of a band of which none is known, with a border of one."""
    return np.zeros((len(band) + 2, band.shape[1] + 2), np.int32)


def _limit(difference: npt.NDArray[np.int32]) -> int:
    usual = _USUAL * np.median(np.abs(difference[::_FITTED])) + 1
    return min(int(usual), _DNS - 1)


def _weights(difference: npt.NDArray[np.int32], seen: list[_Known | None], limit: int) -> list[int]:
    """Of least squares where all is usual; 0 for neighbours that are not seen."""
    weights = [0] * len(seen)
    places = [place for place, each in enumerate(seen) if each is not None]
    if not places:
        return weights
    all_seen = np.stack([each[::_FITTED].ravel() for each in seen if each is not None], axis=1)
    wanted = difference[::_FITTED].ravel()
    usual = np.abs(wanted) <= limit
    if usual.sum() < _FEWEST:
        return weights
    columns, target = all_seen[usual].astype(np.float64), wanted[usual].astype(np.float64)
    # not `@`, whose threads wait for each other on a busy machine
    squares, products = np.einsum("ni,nj->ij", columns, columns), np.einsum("ni,n->i", columns, target)
    found = np.linalg.lstsq(squares, products, rcond=None)[0]
    for place, weight in zip(places, found, strict=True):
        weights[place] = int(np.clip(np.rint(weight * (1 << _POINT)), -_HEAVIEST, _HEAVIEST))
    return weights


def _expected(base: _Plane, seen: list[_Known | None], weights: list[int]) -> npt.NDArray[np.int32]:
    """The prediction with what its neighbours tell, DN."""
    told = np.full(base.shape, 1 << (_POINT - 1), np.int32)
    for each, weight in zip(seen, weights, strict=True):
        if each is not None and weight:
            told += each * np.int32(weight)
    told >>= _POINT
    told += base
    return told.clip(0, _DNS - 1, out=told)


def _allowed(bound: Bound, base: _Plane) -> Any:
    """The bound at each pixel, int32: one number where it is the same everywhere, by which division is fast."""
    if (bound == bound[0]).all():
        return np.int32(bound[0])
    return np.take(bound, base).astype(np.int32)


def _groups(base: _Plane) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Where the pixels of one group after the other stand, and how many there are of each.

    As many pixels have each level of the prediction, as near as its DN allow, and within a level each spread.
    """
    keys = np.take(_parts(np.bincount(base.ravel(), minlength=_DNS), _LEVELS).astype(np.uint16), base.ravel())
    keys *= _WIDEST
    keys += np.minimum(_spread(base), _WIDEST - 1).ravel()
    met = np.bincount(keys, minlength=_DNS).reshape(_LEVELS, _WIDEST)
    group = _parts(met, _SPREADS) + np.arange(_LEVELS)[:, None] * _SPREADS
    groups = np.take(group.astype(np.uint8).ravel(), keys)
    return np.argsort(groups, kind="stable"), np.bincount(groups, minlength=_GROUPS)


def _parts(met: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.intp]:
    """Which of `count` parts of equal size each value falls into, of how often values are met (last axis)."""
    up_to = np.cumsum(met, axis=-1)
    parts: npt.NDArray[np.intp] = (up_to - (met + 1) // 2) * count // np.maximum(up_to[..., -1:], 1)
    return parts


def _spread(base: _Plane) -> _Plane:
    """Greatest less least of the 3x3 pixels of a site around each; at the edge those that there are."""
    padded = np.pad(base, 1, mode="edge")
    greatest, least = (_of_three(_of_three(padded, of, 0), of, 1) for of in (np.maximum, np.minimum))
    return greatest - least


def _of_three(plane: _Plane, of: np.ufunc, axis: int) -> _Plane:
    """Greatest or least of three neighbours along an axis, which gets two shorter."""
    first, second, third = (
        plane[start : len(plane) - 2 + start] if axis == 0 else plane[:, start : plane.shape[1] - 2 + start]
        for start in range(3)
    )
    found: _Plane = of(of(first, second), third)
    return found


def _coded(values: npt.NDArray[np.int16], counts: npt.NDArray[np.intp]) -> list[bytes]:
    """Each group by itself; nothing for one without pixels."""
    pcodec = _pcodec()
    # neither differences of neighbours nor common divisors are looked for: there are none
    config = pcodec.ChunkConfig(
        compression_level=_CODED_AT, mode_spec=pcodec.ModeSpec.classic(), delta_spec=pcodec.DeltaSpec.no_op()
    )
    groups = np.split(values, np.cumsum(counts)[:-1])
    return [pcodec.standalone.simple_compress(group, config) if group.size else b"" for group in groups]


def _decoded(groups: list[bytes], order: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]) -> npt.NDArray[np.int16]:
    """Inverse of `_coded`, in the order of the pixels. Raises RuntimeError (pcodec's) or ValueError for other data."""
    decompress = _pcodec().standalone.simple_decompress_into
    values = np.empty(order.size, np.int16)
    for data, group in zip(groups, np.split(values, np.cumsum(counts)[:-1]), strict=True):
        if group.size:
            progress = decompress(data, group)
            if progress.n_processed != group.size or not progress.finished:
                raise ValueError(f"a group has other than {group.size} numbers")
        elif data:
            raise ValueError("a group without pixels has bytes")
    stored = np.empty_like(values)
    stored[order] = values
    return stored


def _restored(stored: npt.NDArray[np.int16], expected: npt.NDArray[np.int32], allowed: Any, scale: _Scale) -> _Plane:
    """What comes back of a site. None lies outside the true mosaic's DN, which takes none further from it."""
    values = stored.reshape(expected.shape).astype(np.int32)
    values *= 2 * allowed + 1
    values += expected
    np.bitwise_and(values, _DNS - 1, out=values, where=allowed == 0)  # 16 bits hold a difference but for its 65536
    return values.clip(*scale.ends, out=values).astype(np.uint16)


def _checksum(plane: _Plane) -> int:
    return zlib.crc32(plane.astype("<u2", copy=False).data)


def _pcodec() -> Any:
    try:
        import pcodec
    except ModuleNotFoundError as error:
        raise MissingExtraError("pcodec", "archive") from error
    return pcodec


def _damaged(source: str, why: str) -> ImageFileError:
    return ImageFileError(
        f"The residual that {source} carries is damaged, or of another version ({why}): use the file as it was "
        "rendered, or leave it aside by `raw_budget` 0."
    )
