"""What the sensor saw above the picture's white, as the pixels of a gain map.

The map is made of squares of the mosaic, at half the picture's resolution or less, where the picture clips; elsewhere
it is 0, and adds nothing.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.formats.gain_map import GainMap
from invisp_deploy.formats.pixels import Pixels, clipped_pixels, pixels_of
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.sidedata.linear import OFFSET, WHITE, Highlights, by_site, light
from invisp_deploy.sidedata.saturation import Shares, saturated_from

Stops = npt.NDArray[np.uint16]
"""Gains, in 4096ths of a stop."""

_STOP: Final = 4096
_MOST: Final = 8 * _STOP
_STRIP: Final = 64
_QUALITIES: Final = (92, 85, 75, 60)
_SCALES: Final = (2, 4, 8, 16)
_LARGEST: Final = 1 << 23
"""Pixels of a map: libjpeg holds all of a picture for the Huffman code that fits it best."""

_ABOVE: Final = 1.02
"""What is saturated is taken for so much brighter, so that it comes back saturated through the map's JPEG."""

_BRIGHT: Final = (0.8, 0.97)
_DARK: Final = 0.01
_LEAST: Final = 1 / 16
"""Stops above white from which a map says something."""


@dataclass(frozen=True)
class Brighter:
    """How much brighter the scene is than the picture. stops: (H / 2, W / 2, 3), 0 where the picture does not clip.
    count: (H / 2, W / 2) uint8, pixels of each square that clip. ends: from where on colours are saturated.
    """

    stops: Stops
    count: npt.NDArray[np.uint8]
    ends: Shares


def brighter(mosaic: Mosaic, recipe: Recipe, pixels: Pixels, exposure: float = 1.0) -> Brighter | None:
    """Compare a mosaic (H, W) with its picture (H, W, 3), both even; None where nothing lies above white.

    exposure: what the picture shows of the scene's light just below white, as a multiple of it.

    Where a colour of the sensor is saturated, the scene is taken for no more coloured than the mean of the two others:
    a blown sky is white on a screen of high range, and not the colour of the gains. Back on the sensor that is
    saturated again, so nothing is lost by it.
    """
    height, width = mosaic.shape
    ends: Shares | None = None
    stops = np.zeros((height // 2, width // 2, 3), np.uint16)  # pages that are never written take no memory
    count = np.zeros((height // 2, width // 2), np.uint8)
    for top in range(0, height // 2, _STRIP):
        strip = slice(top, min(top + _STRIP, height // 2))
        rows = slice(2 * strip.start, 2 * strip.stop)
        clipped = by_site(clipped_pixels(pixels[rows])).sum(axis=0, dtype=np.uint8)
        there = clipped > 0
        if there.any():
            count[strip] = clipped
            ends = saturated_from(mosaic, recipe) if ends is None else ends
            scene = _scene(by_site(mosaic[rows])[:, there], recipe, ends) * exposure
            shown = light(pixels[rows], 2 * top, None).reshape(3, 4, *there.shape)[:, :, there].mean(axis=1) / WHITE
            above = np.log2(np.maximum(scene + OFFSET / WHITE, OFFSET / WHITE) / (shown + OFFSET / WHITE))
            stops[strip][there] = np.rint(np.clip(above * _STOP, 0, _MOST)).T
    return Brighter(stops, count, ends) if ends is not None and stops.max(initial=0) >= _LEAST * _STOP else None


def exposure_of(mosaic: Mosaic, recipe: Recipe, pixels: Pixels) -> float:
    """By how much a look shows what is bright, but not white, brighter than it is: 1 for one that shows nothing bright.

    The median over squares whose brightest channel is between 80 and 97 % of white, of every eighth pair of rows.
    """
    found = []
    least, most = (round(share * np.iinfo(pixels.dtype).max) for share in _BRIGHT)
    for top in range(0, len(mosaic) - 1, 16):
        rows = slice(top, top + 2)
        shown = light(pixels[rows], top, None).reshape(3, 4, -1).mean(axis=1) / WHITE
        largest = pixels[rows].max(axis=(0, 2)).reshape(-1, 2).max(axis=1)
        there = (largest >= least) & (largest <= most)
        if there.any():
            scene = _scene(by_site(mosaic[rows])[:, 0, there], recipe, np.full(3, np.inf))
            found.append(shown[:, there].sum(axis=0) / np.maximum(scene.sum(axis=0), _DARK))
    return float(np.median(np.concatenate(found))) if found else 1.0


def fitted_gain_map(found: Brighter, most: float) -> GainMap | None:
    """The finest map of at most `most` bytes; None where none fits."""
    for scale in _SCALES:
        if found.count.size * 4 > _LARGEST * scale**2:
            continue
        codes, sixteenths = _in_codes(found, scale)
        made = _coded_within(codes, most)
        if made:
            return GainMap(made, sixteenths)
    return None


def all_highlights(found: Brighter) -> Highlights:
    """The same without a file: no JPEG is between it and the mosaic."""
    return Highlights(*_in_codes(found, _SCALES[0]), _SCALES[0])


def _in_codes(found: Brighter, scale: int) -> tuple[npt.NDArray[np.uint8], int]:
    """Codes of a map, one to `scale` x `scale` pixels of the picture, and the sixteenths of a stop of the code 255."""
    stops = _reduced(found, scale // 2)
    sixteenths = max(-(-int(stops.max()) * 16 // _STOP), 1)
    table = np.rint(np.minimum(np.arange(_MOST + 1) * (255 * 16 / (_STOP * sixteenths)), 255)).astype(np.uint8)
    return _looked_up(table, stops), sixteenths


def _looked_up(table: npt.NDArray[np.uint8], places: Stops) -> npt.NDArray[np.uint8]:
    """table[places], in strips: an index takes eight bytes."""
    found = np.empty(places.shape, np.uint8)
    for top in range(0, len(places), _STRIP):
        found[top : top + _STRIP] = table[places[top : top + _STRIP]]
    return found


def _coded_within(codes: npt.NDArray[np.uint8], most: float) -> bytes:
    """(h, w, 3) as a JPEG of the best of `_QUALITIES` with which it has at most `most` bytes; empty for none."""
    best, usual, *lower = _QUALITIES
    made = _coded(codes, usual)
    if len(made) <= most:
        finer = _coded(codes, best)
        return finer if len(finer) <= most else made
    for quality in lower:
        if len(made) > 2.5 * most:  # a coarser map it is
            break
        made = _coded(codes, quality)
        if len(made) <= most:
            return made
    return b""


def highlights_of(gain_map: GainMap, height: int, width: int) -> Highlights | None:
    """What a map adds to a picture of that size; None for one that we did not make, or that cannot be decoded."""
    from PIL.JpegImagePlugin import JpegImageFile

    try:
        codes = pixels_of(JpegImageFile(io.BytesIO(gain_map.image)))
    except OSError:
        return None
    for scale in _SCALES:
        if codes.shape[:2] == (-(-height // scale), -(-width // scale)):
            return Highlights(codes, gain_map.sixteenths, scale)
    return None


def _scene(sites: npt.NDArray[np.uint16], recipe: Recipe, ends: Shares) -> npt.NDArray[np.float64]:
    """(4, n) DN -> (3, n): linear sRGB of each square, 1 at the picture's white. ends: where colours saturate."""
    black = np.reshape(recipe.black, (4, 1))
    share = (sites - black) / (recipe.white - black)
    colours = np.array(["RGB".index(each) for each in recipe.cfa])
    camera = np.stack([share[colours == colour].mean(axis=0) for colour in range(3)])
    saturated = np.stack([(share[colours == colour] >= ends[colour]).any(axis=0) for colour in range(3)])
    camera *= np.reshape(recipe.gains, (3, 1))
    others = (camera.sum(axis=0) - camera) / 2
    whole = np.where(saturated, np.maximum(camera * _ABOVE, others), camera)
    whole = np.where(saturated.all(axis=0), whole.max(axis=0), whole)
    return whole if recipe.matrix is None else np.array(recipe.matrix) @ whole


def _reduced(found: Brighter, step: int) -> Stops:
    """Means of `step` x `step` squares over the pixels that clip."""
    if step == 1:
        return found.stops
    total = np.maximum(_summed(found.count, step), 1)
    colours = [(_summed(found.stops[..., colour] * found.count.astype(np.uint32), step)) for colour in range(3)]
    return np.stack([(each + total // 2) // total for each in colours], axis=2).astype(np.uint16)


def _summed(values: npt.NDArray[Any], step: int) -> npt.NDArray[np.uint32]:
    height, width = values.shape
    filled = np.pad(values, ((0, -height % step), (0, -width % step)))
    squares = filled.reshape(-(-height // step), step, -(-width // step), step)
    summed: npt.NDArray[np.uint32] = squares.sum(axis=(1, 3), dtype=np.uint32)
    return summed


def _coded(codes: npt.NDArray[np.uint8], quality: int) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(codes).save(stream, "JPEG", quality=quality, subsampling="4:4:4", optimize=True)
    return stream.getvalue()
