"""The tones that pictures were given, file by file, and files that were given others than the rest.

A curve is what each part of LibRaw's tones became on the mean. Cameras that brighten shadows picture by picture
(adaptive lighting) and programs that set a curve for each file give curves that differ; a network that sees a part of
one picture cannot know which it was, and learns their mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.formats.pixels import Rgb8
from invisp_deploy.tolerances import TOLERANCES

Tones = tuple[float | None, ...]

PARTS: Final = 16
"""Of the 256 codes of LibRaw's luma, equally wide."""

_SHARE: Final = 0.002
"""Of the pixels that must lie in a part for its mean to say something."""

_GREY: Final = 40
"""Codes between the channels of LibRaw's pixels that count: what a look does to colours is no tone."""

_LUMA: Final = np.array([0.299, 0.587, 0.114])

_SHRUNK: Final = 4
"""Pixels a side that are seen as one: tones, without noise and sharpening."""

_FEWEST: Final = 5
"""Files from which there is a rest to differ from."""

_WIDER: Final = 3.0
"""Times what the middle one of all files differs by: files that all differ a little have no odd one among them."""


def tones_of(data: object) -> Tones:
    """A curve after JSON. Raises ValueError."""
    if not isinstance(data, list) or len(data) != PARTS:
        raise ValueError(f"a curve of tones has {PARTS} levels, got {data!r}")
    if not all(level is None or (type(level) in (int, float) and 0 <= level <= 255) for level in data):
        raise ValueError(f"levels of tones are 0 to 255, got {data}")
    return tuple(data)


def given_tones(rendering: Rgb8, picture: Rgb8) -> Tones:
    """(H, W, 3) uint8 both, of the same pixels -> mean luma of the picture, 0 to 255, in each part of the rendering's
    greyish pixels; None where too few lie.
    """
    before, after = (_shrunk(pixels).reshape(-1, 3) for pixels in (rendering, picture))
    grey = np.ptp(before, axis=1) <= _GREY
    luma, other = (pixels[grey] @ _LUMA for pixels in (before, after))
    part = np.rint(luma).astype(np.int64) // (256 // PARTS)
    counts = np.bincount(part, minlength=PARTS)
    sums = np.bincount(part, other, PARTS)
    enough = max(_SHARE * len(before), 1)
    return tuple(
        round(float(total / count), 2) if count >= enough else None for total, count in zip(sums, counts, strict=True)
    )


def odd_tones(curves: Mapping[str, Tones]) -> dict[str, str]:
    """Of files whose curve differs from the others' by more than the tolerance `tones`, how: a part of a sentence.

    What is common is the median of each part over all files; a file differs by the root mean square over its parts.
    """
    if len(curves) < _FEWEST:
        return {}
    table = np.array([[np.nan if level is None else level for level in curve] for curve in curves.values()], np.float64)
    told = np.count_nonzero(np.isfinite(table), axis=0) >= _FEWEST
    if not told.any():
        return {}
    off = table[:, told] - np.nanmedian(table[:, told], axis=0)
    counts = np.count_nonzero(np.isfinite(off), axis=1)
    by = np.sqrt(np.nansum(off**2, axis=1) / np.maximum(counts, 1))
    limit = max(TOLERANCES["tones"].limit, _WIDER * float(np.median(by[counts > 0])))
    levels = (np.flatnonzero(told) + 0.5) * (256 // PARTS)
    return {
        name: _said(row, levels, float(distance), limit)
        for name, row, distance in zip(curves, off, by, strict=True)
        if distance > limit
    }


def _said(off: npt.NDArray[Any], levels: npt.NDArray[Any], by: float, limit: float) -> str:
    most = int(np.nanargmax(np.abs(off)))
    return (
        f"its tones differ from the other files' by {by:.1f} codes, expected at most {limit:.1f}; where LibRaw shows "
        f"{levels[most]:.0f} it is {abs(off[most]):.0f} {'brighter' if off[most] > 0 else 'darker'}"
    )


def _shrunk(pixels: Rgb8) -> Rgb8:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(image.reduce(_SHRUNK) if min(image.size) >= PARTS * _SHRUNK else image)
