"""DNG out: the mosaic bit for bit, with what other programs need to develop it.

Layout as Adobe's own files have it: the first directory holds the preview and all camera tags, a sub
directory the mosaic with its levels (DNG specification 1.4). Uncompressed 16-bit strips, because LibRaw
does not read deflated integer mosaics and Photoshop no tiled uncompressed ones.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.files import whole_file
from invisp_deploy.formats.first_page import append_directories, first_page_tags
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.metadata import NO_CAMERA, SOFTWARE
from invisp_deploy.formats.picture import reduced
from invisp_deploy.isp.develop import quick_look
from invisp_deploy.isp.frame import ColorMatrix

SRGB_MATRIX: Final[ColorMatrix] = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)
"""XYZ (D65) to linear sRGB, IEC 61966-2-1: stands in where a camera's own matrix is unknown."""

PREVIEW_EDGE: Final = 1024
"""Pixels of a preview's longer side, at most."""

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _SRATIONAL = 1, 2, 3, 4, 5, 10
_CFA_PHOTOMETRIC: Final = 32803
_D65: Final = 21


def write_dng(path: Path, frame: RawFrame, *, software: str = "invisp-deploy", overwrite: bool = True) -> None:
    """Write a frame as DNG, whole or not at all.

    Its preview is reduced as needed; without one a quick look at the mosaic serves. A frame without white balance
    gets a neutral of (1, 1, 1), one without a colour matrix that of linear sRGB. Raises RequestError for another
    ending or a file that is there and not to be overwritten, OutputError.
    """
    import tifffile

    if path.suffix.lower() != ".dng":
        raise RequestError(f"A RAW frame is written as .dng, got the name {path.name}.")
    shown = _looked_at(frame) if frame.preview is None else frame.preview
    thumbnail = np.ascontiguousarray(reduced(shown, PREVIEW_EDGE))
    metadata = frame.metadata.named(frame.make, frame.model).without(SOFTWARE)
    with whole_file(path, overwrite=overwrite) as part:
        with tifffile.TiffWriter(part, byteorder="<") as tiff:
            tiff.write(
                thumbnail,
                photometric="rgb",
                subfiletype=1,
                subifds=1,
                rowsperstrip=thumbnail.shape[0],
                software=software,
                metadata=None,
                extratags=_camera_tags(frame) + first_page_tags(metadata),
            )
            tiff.write(
                frame.mosaic,
                photometric=_CFA_PHOTOMETRIC,
                subfiletype=0,
                rowsperstrip=frame.mosaic.shape[0],
                software=False,
                metadata=None,
                extratags=_mosaic_tags(frame),
            )
        append_directories(part, metadata)


def _camera_tags(frame: RawFrame) -> list[tuple[Any, ...]]:
    camera = frame.camera or NO_CAMERA
    gains = frame.gains or (1.0, 1.0, 1.0)
    neutral = [min(gains) / gain for gain in gains]
    matrix = [value for row in frame.color_matrix or SRGB_MATRIX for value in row]
    return [
        (50706, _BYTE, 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
        (50707, _BYTE, 4, bytes((1, 1, 0, 0)), True),  # DNGBackwardVersion
        (50708, _ASCII, 0, camera, True),  # UniqueCameraModel
        (274, _SHORT, 1, frame.orientation, True),  # Orientation
        (50721, _SRATIONAL, 9, _rationals(matrix), True),  # ColorMatrix1
        (50778, _SHORT, 1, _D65, True),  # CalibrationIlluminant1
        (50728, _RATIONAL, 3, _rationals(neutral), True),  # AsShotNeutral
        (50730, _SRATIONAL, 1, (0, 1), True),  # BaselineExposure
    ]


def _mosaic_tags(frame: RawFrame) -> list[tuple[Any, ...]]:
    height, width = frame.mosaic.shape
    pattern = bytes("RGB".index(colour) for colour in frame.cfa)
    return [
        (33421, _SHORT, 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, _BYTE, 4, pattern, True),  # CFAPattern
        (50710, _BYTE, 3, bytes((0, 1, 2)), True),  # CFAPlaneColor
        (50711, _SHORT, 1, 1, True),  # CFALayout: rectangular
        (50713, _SHORT, 2, (2, 2), True),  # BlackLevelRepeatDim
        (50714, _RATIONAL, 4, _rationals(frame.black), True),  # BlackLevel
        (50717, _LONG, 1, frame.white, True),  # WhiteLevel
        (50829, _LONG, 4, (0, 0, height, width), True),  # ActiveArea
        (50719, _LONG, 2, (0, 0), True),  # DefaultCropOrigin
        (50720, _LONG, 2, (width, height), True),  # DefaultCropSize
    ]


def _looked_at(frame: RawFrame) -> npt.NDArray[np.uint8]:
    known = frame if frame.gains else replace(frame, gains=(1.0, 1.0, 1.0))
    return quick_look(frame.mosaic, known.recipe(CameraContract(white_balance="min")))


def _rationals(values: Any) -> tuple[int, ...]:
    """Flat numerator, denominator pairs."""
    pairs: list[int] = []
    for value in values:
        fraction = Fraction(float(value)).limit_denominator(1_000_000)
        pairs += [fraction.numerator, fraction.denominator]
    return tuple(pairs)
