"""RAW files in, through LibRaw: a frame with everything the camera said, or a sentence why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import MissingFileError, RawFileError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw_metadata import is_dng, metadata_of
from invisp_deploy.isp.colour import as_color_matrix, color_matrix_of
from invisp_deploy.isp.frame import ColorMatrix

if TYPE_CHECKING:
    import rawpy

FLIP_TO_ORIENTATION: Final = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}
"""LibRaw's flip (bit 0 mirrors columns, bit 1 rows, bit 2 transposes) to the EXIF orientation."""

_SMALLEST: Final = 1024
"""Bytes below which a file cannot hold even a RAW file's directory."""

_LEAST_RED: Final = 0.125
"""LibRaw passes over a DNG's own matrix if the camera's red gives no more than this of sRGB's (identify.cpp)."""

_DEAD_ROWS: Final = 0.005
"""Share of rows of nothing but zeros from which a mosaic counts as cut short (sensors add noise: none is whole)."""

_FEW: Final = 64
"""Of so many columns one is looked at first."""


def read_raw(path: str | Path) -> RawFrame:
    """Read one RAW file into a frame: visible mosaic, CFA, levels, white balance, orientation, matrix, metadata.

    The mosaic is a view of LibRaw's memory, the margins of the sensor around it: 45 megapixels are 90 MB, once.

    Raises RawFileError for a file that is missing parts, is no RAW file, or is not a 2x2 Bayer mosaic;
    RequestError if there is no such file.
    """
    import rawpy

    path = Path(path)
    _check_readable(path)
    try:
        return _frame(_opened(path), path)
    except rawpy.NotSupportedError as error:
        raise RawFileError(f"{path} holds a mosaic of a kind that LibRaw does not hand out: {error}.") from error
    except rawpy.LibRawError as error:
        raise _unreadable(path, error) from error


def render_libraw(path: Path) -> npt.NDArray[np.uint8]:
    """LibRaw's rendering of a RAW file in sensor order, (H, W, 3) uint8 sRGB: the target of training.

    As-shot white balance, daylight where the file has none (LibRaw left alone would balance such a picture to grey,
    with gains that depend on what it shows); no automatic brightening, everything else LibRaw's default; not rotated.
    Raises RawFileError as `read_raw` does.
    """
    import rawpy

    _check_readable(path)
    try:
        with _opened(path) as raw:
            as_shot = _gains(raw.camera_whitebalance) is not None
            return raw.postprocess(use_camera_wb=as_shot, no_auto_bright=True, user_flip=0)
    except rawpy.LibRawError as error:
        raise _unreadable(path, error) from error


def _opened(path: Path) -> rawpy.RawPy:
    """By its name, or by a descriptor where that is not UTF-8, which rawpy does not take."""
    import rawpy

    try:
        str(path).encode()
    except UnicodeEncodeError:
        with path.open("rb") as stream:
            return rawpy.imread(f"/proc/self/fd/{stream.fileno()}")
    return rawpy.imread(str(path))


def _frame(raw: rawpy.RawPy, path: Path) -> RawFrame:
    if raw.raw_type != _flat_type() or raw.raw_image_visible is None:
        raise RawFileError(
            f"{path} holds {raw.num_colors} colours at every pixel (linear or Foveon RAW), not a Bayer mosaic: "
            "use the camera's original RAW file."
        )
    pattern = raw.raw_pattern  # before any postprocess(), which changes the code of the second green
    description = raw.color_desc.decode("ascii", "replace")
    if pattern is None or pattern.shape != (2, 2):
        size = "none" if pattern is None else f"{pattern.shape[0]}x{pattern.shape[1]}"
        raise RawFileError(
            f"{path} has no 2x2 Bayer pattern (found: {size}, colours {description}; X-Trans, Foveon and "
            "monochrome sensors are not supported): use a file of a Bayer camera."
        )
    cfa = "".join(description[index] for index in pattern.ravel())
    mosaic = raw.raw_image_visible  # LibRaw's own memory, which goes when the last view of it does
    if mosaic.dtype != np.uint16:
        raise RawFileError(f"{path} holds a mosaic of {mosaic.dtype}, expected uint16.")
    _check_complete(mosaic, path)
    # a preview without Exif gets LibRaw's, which is made up: of a DNG's own directory nothing is missing
    metadata = metadata_of(path, b"" if is_dng(path) else _preview(raw))
    levels = raw.black_level_per_channel
    try:
        return RawFrame(
            mosaic=mosaic,
            cfa=cfa,
            black=_four([float(levels[index]) for index in pattern.ravel()]),
            white=int(raw.white_level),
            gains=_gains(raw.camera_whitebalance),
            orientation=FLIP_TO_ORIENTATION.get(raw.sizes.flip, 1),
            color_matrix=_color_matrix(raw, path),
            make=metadata.make,
            model=metadata.model,
            metadata=metadata,
        )
    except RawFileError as error:
        raise RawFileError(f"{path}: {error}") from error


def _flat_type() -> Any:
    import rawpy

    return rawpy.RawType.Flat


def _check_readable(path: Path) -> None:
    if not path.exists():
        raise MissingFileError(f"There is no file {path}.")
    if path.is_dir():
        raise RequestError(f"{path} is a folder, expected a RAW file.")
    try:
        with path.open("rb") as stream:
            size = len(stream.read(_SMALLEST))
    except OSError as error:
        raise RawFileError(f"{path} could not be opened: {error.strerror or error}.") from error
    if not size:
        raise RawFileError(f"{path} is empty (0 bytes): copy it from the camera again.")
    if size < _SMALLEST:
        raise RawFileError(f"{path} is not a RAW file, it has only {size} bytes: name a file of a camera.")


def _unreadable(path: Path, error: Exception) -> RawFileError:
    import rawpy

    if isinstance(error, rawpy.LibRawFileUnsupportedError):
        return RawFileError(f"{path} is not a RAW file that LibRaw knows (header damaged?): name a file of a camera.")
    if isinstance(error, (rawpy.LibRawIOError, rawpy.LibRawDataError)):
        return RawFileError(f"{path} is cut short or damaged: copy it from the camera again.")
    reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
    return RawFileError(f"{path} could not be decoded by LibRaw: {reason}.")


def _check_complete(mosaic: npt.NDArray[np.uint16], path: Path) -> None:
    """LibRaw opens some truncated files without complaint and leaves the rest of the mosaic zero."""
    dark = ~mosaic[:, ::_FEW].any(axis=1)  # a row that holds light shows it in a few columns
    dead = int(np.count_nonzero(~mosaic[dark].any(axis=1)))
    if dead > _DEAD_ROWS * len(mosaic):
        raise RawFileError(
            f"{path} is cut short: {dead} of {len(mosaic)} rows hold nothing but zeros; copy it from the camera again."
        )


def _preview(raw: rawpy.RawPy) -> bytes:
    import rawpy

    try:
        thumb = raw.extract_thumb()
    except rawpy.LibRawError:
        return b""
    return thumb.data if isinstance(thumb.data, bytes) else b""


def _gains(values: list[float]) -> tuple[float, float, float] | None:
    """First three as-shot gains, None where the file has none (zeros or negative placeholders)."""
    red, green, blue = (float(value) for value in values[:3])
    return (red, green, blue) if min(red, green, blue) > 0 else None


def _color_matrix(raw: rawpy.RawPy, path: Path) -> ColorMatrix | None:
    """XYZ to camera, of the matrix that LibRaw's rendering applies; None where it applies none.

    A DNG's own goes before LibRaw's table. LibRaw has chosen it by the illuminants (D65 where the file has that one),
    multiplied CameraCalibration and AnalogBalance into it, inverted it and set its white to one; the daylight gains
    hold the scale that its rows lost by that.
    """
    own = np.asarray(raw.color_matrix, np.float64)[:, :3]
    if own[0, 0] > _LEAST_RED and is_dng(path):
        return color_matrix_of(own, raw.daylight_whitebalance[:3])
    table = np.asarray(raw.rgb_xyz_matrix, np.float64)[:3]
    return as_color_matrix(table) if table.any() else None


def _four(values: list[float]) -> tuple[float, float, float, float]:
    a, b, c, d = values
    return a, b, c, d
