"""A JPEG of linear light: its tones are brought below white, and a gain map has them back.

The tones are those of E. Reinhard and others, "Photographic Tone Reproduction for Digital Images" (SIGGRAPH 2002),
equation 4: with luminance L, and W that of the brightest place, colours are multiplied by

    (1 + L / W ** 2) / (1 + L)

so that W becomes white. A picture of which nothing is brighter than white stays as it is.
"""

from __future__ import annotations

import io
import math
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.files import whole_file
from invisp_deploy.formats.gain_map import OFFSET, GainMap, packet_with_gain_map, second_image, with_gain_map
from invisp_deploy.formats.hdr import Linear
from invisp_deploy.formats.metadata import NONE, Metadata
from invisp_deploy.formats.picture import srgb_profile
from invisp_deploy.formats.picture_tags import fitting_jpeg, of_picture
from invisp_deploy.formats.pixels import Rgb8

_LUMINANCE: Final = np.array((0.2126, 0.7152, 0.0722), np.float32)
_ROWS: Final = 256
_SCALE: Final = 2
"""Pixels to one of the map, each way."""

_QUALITY: Final = 92
"""Of the map."""

_MOST_STOPS: Final = 16.0


def write_tone_mapped(
    path: Path,
    linear: Linear,
    metadata: Metadata = NONE,
    *,
    quality: int = 90,
    subsampling: str = "4:2:2",
    overwrite: bool = True,
) -> tuple[str, ...]:
    """Write (H, W, 3) upright, whole or not at all; a sentence on each thing that the file does not hold.

    Raises RequestError for a file that is there and not to be overwritten; OutputError.
    """
    from PIL import Image

    pixels, gain_map = tone_mapped(linear)
    described, notes = fitting_jpeg(of_picture(metadata, 1, linear.shape[1], linear.shape[0]))
    stream = io.BytesIO()
    Image.fromarray(pixels).save(
        stream,
        "JPEG",
        quality=quality,
        subsampling=subsampling,
        exif=b"Exif\0\0" + described.exif_block(),
        icc_profile=srgb_profile(),
        xmp=described.xmp if gain_map is None and described.xmp else None,
    )
    data = stream.getvalue()
    with whole_file(path, overwrite=overwrite) as part, part.open("wb") as file:
        if gain_map is None:
            file.write(data)
            return (*notes, "nothing lies above white: no gain map is written.")
        second = second_image(gain_map)
        packet, more = packet_with_gain_map(described.xmp, len(second))
        file.writelines(with_gain_map(data, packet, (), [second]))
    return notes + more


def tone_mapped(linear: Linear) -> tuple[Rgb8, GainMap | None]:
    """(H, W, 3) codes of sRGB, and the gain map, of half the sides, with which they are that light again; None where
    nothing is brighter than white.
    """
    height, width = linear.shape[:2]
    strips = [slice(top, top + _ROWS) for top in range(0, height, _ROWS)]
    brightest = max(float((linear[rows].astype(np.float32) @ _LUMINANCE).max()) for rows in strips)
    above = max(float(linear[rows].max()) for rows in strips) > 1
    pixels = np.empty(linear.shape, np.uint8)
    gains = np.zeros((-(-height // _SCALE), -(-width // _SCALE), 3), np.float32)
    for rows in strips:
        light = linear[rows].astype(np.float32)
        luminance = np.maximum(light @ _LUMINANCE, 0)
        factor = (1 + luminance / max(brightest, 1) ** 2) / (1 + luminance) if above else np.ones_like(luminance)
        mapped = np.clip(light * factor[..., None], 0, 1) + np.float32(0)  # which takes the sign of a zero away
        pixels[rows] = _codes()[mapped.astype(np.float16).view(np.uint16)]
        there = slice(rows.start // _SCALE, -(-min(rows.stop, height) // _SCALE))
        gains[there] = np.log2((_reduced(np.maximum(light, 0)) + 1 / OFFSET) / (_reduced(mapped) + 1 / OFFSET))
    return pixels, _map_of(gains) if above else None


def _reduced(light: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Means of squares; at the edge the outermost pixels count again."""
    height, width = light.shape[:2]
    even = np.pad(light, ((0, -height % _SCALE), (0, -width % _SCALE), (0, 0)), mode="edge")
    means: npt.NDArray[np.float32] = even.reshape(-(-height // _SCALE), _SCALE, -(-width // _SCALE), _SCALE, 3).mean(
        axis=(1, 3)
    )
    return means


def _map_of(gains: npt.NDArray[np.float32]) -> GainMap:
    """gains: (h, w, 3) stops."""
    from PIL import Image

    sixteenths = max(math.ceil(min(float(gains.max()), _MOST_STOPS) * 16), 1)
    codes = np.rint(np.clip(gains * (255 * 16 / sixteenths), 0, 255)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(codes).save(stream, "JPEG", quality=_QUALITY, subsampling="4:4:4", optimize=True)
    return GainMap(stream.getvalue(), sixteenths)


@lru_cache(maxsize=1)
def _codes() -> npt.NDArray[np.uint8]:
    """The code of every half float from 0 to 1 (IEC 61966-2-1)."""
    light = np.arange(int(np.float16(1).view(np.uint16)) + 1, dtype=np.uint16).view(np.float16).astype(np.float64)
    curved = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    codes: npt.NDArray[np.uint8] = np.rint(255 * curved).astype(np.uint8)
    return codes
