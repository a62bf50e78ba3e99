"""Rendered pictures as files: JPEG (quality, subsampling), PNG (8 bit) and TIFF (16 bit) without loss."""

from __future__ import annotations

import base64
import binascii
import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ImageFileError, MissingFileError, RequestError
from invisp_deploy.files import whole_file
from invisp_deploy.formats.first_page import append_directories, first_page_tags
from invisp_deploy.formats.metadata import NONE, Metadata, read_tiff
from invisp_deploy.formats.picture_tags import fitting_jpeg, of_picture, of_tiff
from invisp_deploy.formats.record import IDENTIFIER, Record
from invisp_deploy.formats.walk import PICTURE_SUFFIXES

Rgb8 = npt.NDArray[np.uint8]
"""(H, W, 3)."""

Pixels = Rgb8 | npt.NDArray[np.uint16]
"""(H, W, 3)."""


_MARKER: Final = 9  # APP9
_TEXT_KEY: Final = "InvISP"
_PNG_XMP: Final = b"XML:com.adobe.xmp"
_TIFF_TAG: Final = 65042  # private range
_ICC_TAG: Final = 34675
_MAX_PIXELS: Final = 1 << 29
_STRIP: Final = 256
"""Rows that are copied from and to Pillow at once: it gives and takes arrays by way of bytes, a copy of all."""


@dataclass(frozen=True)
class Picture:
    """(H, W, 3) uint8 or uint16 sRGB in sensor order, the way back (None if it carries none), the metadata."""

    pixels: Pixels
    record: Record | None
    metadata: Metadata = NONE

    def save(
        self, path: str | Path, *, quality: int = 90, subsampling: str = "4:2:2", overwrite: bool = True
    ) -> tuple[str, ...]:
        """Write it as .jpg, .png (8 bit) or .tif (16 bit), whole or not at all; as `write_picture`."""
        return write_picture(Path(path), self, quality=quality, subsampling=subsampling, overwrite=overwrite)


def bit_depth(path: Path) -> int:
    """Bits per colour that a file of that name stores; RequestError for an ending that is no picture's."""
    suffix = path.suffix.lower()
    if suffix not in PICTURE_SUFFIXES:
        raise RequestError(
            f"A rendered picture is written as {', '.join(PICTURE_SUFFIXES)}, got the name {path.name}: choose one."
        )
    return 16 if suffix in (".tif", ".tiff") else 8


def write_picture(
    path: Path, picture: Picture, *, quality: int, subsampling: str, overwrite: bool = True
) -> tuple[str, ...]:
    """Write a picture, whole or not at all, with its metadata, orientation, sRGB profile and the way back.

    Returns a sentence on each thing that the format does not hold.

    Pixels are uint8 for JPEG and PNG, uint16 for TIFF. quality (1 to 100) and subsampling (of `SUBSAMPLINGS`) hold
    for JPEG. Raises RequestError for another depth or ending, a picture without a record, and a file that is there and
    not to be overwritten; OutputError.
    """
    from PIL import Image

    suffix = path.suffix.lower()
    pixels, record = picture.pixels, picture.record
    if record is None:
        raise RequestError("Only a picture that carries its way back is written: render one.")
    if pixels.dtype.itemsize * 8 != bit_depth(path):
        raise RequestError(f"{path} stores {bit_depth(path)} bits a colour, the picture has {pixels.dtype}.")
    metadata = of_picture(picture.metadata, record.facts.orientation, pixels.shape[1], pixels.shape[0])
    notes: tuple[str, ...] = ()
    with whole_file(path, overwrite=overwrite) as part:
        if suffix in (".jpg", ".jpeg"):
            metadata, notes = fitting_jpeg(metadata)
            coded = replace(record, quality=quality, subsampling=subsampling).to_bytes()
            stream = io.BytesIO()  # given a file, Pillow takes a short write on a full disk for a whole one
            Image.fromarray(pixels).save(
                stream,
                "JPEG",
                quality=quality,
                subsampling=subsampling,
                exif=b"Exif\0\0" + metadata.exif_block(),
                xmp=metadata.xmp or None,
                icc_profile=_srgb_profile(),
                extra=struct.pack(">BBH", 0xFF, 0xE0 + _MARKER, len(coded) + 2) + coded,
            )
            part.write_bytes(stream.getbuffer())
        elif suffix == ".png":
            from PIL.PngImagePlugin import PngInfo

            text = PngInfo()
            text.add_text(_TEXT_KEY, base64.b64encode(record.to_bytes()).decode())
            if metadata.xmp:
                text.add(b"iTXt", _PNG_XMP + bytes(5) + metadata.xmp)
            block = metadata.exif_block()
            Image.fromarray(pixels).save(part, "PNG", exif=block, icc_profile=_srgb_profile(), pnginfo=text)
        else:
            _write_tiff(part, pixels, record, of_tiff(metadata))
    return notes


def read_picture(path: str | Path) -> Picture:
    """Read a picture in sensor order (the EXIF orientation is not applied).

    Raises RequestError if there is no such file, ImageFileError for anything that is no complete RGB
    picture, a damaged way back, or a JPEG that was coded again since it was rendered.
    """
    path = Path(path)
    if _is_tiff(path):
        return _read_tiff(path)
    with _image(path) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise ImageFileError(f"{path} claims {image.width}x{image.height} pixels, more than any camera.")
        data = _carried(image)
        if image.mode != "RGB":
            raise ImageFileError(f"{path} is a picture of mode {image.mode}, expected 8-bit RGB as we render it.")
        pixels = _array(image)
        metadata = Metadata.from_bytes(image.info.get("exif", b""), image.info.get("xmp", b""))
        tables = getattr(image, "quantization", None)
    record = Record.from_bytes(data, str(path)) if data else None
    _check_untouched(path, pixels, record, tables)
    return Picture(pixels, record, metadata)


def import_coder(path: Path) -> None:
    """Import what writes a file of that ending, DNGs included, ahead of the moment when it is needed."""
    if path.suffix.lower() in (".tif", ".tiff"):
        import tifffile  # noqa: F401
    else:
        from PIL import Image

        Image.preinit()
        _srgb_profile()


def carried_record(path: str | Path) -> Record | None:
    """The way back that a picture carries, None where it carries none; pixels are not decoded.

    Raises RequestError if there is no such file, ImageFileError for what is no picture or a damaged way back.
    """
    path = Path(path)
    if _is_tiff(path):
        with _tiff_page(path) as page:
            data = _tiff_carried(page)
    else:
        with _image(path) as image:
            data = _carried(image)
    return Record.from_bytes(data, str(path)) if data else None


def reduced(pixels: Rgb8, edge: int) -> Rgb8:
    """A picture of at most `edge` pixels a side: each of its pixels is the mean of a square; itself where it is small.

    (H, W, 3) uint8 -> (ceil(H / n), ceil(W / n), 3), with the smallest n that does.
    """
    from PIL import Image

    step = -(-max(pixels.shape[:2]) // edge)
    if step == 1:
        return pixels
    strips = (pixels[top : top + step * _STRIP] for top in range(0, len(pixels), step * _STRIP))
    return np.concatenate([np.asarray(Image.fromarray(strip).reduce(step)) for strip in strips])


@contextmanager
def _image(path: Path) -> Iterator[Any]:
    """A picture of Pillow's, open for the block, whose errors about the file become ours."""
    from PIL import Image, UnidentifiedImageError

    _check_there(path)
    try:
        with Image.open(path) as image:
            yield image
    except UnidentifiedImageError as error:
        raise ImageFileError(f"{path} is not a JPEG, PNG or TIFF picture.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageFileError(f"{path} is cut short or damaged: {error}.") from error


@contextmanager
def _tiff_page(path: Path) -> Iterator[Any]:
    """The first page of a TIFF, open for the block; errors as `_image`."""
    import tifffile

    _check_there(path)
    try:
        with tifffile.TiffFile(path) as tiff:
            yield tiff.pages.first
    except (tifffile.TiffFileError, zlib.error, OSError, ValueError, KeyError, IndexError, RuntimeError) as error:
        # RuntimeError: imagecodecs, which tifffile decodes with where it is installed
        raise ImageFileError(f"{path} is not a complete TIFF picture: {error}.") from error


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in (".tif", ".tiff")


def _check_there(path: Path) -> None:
    if not path.exists():
        raise MissingFileError(f"There is no file {path}.")


def _array(image: Any) -> Rgb8:
    """Pixels of an RGB picture of Pillow's."""
    image.load()
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _STRIP):
        bottom = min(top + _STRIP, height)
        pixels[top:bottom] = np.asarray(image.crop((0, top, width, bottom)))
    return pixels


def _carried(image: Any) -> bytes:
    if image.format == "PNG":
        text = image.text.get(_TEXT_KEY, "") if hasattr(image, "text") else ""
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            return IDENTIFIER
    for name, data in getattr(image, "applist", []):
        if name == f"APP{_MARKER}" and data.startswith(IDENTIFIER):
            return bytes(data)
    return b""


def _tiff_carried(page: Any) -> bytes:
    tag = page.tags.get(_TIFF_TAG)
    return b"" if tag is None else bytes(tag.value)


def _check_untouched(path: Path, pixels: Pixels, record: Record | None, tables: Any) -> None:
    """A resized or re-coded picture still carries the record, but no longer what it speaks of."""
    if record is None:
        return
    if pixels.shape[:2] != (record.height, record.width):
        raise ImageFileError(
            f"{path} is {pixels.shape[1]}x{pixels.shape[0]}, it was rendered as {record.width}x{record.height}: use "
            "the file as it was rendered."
        )
    if tables and tables != _tables(record.quality):
        raise ImageFileError(
            f"{path} was saved again by another program (its quantisation is not that of quality {record.quality}): "
            "use the file as it was rendered."
        )


@lru_cache(maxsize=4)
def _tables(quality: int) -> dict[int, list[int]]:
    """Quantisation tables of this libjpeg at a quality."""
    from PIL import Image
    from PIL.JpegImagePlugin import JpegImageFile

    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", quality=quality)
    with Image.open(stream) as image:
        return dict(image.quantization) if isinstance(image, JpegImageFile) else {}


@lru_cache(maxsize=1)
def _srgb_profile() -> bytes:
    """LittleCMS's sRGB profile with a fixed date, so that equal input gives equal bytes."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2026, 1, 1, 0, 0, 0)
    return bytes(profile)


def _write_tiff(path: Path, pixels: Pixels, record: Record, metadata: Metadata) -> None:
    import tifffile

    carried, profile = record.to_bytes(), _srgb_profile()
    tifffile.imwrite(
        path,
        pixels,
        photometric="rgb",
        byteorder="<",
        compression="zlib",
        predictor=True,
        rowsperstrip=64,
        metadata=None,
        resolution=(72, 72),
        resolutionunit="INCH",
        software="invisp-deploy",
        extratags=[
            (274, 3, 1, record.facts.orientation, True),
            (_TIFF_TAG, 7, len(carried), carried, True),
            (_ICC_TAG, 7, len(profile), profile, True),
            *first_page_tags(metadata),
        ],
    )
    append_directories(path, metadata)


def _read_tiff(path: Path) -> Picture:
    with _tiff_page(path) as page:
        pixels = page.asarray()
        carried = _tiff_carried(page)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype not in (np.uint8, np.uint16):
        raise ImageFileError(
            f"{path} holds {pixels.dtype} {pixels.shape}, expected RGB of 8 or 16 bits as we render it."
        )
    record = Record.from_bytes(carried, str(path)) if carried else None
    _check_untouched(path, pixels, record, None)
    with path.open("rb") as stream:
        metadata = read_tiff(stream)
    return Picture(pixels, record, metadata)
