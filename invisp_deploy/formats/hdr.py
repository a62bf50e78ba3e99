"""Pictures of linear light, in which white is no end: OpenEXR (half floats) and AVIF (10 bits, BT.2100 PQ).

1.0 is white as a screen without HDR shows it. Pixels are upright, since neither format is turned by Exif.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import MissingExtraError, OutputError, RequestError
from invisp_deploy.files import whole_file
from invisp_deploy.formats.avif_items import with_items
from invisp_deploy.formats.ifd import shorts
from invisp_deploy.formats.metadata import NONE, Metadata
from invisp_deploy.formats.picture_tags import of_picture

Linear = npt.NDArray[np.float16]
"""(H, W, 3), linear light with the primaries of sRGB; 1.0 is white, negative values are colours beyond sRGB."""

WHITE_NITS: Final = 203
"""cd/m2 of white (ITU-R BT.2408)."""

_EXTRA: Final = "hdr"
_LARGEST_HALF: Final = 65504
_MAGNITUDE: Final = 0x7FFF
"""A half float without its sign."""

_PEAK: Final = 10000  # cd/m2, of PQ
_BITS: Final = 10
_SRGB: Final = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""Chromaticities of red, green, blue and white."""

SRGB_TO_BT2020: Final = (
    (0.627404, 0.329283, 0.043313),
    (0.069097, 0.919540, 0.011362),
    (0.016391, 0.088013, 0.895595),
)
"""ITU-R BT.2087, from the primaries."""

# ISO/IEC 23091-2: colour primaries, transfer characteristics, matrix coefficients
_BT2020, _PQ, _BT2020_LUMA = 9, 16, 9
_UNCALIBRATED: Final = 0xFFFF
_COLOR_SPACE: Final = 0xA001
_ROWS: Final = 256

# Attribute of OpenEXR -> directory and tag that say the same
_TEXTS: Final = {
    "cameraMake": ("ifd0", 0x010F),
    "cameraModel": ("ifd0", 0x0110),
    "cameraSerialNumber": ("exif", 0xA431),
    "lensMake": ("exif", 0xA433),
    "lensModel": ("exif", 0xA434),
    "capDate": ("exif", 0x9003),
    "owner": ("ifd0", 0x8298),
    "comments": ("ifd0", 0x010E),
}
_NUMBERS: Final = {
    "expTime": ("exif", 0x829A),
    "aperture": ("exif", 0x829D),
    "isoSpeed": ("exif", 0x8827),
    "nominalFocalLength": ("exif", 0x920A),
}
_PLACES: Final = {"latitude": (1, 2, b"S"), "longitude": (3, 4, b"W")}
"""Tags of the GPS directory: which half, and degrees, minutes, seconds; the half of negative degrees."""


def writer_for(path: Path) -> Any:
    """The module that writes files of that ending. Raises MissingExtraError."""
    module = "OpenEXR" if path.suffix.lower() == ".exr" else "imagecodecs"
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(module, _EXTRA) from error


def write_exr(path: Path, linear: Linear, metadata: Metadata = NONE, *, overwrite: bool = True) -> None:
    """Half floats, deflated without loss; of the metadata what OpenEXR has names for.

    Raises RequestError for another array, or one that is not finite, and for a file that is there and not to be
    overwritten; MissingExtraError without the package OpenEXR; OutputError.
    """
    _check(linear, _LARGEST_HALF, "half floats end there")
    OpenEXR = writer_for(path)  # noqa: N806 - a module
    header = {
        "compression": OpenEXR.ZIP_COMPRESSION,
        "type": OpenEXR.scanlineimage,
        "chromaticities": _SRGB,
        "whiteLuminance": float(WHITE_NITS),
        **_attributes(metadata),
    }
    with whole_file(path, overwrite=overwrite) as part:
        try:
            OpenEXR.File(header, {"RGB": np.ascontiguousarray(linear)}).write(str(part))
        except RuntimeError as error:
            raise OutputError(f"{path} could not be written: {error}.") from error


def write_avif(
    path: Path,
    linear: Linear,
    metadata: Metadata = NONE,
    *,
    white_nits: float = WHITE_NITS,
    quality: int = 90,
    overwrite: bool = True,
) -> None:
    """10 bits of PQ with the primaries of BT.2020, chroma 4:2:0, as every decoder of AVIF takes them; Exif and XMP.

    white_nits: cd/m2 of 1.0, 1 to 10,000. quality: 1 to 100. What is darker than black becomes black. Raises
    RequestError for another array, one that is not finite or beyond PQ's 10,000 cd/m2, and for a file that is there and
    not to be overwritten; MissingExtraError without the package imagecodecs; OutputError.
    """
    if not 1 <= white_nits <= _PEAK or not 1 <= quality <= 100:
        raise RequestError(
            f"White is 1 to {_PEAK} cd/m2 and a quality 1 to 100, got `white_nits` {white_nits:g}, `quality` {quality}."
        )
    _check(linear, _PEAK / white_nits, f"PQ ends there where white is {white_nits:g} cd/m2")
    imagecodecs = writer_for(path)
    codes, light = _pq_codes(linear, white_nits)
    height, width = linear.shape[:2]
    described = of_picture(metadata, 1, width, height)
    described = replace(described, exif={**described.exif, _COLOR_SPACE: shorts(_UNCALIBRATED)})
    data = imagecodecs.avif_encode(
        codes,
        level=quality,
        speed=8,
        bitspersample=_BITS,
        pixelformat="420",
        primaries=_BT2020,
        transfer=_PQ,
        matrix=_BT2020_LUMA,
    )
    with whole_file(path, overwrite=overwrite) as part:
        part.write_bytes(with_items(bytes(data), described.exif_block(), described.xmp, light))


def _check(linear: Linear, most: float, why: str) -> None:
    if linear.ndim != 3 or linear.shape[2] != 3 or not linear.size or linear.dtype != np.float16:
        raise RequestError(f"Linear light is (H, W, 3) float16, got {linear.shape} {linear.dtype}.")
    bits = max(int((strip.view(np.uint16) & _MAGNITUDE).max()) for strip in _strips(linear))
    if not float(np.uint16(bits).view(np.float16)) <= most:  # bits without a sign have the order of the numbers
        smallest, largest = float(linear.min()), float(linear.max())
        raise RequestError(
            f"The picture has values from {smallest:g} to {largest:g}, expected {most:g} times white at most, for "
            f"{why}: scale or clip it."
        )


def _strips(linear: Linear) -> Iterator[Linear]:
    for top in range(0, len(linear), _ROWS):
        yield linear[top : top + _ROWS]


def _attributes(metadata: Metadata) -> dict[str, Any]:
    """Standard attributes of OpenEXR that say what the metadata do."""
    parts = {"ifd0": metadata.ifd0, "exif": metadata.exif}
    texts = {name: parts[part][tag].text for name, (part, tag) in _TEXTS.items() if tag in parts[part]}
    numbers = {name: parts[part][tag].numbers[:1] for name, (part, tag) in _NUMBERS.items() if tag in parts[part]}
    found: dict[str, Any] = {name: text for name, text in texts.items() if text}
    found |= {name: float(values[0]) for name, values in numbers.items() if values and np.isfinite(values[0])}
    gps = metadata.gps
    for name, (half, degrees, negative) in _PLACES.items():
        if half in gps and degrees in gps and gps[degrees].count == 3:
            place = sum(value / 60**power for power, value in enumerate(gps[degrees].numbers))
            if np.isfinite(place):
                found[name] = -place if gps[half].data.startswith(negative) else place
    return found


def _pq_codes(linear: Linear, white_nits: float) -> tuple[npt.NDArray[np.uint16], tuple[int, int]]:
    """(H, W, 3) uint16 codes, and cd/m2 of the brightest sample and of the mean of the brightest of each pixel."""
    codes = np.empty(linear.shape, np.uint16)
    matrix, table = np.array(SRGB_TO_BT2020, np.float32).T, _pq_table(white_nits)
    most, total = 0.0, 0.0
    for top, strip in zip(range(0, len(linear), _ROWS), _strips(linear), strict=True):
        wide = np.maximum(strip.astype(np.float32) @ matrix, 0)
        brightest = wide.max(2)
        most, total = max(most, float(brightest.max())), total + float(brightest.sum(dtype=np.float64))
        codes[top : top + _ROWS] = table[wide.astype(np.float16).view(np.uint16)]
    mean = total / (linear.size // 3)
    return codes, (min(_PEAK, round(most * white_nits)), min(_PEAK, round(mean * white_nits)))


@lru_cache(maxsize=1)
def _pq_table(white_nits: float) -> npt.NDArray[np.uint16]:
    """The code of every half float that is not negative (SMPTE ST 2084; ITU-R BT.2100, table 4)."""
    values = np.arange(1 << 15, dtype=np.uint16).view(np.float16).astype(np.float64)
    part = np.minimum(np.nan_to_num(values, posinf=_PEAK) * white_nits / _PEAK, 1) ** (2610 / 16384)
    signal = ((3424 / 4096 + 2413 / 128 * part) / (1 + 2392 / 128 * part)) ** (2523 / 32)
    return np.rint(signal * ((1 << _BITS) - 1)).astype(np.uint16)
