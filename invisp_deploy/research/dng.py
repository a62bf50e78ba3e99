"""DNGs to compare sizes with, written by libjpeg-turbo (imagecodecs) and tifffile: one lossless, one lossy.

Lossless: the mosaic as lossless JPEG (process SOF3, DNG 1.4), two colours of a row as two components, as Adobe's
converter stores it. Lossy: demosaiced camera RGB in 8 bits after a square root, as baseline JPEG (compression 34892,
photometric LinearRaw, DNG 1.4), with the square undone by an opcode MapPolynomial. LibRaw reads both.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Final

import numpy as np

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RawFileError
from invisp_deploy.files import whole_file
from invisp_deploy.formats.dng import SRGB_MATRIX
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.develop import undevelop
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.steps import Codes, Curve, Demosaic

LOSSY_QUALITY: Final = 90
"""JPEG quality of the lossy DNG, without chroma subsampling."""

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _SRATIONAL, _UNDEFINED = 1, 2, 3, 4, 5, 10, 7
_TILE: Final = 256
_JPEG, _LOSSY_JPEG = 7, 34892
_CFA, _LINEAR = 32803, 34892
_MAP_POLYNOMIAL: Final = 8
_CAMERA_RGB: Final = CameraContract(white_balance="none", curve=1)
"""Linear light between the levels, neither balanced nor behind a curve."""


def write_lossless(path: Path, frame: RawFrame) -> None:
    """Write the mosaic, whole or not at all; an odd last column or row is left out. Raises OutputError."""
    from imagecodecs import jpeg8_encode

    height, width = (side - side % 2 for side in frame.mosaic.shape)
    pairs = np.ascontiguousarray(frame.mosaic[:height, :width]).reshape(height, width // 2, 2)
    bits = max(int(frame.white).bit_length(), int(pairs.max()).bit_length(), 9)
    coded = bytes(jpeg8_encode(pairs, lossless=True, predictor=1, bitspersample=bits))
    pattern = bytes("RGB".index(colour) for colour in frame.cfa)
    tags = [
        (33421, _SHORT, 2, (2, 2), True),
        (33422, _BYTE, 4, pattern, True),
        (50711, _SHORT, 1, 1, True),
        (50713, _SHORT, 2, (2, 2), True),
        (50714, _RATIONAL, 4, _ratios(frame.black), True),
        (50717, _LONG, 1, frame.white, True),
    ]
    _write(path, frame, [coded], (height, width), np.uint16, _JPEG, _CFA, (height, None), tags, (1, 4, 0, 0))


def write_lossy(path: Path, frame: RawFrame, quality: int = LOSSY_QUALITY) -> None:
    """Write demosaiced camera RGB, whole or not at all; sides cut to even. Raises OutputError.

    The levels are taken out (black is 0, white 65535); values beyond them are clipped.
    """
    from imagecodecs import jpeg8_encode

    height, width = (side - side % 2 for side in frame.mosaic.shape)
    numbers = frame.recipe(_CAMERA_RGB).numbers()
    black = np.tile(numbers["black"].reshape(2, 2), (height // 2, width // 2))
    # Divided; `Levels` multiplies by the reciprocal. A last bit moves a code at a quarter of full scale, whose root
    # lies just between two, and the published sizes were measured with these codes.
    linear = np.clip((frame.mosaic[:height, :width] - black) / (numbers["white"] - black), 0, 1, dtype=np.float32)
    root = Curve(2).forward(Demosaic().forward(linear, numbers), numbers)
    codes = Codes().forward(root, numbers)
    padded = np.pad(codes, ((0, -height % _TILE), (0, -width % _TILE), (0, 0)), mode="edge")
    tiles = [
        bytes(
            jpeg8_encode(np.ascontiguousarray(padded[y : y + _TILE, x : x + _TILE]), level=quality, subsampling="444")
        )
        for y in range(0, height, _TILE)
        for x in range(0, width, _TILE)
    ]
    area = struct.pack(">4L", 0, 0, height, width)
    opcodes = [
        struct.pack(">LLLL", _MAP_POLYNOMIAL, 0x01030000, 0, 60) + area + struct.pack(">5L3d", c, 1, 1, 1, 2, 0, 0, 1)
        for c in range(3)
    ]
    listed = struct.pack(">L", len(opcodes)) + b"".join(opcodes)
    tags = [
        (50717, _LONG, 3, (65535,) * 3, True),
        (51009, _UNDEFINED, len(listed), listed, True),  # OpcodeList2
    ]
    shape = (height, width, 3)
    _write(path, frame, tiles, shape, np.uint8, _LOSSY_JPEG, _LINEAR, (_TILE, _TILE), tags, (1, 4, 0, 0))


def mosaic_of_lossy(path: Path, frame: RawFrame) -> Mosaic:
    """The frame's mosaic as LibRaw sees it in a lossy DNG of it: DN of each pixel's own colour, even sides.

    Raises RawFileError where LibRaw does not open it.
    """
    import rawpy

    try:
        with rawpy.imread(str(path)) as raw:
            codes = np.array(raw.raw_image_visible[..., :3])
    except rawpy.LibRawError as error:
        raise RawFileError(f"{path} is no lossy DNG that LibRaw reads: {error}.") from error
    return undevelop(Codes(16).inverse(codes, {}), frame.recipe(_CAMERA_RGB))


def _write(
    path: Path,
    frame: RawFrame,
    segments: list[bytes],
    shape: tuple[int, ...],
    kind: Any,
    compression: int,
    photometric: int,
    block: tuple[int, int | None],
    tags: list[tuple[Any, ...]],
    version: tuple[int, int, int, int],
) -> None:
    import tifffile

    gains = frame.gains or (1.0, 1.0, 1.0)
    matrix = [value for row in frame.color_matrix or SRGB_MATRIX for value in row]
    layout: dict[str, Any] = {"rowsperstrip": block[0]} if block[1] is None else {"tile": block}
    with whole_file(path) as part, tifffile.TiffWriter(part, byteorder="<") as tiff:
        tiff.write(
            iter(segments),
            shape=shape,
            dtype=kind,
            compression=compression,
            photometric=photometric,
            subfiletype=0,
            software="invisp-deploy",
            metadata=None,
            extratags=[
                (50706, _BYTE, 4, bytes(version), True),
                (50707, _BYTE, 4, bytes(version), True),
                (50708, _ASCII, 0, frame.camera or "unknown camera", True),
                (271, _ASCII, 0, frame.make or "unknown", True),
                (272, _ASCII, 0, frame.model or "unknown", True),
                (50721, _SRATIONAL, 9, _ratios(matrix), True),
                (50778, _SHORT, 1, 21, True),
                (50728, _RATIONAL, 3, _ratios([min(gains) / gain for gain in gains]), True),
                *tags,
            ],
            **layout,
        )


def _ratios(values: Any) -> tuple[int, ...]:
    """Numerators over a million, flat."""
    return tuple(number for value in values for number in (round(float(value) * 1_000_000), 1_000_000))
