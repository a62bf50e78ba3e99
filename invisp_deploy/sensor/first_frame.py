"""Whether a frame makes sense in the layout that was said, and which other would make sense of it.

Neighbours of one colour resemble each other, across and down, in every photograph. Read in another packing or byte
order they do not across, with another stride not down: then all layouts and strides that the bytes allow are tried, and
only what explains the frame much better is a reason to refuse it. Noise, flat and dark frames are as good in one layout
as in another, so they pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import RawFileError
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.sensor.layouts import LAYOUTS, Layout
from invisp_deploy.sensor.unpack import FrameBytes, unpack

SURE: Final = 0.5
"""Neighbours differ by less than this share of what any two pixels do: the frame is a picture, read as it should be, or
nearly so: smooth ones are as smooth when their rows are sheared by a few pixels.
"""

BETTER: Final = 0.8
"""Another reading explains a frame where neighbours differ by less than this, and than this of what they do as said."""

_BANDS: Final = 3
_BAND: Final = 24  # rows
_COLUMNS: Final = 2048
_LEAST: Final = 32  # pixels of a side: of smaller frames too few neighbours are seen
_PADDING: Final = 512  # bytes of a row that other strides may leave unused
_ALIGNED: Final = (1, 16, 32, 64, 128, 256, 512)
_CHANCE: Final = 0.9  # what is tried later has to be better by more than that
_LOSSY: Final = 0.5  # PiSP makes smooth pictures of any bytes
_CLEAR: Final = 0.6  # of the clearest repetition
_WIDE: Final = 50  # a peak is as wide as a 50th of what it is at
_SAME: Final = 0.4  # of all steps between neighbours
_FLAT: Final = 0.9
_NEAR: Final = 16
_FILLED: Final = 0.99
_FEW: Final = 16  # values
_KEPT: Final = (0.25, 0.5)  # of samples that change: noise keeps its low four bits in 1 of 16, high ones stay in most
_PEAK: Final = 9  # medians of the others, which of noise is about six of its standard deviations
_SMOOTH: Final = 31  # lags: what is broader is the picture, not its rows


@dataclass(frozen=True)
class Reading:
    """One way to take the bytes of a frame. width: pixels. stride: bytes from a row to the next."""

    layout: Layout
    width: int
    stride: int


class FrameCheck:
    """Checks the frames of a source in their order: the first one thoroughly, later ones by a look at 24 of their rows.

    Where a frame stops making sense that came after one that did, it is checked as the first one was.
    """

    def __init__(self, layout: Layout, width: int, height: int, stride: int | None = None) -> None:
        self._said = Reading(layout, width, layout.stride_of(width, stride))
        self._height = height
        self._first = True
        self._sure = False

    def check(self, data: FrameBytes, name: str) -> None:
        """Raises RawFileError where another reading makes more sense of a frame, with that reading."""
        if self._height < 2 * _BAND or self._said.width < _LEAST:
            return
        places = _places(self._said, self._height, 1 if self._sure else _BANDS)
        said = unlikeness(data, self._said, places)
        if self._first or (self._sure and said >= SURE):
            self._doubt(data, name, _places(self._said, self._height, _BANDS))
        self._first, self._sure = False, said < SURE

    def _doubt(self, data: FrameBytes, name: str, places: list[tuple[int, int]]) -> None:
        now = unlikeness(data, self._said, places)
        if not self._first and now >= SURE and (lost := _begins_late(data, self._said, now, places)):
            raise RawFileError(
                f"{name} makes sense in {self._said.layout.name} from its byte {lost} on: bytes were lost, and what "
                "follows begins within a group of samples. Start the source again."
            )
        if (other := _better(data, self._said, now, places)) is not None:
            raise RawFileError(_sentence(name, self._said, other, first=self._first))


def unlikeness(data: FrameBytes, reading: Reading, places: list[tuple[int, int]]) -> float:
    """What neighbours of one colour differ by, as a share of what any two pixels of it do, at the worst of the four
    sites and of across and down: near 0 in a smooth picture, 1 where there is nothing but noise. Infinite for bytes
    that cannot be of this reading; 0 for a frame that says nothing: a flat one, a test pattern.

    places: first byte and number of bytes of each part that is looked at.
    """
    try:
        bands = [*_bands(data, reading, places)]
    except RawFileError:
        return float("inf")
    step = 4 if reading.layout.packing.compressed else 1  # within its blocks whatever bytes are smooth
    return max(_unlike([band[top::2, left::2] for band in bands], step) for top in (0, 1) for left in (0, 1))


def _unlike(sites: list[Mosaic], step: int) -> float:
    values = [site.astype(np.int32) for site in sites]
    every = np.concatenate([each.ravel() for each in values])
    across, down = (np.concatenate([np.diff(each, axis=axis).ravel() for each in values]) for axis in (1, 0))
    if _made(every, across):
        return 0.0
    if step > 1:
        across = np.concatenate([np.diff(each, axis=1)[:, step - 1 :: step].ravel() for each in values])
    any_two = np.abs(every - every[_shuffled(every.size)]).mean()
    return float(max(np.abs(across).mean(), np.abs(down).mean()) / any_two)


def _made(values: npt.NDArray[np.int32], steps: npt.NDArray[np.int32]) -> bool:
    """Whether no sensor saw it: test patterns have few values, or one step between most neighbours; so have frames that
    are clipped or black, of which nothing can be said either. Between those of 8 bits there is often none.
    """
    kinds, counts = np.unique(steps, return_counts=True)
    shares = counts / steps.size
    flat, stepped = shares[kinds == 0].sum() > _FLAT, (shares[kinds != 0] > _SAME).any()
    return bool(flat or stepped or len(np.unique(values)) < _FEW)


@cache
def _shuffled(size: int) -> npt.NDArray[np.intp]:
    return np.random.default_rng(0).permutation(size)


def _places(said: Reading, height: int, count: int) -> list[tuple[int, int]]:
    """Rows that follow each other, at places that divide the frame evenly."""
    first = [(height - _BAND) * (each + 1) // (count + 1) for each in range(count)]
    return [(row * said.stride, _BAND * said.stride) for row in first]


def _bands(data: FrameBytes, reading: Reading, places: list[tuple[int, int]]) -> Iterator[Mosaic]:
    """Raises RawFileError for bits that no sample of the layout has."""
    view, stride = memoryview(data), reading.stride
    for begin, size in places:
        rows = max(4, size // stride)
        first = min(-(-begin // stride), len(data) // stride - rows)
        part = view[first * stride : (first + rows) * stride]
        mosaic = unpack(part, reading.layout, reading.width, rows, stride)
        _check_low_bits(part, reading, rows)
        _check_pairs(mosaic, reading)
        left = max(0, reading.width - _COLUMNS) // 4 * 2
        yield mosaic[:, left : left + _COLUMNS]


def _check_low_bits(part: memoryview, reading: Reading, rows: int) -> None:
    """Below a shifted sample stand zeros or its own highest bits. Raises RawFileError for others."""
    packing = reading.layout.packing
    lowest = min(packing.places[0]) if packing.places else 0
    if packing.bytes != 2 or not lowest or packing.places[0][0] > packing.places[0][-1]:
        return
    words = np.ndarray((rows, reading.width), "<u2", part, strides=(reading.stride, 2))
    below = words & (1 << lowest) - 1
    repeated = words >> lowest >> packing.bits - lowest
    if np.count_nonzero((below != 0) & (below != repeated)) > words.size // 100:
        raise RawFileError(f"The {lowest} low bits are of samples: they are not those of {packing.name}.")


def _check_pairs(mosaic: Mosaic, reading: Reading) -> None:
    """Of two samples in three bytes one does not keep its low bits while it changes, where the other does not: they are
    high ones, as of BayerRG12p in BayerRG12Packed, whose every second sample is right. Raises RawFileError for such.
    """
    packing = reading.layout.packing
    if (packing.pixels, packing.bits) != (2, 12):
        return
    kept: list[float] = []
    for samples in (mosaic[:, ::2], mosaic[:, 1::2]):
        changes = samples[:, 1:] ^ samples[:, :-1]
        changed = max(int(np.count_nonzero(changes)), 1)
        kept.append(1 - int(np.count_nonzero(changes & 15)) / changed if changed > changes.size // 100 else 0.0)
    if min(kept) < _KEPT[0] and max(kept) > _KEPT[1]:
        raise RawFileError(f"Low bits of every second sample are high ones: they are not those of {packing.name}.")


def _better(data: FrameBytes, said: Reading, now: float, places: list[tuple[int, int]]) -> Reading | None:
    """The reading that explains the frame best, if it does so by far. now: unlikeness of the said one."""
    clear = _clear_strides(data, said)
    apart = _other_rows(said, clear) if clear and said.stride not in clear else None
    if apart is not None and now > 0:
        better = 0 < unlikeness(data, apart, places) < BETTER * now
        near = abs(apart.stride - said.stride) < said.stride // _NEAR  # slanted lines are straight there
        if (better and ((now >= SURE and not near) or _runs_on(data, said))) or _is_padded(data, apart):
            return apart
    if now < SURE:
        return None
    best, least = None, min(BETTER, BETTER * now)
    for reading in _other_layouts(said, clear):
        found = unlikeness(data, reading, places)
        if 0 < found < least * (_LOSSY if reading.layout.packing.compressed else 1):
            best, least = reading, _CHANCE * found
    return best


def _begins_late(data: FrameBytes, said: Reading, now: float, places: list[tuple[int, int]]) -> int:
    """At which byte of its first group of samples a frame begins to make sense; 0 where it does not."""
    for lost in range(1, said.layout.packing.bytes):
        if 0 < unlikeness(memoryview(data)[lost:], said, places) < min(BETTER, BETTER * now):
            return lost
    return 0


def _other_rows(said: Reading, clear: list[int]) -> Reading | None:
    """The layout as it was said, with rows as far apart as they seem to be; where they are too short for the width,
    that is another, too.
    """
    packing = said.layout.packing
    nearest = min(clear, key=lambda each: abs(np.log(each / said.stride)))  # half and double of it repeat as clearly
    stride = next(each for each in clear if abs(each - nearest) <= nearest // _WIDE)
    if stride >= said.layout.row_bytes(said.width):
        return replace(said, stride=stride)
    width = stride // packing.bytes * packing.pixels // 2 * 2
    return Reading(said.layout, width, stride) if width >= _LEAST else None


def _other_layouts(said: Reading, clear: list[int]) -> Iterator[Reading]:
    """Every other layout that the bytes allow, the likelier first, with rows as far apart as they seem to be, or, where
    they do not show it, as far as hardware puts them.

    Shifted words come first, as they prove themselves by their low bits; then words of few bits, by their high ones.
    Among equals those of as many bits as were said: a dim frame of 12 bits is one of 10 as well.
    """
    same = [each for each in LAYOUTS.values() if each.cfa == (said.layout.cfa or "RGGB") and not each.table]
    others = [each for each in same if each.packing != said.layout.packing]
    for layout in sorted(others, key=lambda layout: _proof(layout, said.layout.bits)):
        least = layout.row_bytes(said.width)
        made = [*dict.fromkeys([said.stride, *(-(-least // each) * each for each in _ALIGNED)])]
        seen = [each for each in made if each in clear] or clear
        for stride in [said.stride] if said.stride in clear else seen or made:
            whole = layout.packing.bytes != 2 or stride % 2 == 0
            if whole and least <= stride <= least + min(_PADDING, least // 2):
                yield Reading(layout, said.width, stride)


def _proof(layout: Layout, bits: int) -> tuple[bool, bool, bool, bool, int]:
    packing = layout.packing
    return (
        packing.compressed,
        not layout.name.startswith("tegra"),
        packing.bytes != 2 or packing.bits == 16 != bits,
        packing.bits != bits,
        packing.bits,
    )


def _clear_strides(data: FrameBytes, said: Reading) -> list[int]:
    """Distances at which the bytes repeat, the clearest first: a peak of their autocorrelation is a few pixels wide,
    and the sum over 2, 4, ... 16 rows a byte or two. None where nothing stands out.

    The spectrum is whitened by half, as for the registration of pictures by phase.
    """
    step = said.layout.packing.bytes
    low, high = max(said.stride * 2 // 5, 1), said.stride * 5 // 2
    size = min(len(data), 64 * high, 1 << 20)
    middle = (len(data) - size) // 2
    values = np.frombuffer(data, np.uint8)[middle : middle + size].astype(np.float32)
    spectrum = np.abs(np.fft.rfft(values - values.mean(), 1 << (2 * size - 1).bit_length()))
    repeats = np.fft.irfft(spectrum)
    reach = _SMOOTH // 2 * step
    around = np.arange(max(low - reach, 1), min(high + reach, size // 20))
    lags = around[reach:-reach]
    if len(lags) < 4 * reach:
        return []
    total = np.sum([repeats[2 * rows * around] for rows in range(1, 9)], axis=0)
    kernel = np.zeros(2 * reach + 1)
    kernel[::step] = 1 / _SMOOTH  # places of the pack have levels of their own
    total = total[reach:-reach] - np.convolve(total, kernel, "valid")
    best = np.argsort(total)[::-1][:6]
    least = max(_CLEAR * total[best[0]], _PEAK * float(np.median(np.abs(total))))
    return [int(lags[each]) for each in best if total[each] > least]


def _is_padded(data: FrameBytes, reading: Reading) -> bool:
    """Whether nearly all rows end with the same byte over and over, which the samples before do not."""
    used = reading.layout.row_bytes(reading.width)
    rows = np.frombuffer(data, np.uint8)[: len(data) // reading.stride * reading.stride].reshape(-1, reading.stride)
    if reading.stride - used < 4:
        return False
    padding, samples = rows[:, used:], rows[:, 2 * used - reading.stride : used]
    filling = padding[0, 0]
    return bool((padding == filling).mean() > _FILLED and (samples == filling).mean() < 0.5)


def _runs_on(data: FrameBytes, said: Reading) -> bool:
    """Whether the end of a row goes on at the begin of the next as if there were no border of the picture between.

    So it is where the rows of a smooth picture are sheared, but not in a picture of slanted lines.
    """
    packing = said.layout.packing
    if said.stride % packing.bytes:
        return False
    width = said.stride // packing.bytes * packing.pixels // 2 * 2
    rows = len(data) // said.stride
    try:
        mosaic = unpack(memoryview(data)[: rows * said.stride], said.layout, width, rows, said.stride).astype(np.int32)
    except RawFileError:
        return False
    inside = np.median(np.abs(mosaic[:, 2:] - mosaic[:, :-2]))
    border = np.median(np.abs(mosaic[1:, :2] - mosaic[:-1, -2:]))
    return bool(border <= 2 * inside + 1)


def _sentence(name: str, said: Reading, other: Reading, *, first: bool) -> str:
    changes = []
    if other.layout.packing != said.layout.packing:
        changes.append(f"`format` {other.layout.name}")
    if other.width != said.width:
        changes.append(f"`pipe` {other.width}xHEIGHT")
    if other.stride != other.layout.row_bytes(other.width) or other.stride != said.stride:
        changes.append(f"`stride` {other.stride}")
    since = "" if first else " since this frame"
    return (
        f"{name} makes no sense in {said.layout.name} with rows of {said.width} pixels in {said.stride} bytes: "
        f"neighbours of one colour differ as if they were of other places. In {other.layout.name} with rows of "
        f"{other.width} pixels in {other.stride} bytes they agree{since}: pass {' and '.join(changes)}, or `force` "
        "where the frame is right as it is."
    )
