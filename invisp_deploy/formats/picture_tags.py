"""Metadata of a rendered picture: that of its frame, and what Exif asks of every picture (CIPA DC-008, table 17)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from invisp_deploy.formats.ifd import UNDEFINED, Entry, longs, rational, shorts, text
from invisp_deploy.formats.metadata import EXIF_VERSION, ORIENTATION, SOFTWARE, Metadata

MADE_BY: Final = text("invisp-deploy")
_COMPONENTS: Final = 0x9101
_WIDTH: Final = 0xA002
_HEIGHT: Final = 0xA003
_VERSION: Final = b"0232"
"""Of Exif, at least: time zones and serial numbers came late."""
_SRGB: Final = 1
_INCHES: Final = 2
_CENTRED: Final = 1
_POSITIONING: Final = 0x0213
_RESOLUTION: Final = {0x011A: rational(72, 1), 0x011B: rational(72, 1), 0x0128: shorts(_INCHES)}


_SEGMENT: Final = 65533
"""Bytes that a segment of a JPEG holds beside its marker and length."""
_EXIF_HEAD: Final = len(b"Exif\0\0")
_XMP_HEAD: Final = len(b"http://ns.adobe.com/xap/1.0/\0")


def fitting_jpeg(metadata: Metadata) -> tuple[Metadata, tuple[str, ...]]:
    """It without what a JPEG's two segments do not hold, and a sentence on each thing that is left out.

    That is an XMP packet that is too long, and of the directories the longest values first.
    """
    from PIL.ExifTags import TAGS

    left_out = []
    if len(metadata.xmp) > _SEGMENT - _XMP_HEAD:
        left_out.append(("the XMP packet", len(metadata.xmp)))
        metadata = replace(metadata, xmp=b"")
    while len(metadata.exif_block()) > _SEGMENT - _EXIF_HEAD:
        parts = {"ifd0": metadata.ifd0, "exif": metadata.exif, "gps": metadata.gps}
        name, longest = max(
            ((name, tag) for name, part in parts.items() for tag in part),
            key=lambda found: len(parts[found[0]][found[1]].data),
        )
        left_out.append((TAGS.get(longest, f"the tag {longest}"), len(parts[name][longest].data)))
        left = {tag: value for tag, value in parts[name].items() if tag != longest}
        metadata = Metadata(**{**parts, name: left}, xmp=metadata.xmp)
    return metadata, tuple(f"{what} of {size} bytes does not fit a JPEG and was left out" for what, size in left_out)


def of_picture(metadata: Metadata, orientation: int, width: int, height: int) -> Metadata:
    """The metadata of a picture of that size, pixels, in sRGB, which that EXIF orientation shows upright."""
    ifd0 = {
        ORIENTATION: shorts(orientation),
        **_RESOLUTION,
        SOFTWARE: MADE_BY,
        _POSITIONING: shorts(_CENTRED),
    }
    exif = {
        **metadata.exif,
        EXIF_VERSION: Entry(UNDEFINED, _version(metadata)),
        _COMPONENTS: Entry(UNDEFINED, bytes((1, 2, 3, 0))),  # Y, Cb, Cr
        0xA000: Entry(UNDEFINED, b"0100"),  # FlashpixVersion
        0xA001: shorts(_SRGB),  # ColorSpace
        _WIDTH: longs(width),
        _HEIGHT: longs(height),
    }
    return Metadata({**metadata.ifd0, **ifd0}, exif, metadata.gps, metadata.xmp)


def of_tiff(metadata: Metadata) -> Metadata:
    """What of a picture's metadata a TIFF takes beside what lays out its pixels: RGB has no Y, Cb and Cr."""
    laid_out = (ORIENTATION, SOFTWARE, *_RESOLUTION, _POSITIONING)
    exif = {tag: value for tag, value in metadata.exif.items() if tag not in (_COMPONENTS, _WIDTH, _HEIGHT)}
    return replace(metadata.without(*laid_out), exif=exif)


def _version(metadata: Metadata) -> bytes:
    said = metadata.exif[EXIF_VERSION].data if EXIF_VERSION in metadata.exif else b""
    return max(said, _VERSION) if len(said) == 4 and said.isdigit() else _VERSION
