"""A mosaic of a camera to a frame with everything that is known of it: camera file and line together."""

from __future__ import annotations

import struct
from fractions import Fraction
from functools import lru_cache
from typing import Final

import numpy as np

from invisp_deploy.errors import ContractError, RawFileError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.ifd import UNDEFINED, Entry, rational, shorts
from invisp_deploy.formats.metadata import Metadata
from invisp_deploy.formats.negative import OPCODES, Negative
from invisp_deploy.isp.frame import ColorMatrix, Mosaic
from invisp_deploy.isp.two_lights import LIGHTS, LitMatrix, matrix_between
from invisp_deploy.sensor.camera_file import AS_GIVEN, GREY_WORLD, CameraFile, CameraNoise
from invisp_deploy.sensor.frame_line import NOTHING_SAID, FrameLine
from invisp_deploy.sensor.lens_shading import LensShading, shading_opcodes

_EXPOSURE: Final = 0x829A
_ISO: Final = 0x8827
_NOISE_PROFILE: Final = 51041
_DOUBLE: Final = 12
_BASE_ISO: Final = 100
"""Of a sensor's gain of 1, as libcamera's DNGs have it."""
_LARGEST: Final = (1 << 32) - 1
_EVERY: Final = 8
"""2x2 squares of which one is looked at along each side, for a frame's means."""


def frame_of_camera(camera: CameraFile, mosaic: Mosaic, line: FrameLine = NOTHING_SAID, *, name: str) -> RawFrame:
    """A frame of that camera. mosaic: (H, W) uint16, DN, behind the companding. line: what
    came with it, which goes before the camera file. name: of the frame, for messages.

    Lens shading and noise go with the frame as what a DNG says of its development. Raises RawFileError for a frame
    without gains, or whose levels cannot be; ContractError for two matrices that cannot be used.
    """
    black = line.black or camera.black
    gains = line.gains or _gains(camera, mosaic, black, name)
    try:
        return RawFrame(
            camera.pattern,
            black,
            camera.white,
            gains,
            camera.orientation,
            _matrix(camera, gains),
            camera.make,
            camera.model,
            mosaic=mosaic,
            metadata=_metadata(camera, line),
            negative=_negative(camera, line, mosaic.shape[0], mosaic.shape[1]),
        )
    except (RawFileError, ContractError) as error:
        raise type(error)(f"{name}: {error}") from error


def grey_world(mosaic: Mosaic, cfa: str, black: tuple[float, float, float, float], white: int) -> tuple[float, ...]:
    """Gains of R, G, B, green 1, under which the means of the three colours are one; of one 2x2 square in 64.

    Squares that are clipped count for none: what is brighter than white has lost its colour. NaN where there is no
    light in a colour.
    """
    rows, columns = (side // 2 * 2 for side in mosaic.shape)
    step = 2 * _EVERY
    sites = np.array([mosaic[y:rows:step, x:columns:step].ravel() for y in (0, 1) for x in (0, 1)], np.float64)
    sites = sites[:, sites.max(axis=0) < white]
    light = sites.mean(axis=1) - black if sites.size else np.full(4, np.nan)
    red, green, blue = (np.mean([light[site] for site in range(4) if cfa[site] == colour]) for colour in "RGB")
    if not min(red, green, blue) > 0:
        return (float("nan"),) * 3
    return float(green / red), 1.0, float(green / blue)


def _gains(
    camera: CameraFile, mosaic: Mosaic, black: tuple[float, float, float, float], name: str
) -> tuple[float, float, float]:
    if not isinstance(camera.white_balance, str):
        return camera.white_balance
    if camera.white_balance == AS_GIVEN:
        raise RawFileError(
            f"{name} has no gains, and 'white_balance' of {camera.name} is {AS_GIVEN}: pass `frame_facts` with gains "
            f"in each line, or write three gains or {GREY_WORLD}."
        )
    red, green, blue = grey_world(mosaic, camera.pattern, black, camera.white)
    if not np.isfinite(red):
        raise RawFileError(
            f"{name} is too dark or too bright for gains of its own means: write three gains as 'white_balance' of "
            f"{camera.name}, or send them with each frame."
        )
    return red, green, blue


def _matrix(camera: CameraFile, gains: tuple[float, float, float]) -> ColorMatrix | None:
    if len(camera.color_matrix) < 2:
        return next((matrix for _, matrix in camera.color_matrix), None)
    one, other = (LitMatrix(LIGHTS[light], matrix) for light, matrix in camera.color_matrix)
    return matrix_between(one, other, gains)


def _metadata(camera: CameraFile, line: FrameLine) -> Metadata:
    exif: dict[int, Entry] = {}
    if line.exposure is not None:
        seconds = Fraction(line.exposure).limit_denominator(1_000_000)
        exif[_EXPOSURE] = rational(min(max(seconds.numerator, 1), _LARGEST), seconds.denominator)
    iso = line.iso
    if iso is None and line.gain is not None:
        iso = min(max(round(_BASE_ISO * line.gain), 1), 65535)
    if iso is not None:
        exif[_ISO] = shorts(iso)
    return Metadata(exif=exif).named(camera.make, camera.model)


def _negative(camera: CameraFile, line: FrameLine, height: int, width: int) -> Negative | None:
    beside: dict[int, Entry] = {}
    if camera.noise:
        beside[_NOISE_PROFILE] = Entry(_DOUBLE, struct.pack("<2d", *_noise(camera.noise, line.gain)))
    if camera.lens_shading:
        beside[OPCODES[1]] = _opcodes(camera.lens_shading, height, width)
    return Negative({}, beside) if beside else None


def _noise(rows: tuple[CameraNoise, ...], gain: float | None) -> tuple[float, float]:
    """a and b at a gain of the sensor, straight between the rows; of the first row where it is unknown."""
    at, gains = rows[0].gain if gain is None else gain, [row.gain for row in rows]
    return float(np.interp(at, gains, [row.a for row in rows])), float(np.interp(at, gains, [row.b for row in rows]))


@lru_cache(maxsize=8)
def _opcodes(shading: LensShading, height: int, width: int) -> Entry:
    return Entry(UNDEFINED, shading_opcodes(shading, height, width))
