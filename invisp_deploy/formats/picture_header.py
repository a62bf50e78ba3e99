"""What a picture's file says before any pixel is decoded: which format it is by its bytes, size, bits, its layers."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from invisp_deploy.errors import ImageFileError, InvispError, MissingFileError
from invisp_deploy.formats import jpeg, png
from invisp_deploy.formats.layers import Layers, from_packets
from invisp_deploy.formats.limits import MAX_PIXELS, check_size
from invisp_deploy.formats.multi_picture import packets_behind

TIFF_TAG: Final = 65042
"""Of the layers, in the private range."""

ICC_TAG: Final = 34675
_TIFF_STARTS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_RGB: Final = 2
_DEFLATED: Final = (8, 32946)
_PIECE: Final = 1 << 20


@dataclass(frozen=True)
class PictureHeader:
    """A picture's file but its pixels.

    kind: JPEG, PNG or TIFF. bits: of a sample. colour: in words, `RGB` where it is what we render. layers: those that
    are whole; damaged: names of the others, and why. profile: ICC, empty if none. jpeg: more of a JPEG.
    """

    kind: str
    height: int
    width: int
    bits: int
    colour: str
    layers: Layers
    damaged: dict[str, str]
    profile: bytes = field(default=b"", repr=False)
    jpeg: jpeg.JpegHeader | None = field(default=None, repr=False)


def read_picture_header(path: str | Path, max_pixels: float = MAX_PIXELS) -> PictureHeader:
    """Raises MissingFileError; ImageFileError for what is no picture, damaged, or larger than `max_pixels`."""
    path = Path(path)
    with opened_picture(path) as stream:
        return header_of(stream, path, max_pixels)


@contextmanager
def opened_picture(path: Path) -> Iterator[BinaryIO]:
    """A picture's file, open for the block, in which whatever is raised about it becomes ImageFileError."""
    try:
        stream = path.open("rb")
    except FileNotFoundError as error:
        raise MissingFileError(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:
        raise ImageFileError(f"{path} cannot be read: {error}.") from error
    with stream:
        try:
            yield stream
        except InvispError:
            raise
        except Exception as error:  # decoders meet bytes that nobody foresaw
            raise ImageFileError(f"{path} is cut short or damaged: {error or type(error).__name__}.") from error


def header_of(stream: BinaryIO, path: Path, max_pixels: float) -> PictureHeader:
    """The header of what a stream begins with. Raises ImageFileError, and whatever damage makes parsers raise."""
    start = stream.read(8)
    stream.seek(0)
    if start.startswith(jpeg.START):
        found = _of_jpeg(stream)
    elif start.startswith(png.SIGNATURE):
        found = _of_png(stream)
    elif start.startswith(_TIFF_STARTS):
        found = _of_tiff(stream)
    else:
        raise ImageFileError(f"{path} is not a JPEG, PNG or TIFF picture.")
    check_size(path, found.height, found.width, max_pixels, ImageFileError)
    return found


def _of_jpeg(stream: BinaryIO) -> PictureHeader:
    found = jpeg.read_jpeg_header(stream)
    colour = {1: "grey", 3: "RGB", 4: "CMYK"}.get(len(found.components), f"{len(found.components)} planes")
    behind = packets_behind(found, stream) if found.index else []
    layers, damaged = from_packets((*found.packets, *behind))
    return PictureHeader(
        "JPEG", found.height, found.width, found.precision, colour, layers, damaged, found.profile, found
    )


def _of_png(stream: BinaryIO) -> PictureHeader:
    found = png.read_png_header(stream)
    layers, damaged = from_packets(found.packets)
    return PictureHeader("PNG", found.height, found.width, found.bits, found.colour, layers, damaged, found.profile)


def _of_tiff(stream: BinaryIO) -> PictureHeader:
    import logging

    import tifffile

    if not (log := logging.getLogger("tifffile")).handlers:
        log.addHandler(logging.NullHandler())  # what is damaged is told once, as our error
    with tifffile.TiffFile(stream) as tiff:
        page: Any = tiff.pages.first
        is_rgb = (page.photometric, page.samplesperpixel, page.imagedepth) == (_RGB, 3, 1) and page.dtype.kind == "u"
        colour = "RGB" if is_rgb else f"{page.samplesperpixel} samples of {page.dtype}"
        carried, profile = (_tag(page, number) for number in (TIFF_TAG, ICC_TAG))
        layers, damaged = from_packets(_unpacked(carried))
        return PictureHeader(
            *("TIFF", page.imagelength, page.imagewidth, page.dtype.itemsize * 8, colour, layers, damaged, profile)
        )


def check_segments(stream: BinaryIO, page: Any) -> None:
    """Raise ValueError for a deflated strip or tile of a TIFF's page that holds more than its rows: they are inflated
    once, in pieces that are counted and not kept.
    """
    if page.compression not in _DEFLATED:
        return
    rows, columns = page.chunks[:2]
    largest = rows * columns * page.samplesperpixel * page.dtype.itemsize
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        stream.seek(offset)
        inflater, rest, made = zlib.decompressobj(), stream.read(count), 0
        while rest and not inflater.eof and made <= largest:
            made += len(inflater.decompress(rest, _PIECE))
            rest = inflater.unconsumed_tail
        if made > largest:
            raise ValueError(f"a strip or tile inflates to more than the {largest} bytes of its rows")


def _tag(page: Any, number: int) -> bytes:
    tag = page.tags.get(number)
    if tag is None:
        return b""
    value = tag.value  # text, where a program wrote it again as that
    return value.encode(errors="replace") if isinstance(value, str) else bytes(value)


def _unpacked(data: bytes) -> Iterator[bytes]:
    """The packets of a TIFF's tag, each after its length."""
    while data:
        size = int.from_bytes(data[:4], "big")
        yield data[4 : 4 + size]
        data = data[4 + size :]


def packed_for_tiff(packets: Iterator[bytes]) -> bytes:
    """The value of a TIFF's tag."""
    return b"".join(len(packet).to_bytes(4, "big") + packet for packet in packets)
