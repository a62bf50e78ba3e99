"""Whether a picture's pixels are those that were rendered: its record holds a digest of them.

Of a PNG or TIFF the digest is of the samples. Of a JPEG it is of what decides them (`formats/jpeg.py`), which costs no
decoding; a JPEG that was coded again without loss, or turned without loss, is brought to the form in which it was
written, and compared again.
"""

from __future__ import annotations

import hashlib

import numpy as np

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.coefficients import read_coefficients, transposed_table
from invisp_deploy.formats.jpeg import END, JpegHeader, header_of_jpeg, pixels_digest, written_by_pillow
from invisp_deploy.formats.normal_form import write_normal_form
from invisp_deploy.formats.orientation import ORIENTATIONS, TURNS, sensor_order
from invisp_deploy.formats.pixels import Pixels
from invisp_deploy.formats.record import Record

_Shape = tuple[tuple[int, int], tuple[tuple[int, int], ...], tuple[tuple[int, ...], ...]]


def samples_digest(pixels: Pixels) -> str:
    """SHA-256, hexadecimal, of size, bits, and the samples row by row, little-endian."""
    digest = hashlib.sha256(repr((pixels.shape, pixels.dtype.itemsize)).encode())
    digest.update(np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)).data)
    return digest.hexdigest()


def untouched_samples(pixels: Pixels, record: Record, source: str) -> tuple[Pixels, int]:
    """The pixels as they were rendered, and the orientation that a viewer has turned them upright from, 1 if none.

    Raises ImageFileError for others.
    """
    for number in ORIENTATIONS:
        turned = sensor_order(pixels, number)
        if turned.shape[:2] == (record.height, record.width) and samples_digest(turned) == record.digest:
            return np.ascontiguousarray(turned), number
    _check_size(pixels.shape[0], pixels.shape[1], record, source)
    raise _touched(source)


def untouched_jpeg(data: bytes, header: JpegHeader, record: Record, source: str) -> tuple[bytes, int]:
    """A JPEG of the pixels as they were rendered, and the orientation, as `untouched_samples`.

    Raises ImageFileError for others, and for those that no Huffman coding of libjpeg's reads.
    """
    if pixels_digest(data) in (record.digest, record.own_codes):
        return data, 1
    if header.scan is None or data.find(END, header.scan.start) < 0:
        raise ImageFileError(f"{source} is cut short: copy it again from where it came.")
    wanted, found = _shape_of_record(record), _shape(header)
    numbers = [number for number in ORIENTATIONS if (_transposed(found) if TURNS[number][0] else found) == wanted]
    if not numbers:
        raise _of_another_shape(header, record, source)
    try:
        held = read_coefficients(data)
        for number in numbers:
            made = write_normal_form(held.sensor_order(number), record.quality, record.subsampling)
            if pixels_digest(made) == record.digest:
                return (data if number == 1 else made), number
    except ValueError as error:
        raise _touched(source, f": {error}") from error
    raise _touched(source)


def _shape(header: JpegHeader) -> _Shape:
    """Size, sampling factors, quantisation."""
    sampling = tuple((component.h, component.v) for component in header.components)
    return (header.height, header.width), sampling, header.tables


def _shape_of_record(record: Record) -> _Shape:
    _, sampling, tables = _shape(header_of_jpeg(written_by_pillow(record.quality, record.subsampling)))
    return (record.height, record.width), sampling, tables


def _transposed(shape: _Shape) -> _Shape:
    (height, width), sampling, tables = shape
    return (width, height), tuple((v, h) for h, v in sampling), tuple(map(transposed_table, tables))


def _of_another_shape(header: JpegHeader, record: Record, source: str) -> ImageFileError:
    """What differs of a JPEG that no turning makes into what was written."""
    _check_size(header.height, header.width, record, source)
    if header.subsampling != record.subsampling:
        return ImageFileError(
            f"{source} was saved again by another program (its chroma is {header.subsampling or 'of another form'}, it "
            f"was rendered as {record.subsampling}): use the file as it was rendered."
        )
    return ImageFileError(
        f"{source} was saved again by another program (its quantisation is not that of quality {record.quality}): "
        "use the file as it was rendered."
    )


def _check_size(height: int, width: int, record: Record, source: str) -> None:
    if {height, width} != {record.height, record.width}:
        raise ImageFileError(
            f"{source} is {width}x{height}, it was rendered as {record.width}x{record.height}: use the file as it was "
            "rendered."
        )


def _touched(source: str, why: str = "") -> ImageFileError:
    return ImageFileError(
        f"{source} carries the way back of other pixels (it was edited or damaged since it was rendered{why}): use the "
        "file as it was rendered, or pass `force` for a RAW file that may be far off."
    )
