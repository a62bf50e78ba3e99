"""RAW files in, through LibRaw: a frame with everything the camera said, or a sentence why not."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import MissingFileError, RawFileError, RequestError
from invisp_deploy.formats.dng_tags import (
    DngTags,
    active_area,
    black_levels,
    is_linearized,
    pattern_size,
    read_dng_tags,
    stated_orientation,
    stored_shape,
)
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.ifd import Directory
from invisp_deploy.formats.limits import MAX_PIXELS, check_size
from invisp_deploy.formats.negative import OPCODES, Negative
from invisp_deploy.formats.raw_metadata import metadata_of
from invisp_deploy.formats.undecoded import undecoded_kind
from invisp_deploy.isp.colour import as_color_matrix, color_matrix_of
from invisp_deploy.isp.frame import ColorMatrix

if TYPE_CHECKING:
    import rawpy

FLIP_TO_ORIENTATION: Final = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}
"""LibRaw's flip (bit 0 mirrors columns, bit 1 rows, bit 2 transposes) to the EXIF orientation."""

_FLIP_OF_ZERO: Final = 5
"""What LibRaw makes of an orientation of 0 (identify.cpp)."""

_ORIGINAL: Final = "use the camera's original RAW file, or a DNG of lossless JPEG such as Adobe's converter writes"

_PATTERNS: Final = {(): "monochrome or unknown", (6, 6): "X-Trans", (4, 4): "quad Bayer"}
"""What a sensor is called by the rows and columns of its pattern."""

_HEADS: Final = (b"II", b"MM", b"FUJIFILM", b"\0MRM", b"FOVb")
"""What most RAW files begin with: TIFF and its kin, CIFF, Fujifilm, Minolta, Sigma. (Canon's CR3 is `ftyp`.)"""

_SMALLEST: Final = 1024
"""Bytes below which a file cannot hold even a RAW file's directory."""

_LEAST_RED: Final = 0.125
"""LibRaw passes over a DNG's own matrix if the camera's red gives no more than this of sRGB's (identify.cpp)."""

_DEAD_ROWS: Final = 0.005
"""Share of rows of nothing but zeros from which a mosaic counts as cut short (sensors add noise: none is whole)."""

_FEW: Final = 64
"""Of so many columns one is looked at first."""


def read_raw(path: str | Path, *, max_pixels: float = MAX_PIXELS) -> RawFrame:
    """Read one RAW file into a frame: visible mosaic, CFA, levels, white balance, orientation, matrix, metadata.

    The mosaic is a view of LibRaw's memory, the margins of the sensor around it: 45 megapixels are 90 MB, once.

    max_pixels: in megapixels, margins included. Raises RawFileError for a file that is larger, is missing parts, is no
    RAW file, or is not a 2x2 Bayer mosaic; RequestError if there is no such file.
    """
    import rawpy

    path = Path(path)
    _check_readable(path)
    try:
        raw = _opened(path, max_pixels)
        _check_header(path)
        return _frame(raw, path)
    except rawpy.NotSupportedError as error:
        raise RawFileError(
            f"{path} holds a mosaic {undecoded_kind(path) or f'of a kind that LibRaw does not hand out ({error})'}: "
            f"{_ORIGINAL}."
        ) from error
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


def _opened(path: Path, max_pixels: float = MAX_PIXELS) -> rawpy.RawPy:
    """By its name, or by a descriptor where that is not UTF-8, which rawpy does not take."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with path.open("rb") as stream:
            return _unpacked(f"/proc/self/fd/{stream.fileno()}", path, max_pixels)
    return _unpacked(str(path), path, max_pixels)


def _unpacked(name: str, path: Path, max_pixels: float) -> rawpy.RawPy:
    import rawpy

    raw = rawpy.RawPy()
    raw.open_file(name)
    check_size(path, raw.sizes.raw_height, raw.sizes.raw_width, max_pixels, RawFileError)
    raw.unpack()
    return raw


def _frame(raw: rawpy.RawPy, path: Path) -> RawFrame:
    tags = read_dng_tags(path)
    pattern = _pattern(raw, path, tags)
    mosaic = raw.raw_image_visible  # LibRaw's own memory, which goes when the last view of it does
    own = {} if tags is None else tags.of_mosaic(raw.raw_image.shape)
    if own:
        rows, columns = active_area(own, raw.raw_image.shape)
        moved = (raw.sizes.top_margin - rows.start, raw.sizes.left_margin - columns.start)
        mosaic, pattern = raw.raw_image[rows, columns], np.roll(pattern, moved, (0, 1))
    description = raw.color_desc.decode("ascii", "replace")
    cfa = "".join(description[index] for index in pattern.ravel())
    if mosaic.dtype != np.uint16:
        raise RawFileError(f"{path} holds a mosaic of {mosaic.dtype}, expected uint16.")
    _check_complete(mosaic, path)
    # a preview without Exif gets LibRaw's, which is made up: of a DNG's own directory nothing is missing
    metadata = metadata_of(path, lambda: b"" if tags else _preview(raw))
    levels = raw.black_level_per_channel
    try:
        negative, notes = (None, ()) if tags is None else _negative(tags, own, mosaic)
        return RawFrame(
            mosaic=mosaic,
            cfa=cfa,
            black=black_levels(own) or _four([float(levels[index]) for index in pattern.ravel()]),
            white=int(raw.white_level),
            gains=_gains(raw.camera_whitebalance),
            orientation=_orientation(raw.sizes.flip, path),
            color_matrix=_color_matrix(raw, of_dng=tags is not None),
            make=metadata.make,
            model=metadata.model,
            metadata=metadata,
            negative=negative,
            notes=notes,
        )
    except RawFileError as error:
        raise RawFileError(f"{path}: {error}") from error


def _pattern(raw: rawpy.RawPy, path: Path, tags: DngTags | None) -> npt.NDArray[np.uint8]:
    """LibRaw's codes of the 2x2 colours at the top left of its visible mosaic. Raises RawFileError for other files."""
    if raw.raw_type != _flat_type() or raw.raw_image_visible is None:
        kind = "a linear DNG" if tags else "Foveon, or a camera's small RAW such as sRAW and mRAW"
        raise RawFileError(
            f"{path} holds {raw.num_colors} colours at every pixel ({kind}), not a Bayer mosaic: {_ORIGINAL}."
        )
    try:
        pattern = raw.raw_pattern  # before any postprocess(), which changes the code of the second green
    except NotImplementedError:  # rawpy, of a pattern that it knows nothing of
        pattern = None
    description = raw.color_desc.decode("ascii", "replace")
    sizes = [] if tags is None else [pattern_size(image) for image in tags.images]
    unusual = next((size for size in sizes if len(size) == 2 and size != (2, 2)), None)
    if pattern is None or pattern.shape != (2, 2) or unusual:
        size = unusual or (() if pattern is None else pattern.shape)
        kind = _PATTERNS.get(size, "a sensor of another kind")
        raise RawFileError(
            f"{path} has no 2x2 Bayer pattern (found: {'x'.join(map(str, size)) or 'none'}, colours {description}: "
            f"{kind}): use a file of a Bayer camera."
        )
    return pattern


def _negative(tags: DngTags, own: Directory, mosaic: npt.NDArray[np.uint16]) -> tuple[Negative, tuple[str, ...]]:
    """What the frame's negative says, and what of the file it does not."""
    notes: list[str] = []
    negative = Negative.of({**tags.camera, **own}, *mosaic.shape)
    if OPCODES[0] in negative.mosaic and (stored_shape(own) != mosaic.shape or is_linearized(own)):
        negative = negative.without(OPCODES[0])
        notes.append("OpcodeList1 is left out: it counts from margins, or in numbers, that the mosaic no longer has")
    if len(tags.images) > 1:
        notes.append(f"the file holds {len(tags.images)} raw images: the one that LibRaw takes for the first is read")
    return negative, tuple(notes)


def _orientation(flip: int, path: Path) -> int:
    """EXIF's. LibRaw turns what no file can say, 0 for one, into a picture that lies on its side."""
    if flip == _FLIP_OF_ZERO and stated_orientation(path) not in (None, *range(1, 9)):
        return 1
    return FLIP_TO_ORIENTATION.get(flip, 1)


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

    if kind := undecoded_kind(path):
        return RawFileError(f"{path} holds a mosaic {kind}, which LibRaw does not decode: {_ORIGINAL}.")
    if isinstance(error, rawpy.LibRawFileUnsupportedError):
        return RawFileError(f"{path} is not a RAW file that LibRaw knows (header damaged?): name a file of a camera.")
    if isinstance(error, (rawpy.LibRawIOError, rawpy.LibRawDataError)):
        return RawFileError(f"{path} is cut short or damaged: copy it from the camera again.")
    reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
    return RawFileError(f"{path} could not be decoded by LibRaw: {reason}.")


def _check_header(path: Path) -> None:
    """LibRaw takes a file without a header for that of the camera whose files have its size, to the byte."""
    import rawpy

    with path.open("rb") as stream:
        head = stream.read(8)
        if head.startswith(_HEADS) or head[4:] == b"ftyp":
            return
        data = head + stream.read()
    try:
        rawpy.RawPy().open_buffer(io.BytesIO(data + b"\0"))
    except rawpy.LibRawError as error:
        raise RawFileError(
            f"{path} has no header that names a camera, LibRaw guesses one by the {len(data)} bytes: say what its "
            "frames are, and read them with `invisp stream --pipe`."
        ) from error


def _check_complete(mosaic: npt.NDArray[np.uint16], path: Path) -> None:
    """LibRaw opens some truncated files without complaint and leaves the rest of the mosaic zero.

    Bars above and below a picture are no such rest: what is cut short is not missing at its top.
    """
    dead_rows = np.asarray(~mosaic[:, ::_FEW].any(axis=1))  # a row that holds light shows it in a few columns
    dead_rows[dead_rows] = ~mosaic[dead_rows].any(axis=1)
    dead = int(np.count_nonzero(dead_rows))
    if dead <= _DEAD_ROWS * len(mosaic):
        return
    bar = int(np.argmin(dead_rows))  # rows before the first that is not dead
    if dead == len(mosaic) or dead - 2 * bar > _DEAD_ROWS * len(mosaic):
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


def _color_matrix(raw: rawpy.RawPy, *, of_dng: bool) -> ColorMatrix | None:
    """XYZ to camera, of the matrix that LibRaw's rendering applies; None where it applies none.

    A DNG's own goes before LibRaw's table. LibRaw has chosen it by the illuminants (D65 where the file has that one),
    multiplied CameraCalibration and AnalogBalance into it, inverted it and set its white to one; the daylight gains
    hold the scale that its rows lost by that.
    """
    own = np.asarray(raw.color_matrix, np.float64)[:, :3]
    if own[0, 0] > _LEAST_RED and of_dng:
        return color_matrix_of(own, raw.daylight_whitebalance[:3])
    table = np.asarray(raw.rgb_xyz_matrix, np.float64)[:3]
    return as_color_matrix(table) if table.any() else None


def _four(values: list[float]) -> tuple[float, float, float, float]:
    a, b, c, d = values
    return a, b, c, d
