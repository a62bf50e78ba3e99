"""DNG out: the mosaic bit for bit, with what other programs need to develop it.

Layout as Adobe's own files have it: the first directory holds the preview and all camera tags, a sub directory the
mosaic with its levels in tiles of lossless JPEG (DNG specification 1.4), which every program that opens DNGs reads.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.files import whole_file
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.ifd import BYTE, RATIONAL, SRATIONAL, Directory, Entry, longs, shorts, text, tiff_of
from invisp_deploy.formats.lossless_jpeg import code_for, encode_tile
from invisp_deploy.formats.metadata import EXIF_IFD, GPS_IFD, NO_CAMERA, ORIENTATION, SOFTWARE
from invisp_deploy.formats.negative import AS_SHOT_NEUTRAL, CROP_ORIGIN, CROP_SIZE, OPCODES, Negative, newest_opcode
from invisp_deploy.formats.pixels import Rgb8, reduced
from invisp_deploy.isp.develop import quick_look
from invisp_deploy.isp.frame import ColorMatrix, Mosaic

SRGB_MATRIX: Final[ColorMatrix] = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)
"""XYZ (D65) to linear sRGB, IEC 61966-2-1: stands in where a camera's own matrix is unknown."""

PREVIEW_EDGE: Final = 1024
"""Pixels of a preview's longer side, at most."""

_PREVIEW_QUALITY: Final = 90
_JPEG, _YCBCR, _CFA = 7, 6, 32803
_SUB_IFDS: Final = 330
_COLOR_MATRIX, _ILLUMINANT, _D65 = 50721, 50778, 21
_TILE: Final = (256, 512)
"""Rows and columns of a tile, at most."""
_STEP: Final = 16
"""Sides of tiles are multiples of it (TIFF 6.0, section 15)."""
_LEAST_SIDE: Final = 22
"""Rows and columns below which LibRaw and dcraw take a file for none of a camera's (identify.cpp)."""
_LARGEST: Final = (1 << 31) - 1
_LEAST_BITS: Final = 8
"""Of a sample (DNG specification, BitsPerSample)."""


def write_dng(path: Path, frame: RawFrame, *, software: str = "invisp-deploy", overwrite: bool = True) -> None:
    """Write a frame as DNG, whole or not at all.

    Its preview is reduced as needed; without one a quick look at the mosaic serves. A frame without white balance
    gets no neutral, one without a colour matrix that of linear sRGB. What the frame's negative says is said again,
    but for a neutral that the frame's gains contradict. Raises RequestError for another ending, a side of less than 22
    pixels, a file that is there and not to be overwritten; OutputError.
    """
    if path.suffix.lower() != ".dng":
        raise RequestError(f"A RAW frame is written as .dng, got the name {path.name}.")
    height, width = frame.mosaic.shape
    if min(height, width) < _LEAST_SIDE:
        raise RequestError(
            f"LibRaw opens DNGs from {_LEAST_SIDE}x{_LEAST_SIDE} pixels, the frame for {path.name} is "
            f"{width}x{height}: take a larger part of the picture."
        )
    preview = reduced(_looked_at(frame) if frame.preview is None else frame.preview, PREVIEW_EDGE)
    shown = _jpeg(preview)
    side = _tile_side(frame.mosaic.shape)
    bits = max(_LEAST_BITS, int(frame.white).bit_length(), int(frame.mosaic.max()).bit_length())
    first = _first_directory(frame, preview.shape, software)
    mosaic = _mosaic_directory(frame, bits, side)
    count = len(range(0, height, side[0])) * len(range(0, width, side[1]))

    def head(starts: Sequence[int], sizes: Sequence[int]) -> bytes:
        """Everything but the preview and the tiles, which start there and have these sizes."""
        inner = {**mosaic, 324: longs(*starts[1:]), 325: longs(*sizes[1:])}
        ifd0 = {**first, 273: longs(starts[0]), 279: longs(sizes[0])}
        words = frame.metadata
        return tiff_of(ifd0, ((_SUB_IFDS, inner), (EXIF_IFD, words.exif), (GPS_IFD, words.gps)))

    with whole_file(path, overwrite=overwrite) as part, part.open("r+b") as stream:
        starts, sizes = [0] * (count + 1), [0] * (count + 1)
        stream.write(bytes(len(head(starts, sizes))))
        for index, data in enumerate((shown, *_tiles(frame.mosaic, bits, side))):
            starts[index], sizes[index] = stream.tell(), len(data)
            stream.write(data + bytes(len(data) % 2))
        stream.seek(0)
        stream.write(head(starts, sizes))


def _first_directory(frame: RawFrame, preview: Sequence[int], software: str) -> dict[int, Entry]:
    words = frame.metadata.named(frame.make, frame.model).without(SOFTWARE).first_directory()
    negative = frame.negative or Negative()
    matrix = [value for row in frame.color_matrix or SRGB_MATRIX for value in row]
    needed = [newest_opcode(negative.mosaic[code].data) for code in OPCODES if code in negative.mosaic]
    colours = {_COLOR_MATRIX: _rationals(matrix), _ILLUMINANT: shorts(_D65)}
    kept = dict(negative.camera)
    neutral = _neutral(frame, kept.pop(AS_SHOT_NEUTRAL, None))
    return {
        50708: text(frame.camera or NO_CAMERA),  # UniqueCameraModel
        50730: _rationals([0]),  # BaselineExposure
        **words,
        **({} if _COLOR_MATRIX in kept else colours),
        **kept,
        **neutral,
        254: longs(1),  # NewSubfileType: a preview
        256: longs(preview[1]),
        257: longs(preview[0]),
        258: shorts(8, 8, 8),
        259: shorts(_JPEG),
        262: shorts(_YCBCR),
        ORIENTATION: shorts(frame.orientation),
        277: shorts(3),
        278: longs(preview[0]),  # RowsPerStrip
        284: shorts(1),  # PlanarConfiguration: by pixel
        SOFTWARE: text(software),
        530: shorts(2, 2),  # YCbCrSubSampling
        531: shorts(1),  # YCbCrPositioning: centred
        50706: Entry(BYTE, bytes(max([(1, 4, 0, 0), *needed]))),  # DNGVersion
        50707: Entry(BYTE, bytes((1, 3, 0, 0) if needed else (1, 1, 0, 0))),  # DNGBackwardVersion
    }


def _mosaic_directory(frame: RawFrame, bits: int, side: tuple[int, int]) -> dict[int, Entry]:
    height, width = frame.mosaic.shape
    kept: Directory = frame.negative.mosaic if frame.negative else {}
    return {
        CROP_ORIGIN: longs(0, 0),
        CROP_SIZE: longs(width, height),
        **kept,
        254: longs(0),  # NewSubfileType: the picture itself
        256: longs(width),
        257: longs(height),
        258: shorts(bits),
        259: shorts(_JPEG),
        262: shorts(_CFA),
        277: shorts(1),
        284: shorts(1),
        322: longs(side[1]),
        323: longs(side[0]),
        33421: shorts(2, 2),  # CFARepeatPatternDim
        33422: Entry(BYTE, bytes("RGB".index(colour) for colour in frame.cfa)),  # CFAPattern
        50710: Entry(BYTE, bytes((0, 1, 2))),  # CFAPlaneColor
        50711: shorts(1),  # CFALayout: rectangular
        50713: shorts(2, 2),  # BlackLevelRepeatDim
        50714: _rationals(frame.black, RATIONAL),  # BlackLevel
        50717: longs(frame.white),  # WhiteLevel
        50829: longs(0, 0, height, width),  # ActiveArea
    }


def _neutral(frame: RawFrame, stated: Entry | None) -> dict[int, Entry]:
    """AsShotNeutral: as the source has it, where its gains are the frame's; none for a frame without gains."""
    if frame.gains is None:
        return {}
    own = np.array([min(frame.gains) / gain for gain in frame.gains])
    if stated is not None:
        theirs = np.array(stated.numbers)
        if (theirs > 0).all() and np.allclose(theirs / theirs.max(), own, rtol=1e-4):
            return {AS_SHOT_NEUTRAL: stated}
    return {AS_SHOT_NEUTRAL: _rationals(own, RATIONAL)}


def _tiles(mosaic: Mosaic, bits: int, side: tuple[int, int]) -> Iterator[bytes]:
    """Row by row; those at the edges go on with the last row and column of their colours."""
    down, across = side
    code = code_for(mosaic, bits)
    for top in range(0, mosaic.shape[0], down):
        for left in range(0, mosaic.shape[1], across):
            tile = mosaic[top : top + down, left : left + across]
            missing = ((0, down - tile.shape[0]), (0, across - tile.shape[1]))
            yield encode_tile(np.pad(tile, missing, mode="symmetric") if np.any(missing) else tile, code)


def _tile_side(shape: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of tiles that cover a mosaic with little to spare.

    No tile is wider than the mosaic: LibRaw and dcraw begin a new row at the mosaic's edge, wherever the tile ends.
    None is half as wide: LibRaw takes two components of such a tile for two rows (lossless_dng_load_raw).
    """
    down, across = (
        -(-length // -(-length // most) // _STEP) * _STEP for length, most in zip(shape, _TILE, strict=True)
    )
    across = min(across, shape[1] // _STEP * _STEP)
    return down, across + _STEP if 2 * across == shape[1] else across


def _jpeg(preview: Rgb8) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(preview).save(stream, "JPEG", quality=_PREVIEW_QUALITY, subsampling="4:2:0")
    return stream.getvalue()


def _looked_at(frame: RawFrame) -> npt.NDArray[np.uint8]:
    known = frame if frame.gains else replace(frame, gains=(1.0, 1.0, 1.0))
    return quick_look(frame.mosaic, known.recipe(CameraContract(white_balance="min")))


def _rationals(values: Iterable[float], kind: int = SRATIONAL) -> Entry:
    """Raises RequestError for a number that no rational of a TIFF holds."""
    pairs: list[int] = []
    for value in map(float, values):
        if abs(value) > _LARGEST:
            raise RequestError(f"A DNG holds numbers up to {_LARGEST}, the frame has {value:g}: its facts are wrong.")
        fraction = Fraction(value).limit_denominator(min(1_000_000, int(_LARGEST / max(abs(value), 1))))
        pairs += [fraction.numerator, fraction.denominator]
    return Entry(kind, struct.pack(f"<{len(pairs)}{'i' if kind == SRATIONAL else 'I'}", *pairs))
