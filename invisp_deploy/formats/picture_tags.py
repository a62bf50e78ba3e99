"""Metadata of a rendered picture: that of its frame, and what Exif asks of every picture (CIPA DC-008, table 17)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from invisp_deploy.formats.ifd import UNDEFINED, Entry, longs, rational, shorts, text
from invisp_deploy.formats.metadata import EXIF_VERSION, ORIENTATION, SOFTWARE, Metadata

MADE_BY: Final = text("invisp-deploy")
_SRGB: Final = 1
_INCHES: Final = 2
_CENTRED: Final = 1


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
        0x011A: rational(72, 1),  # XResolution
        0x011B: rational(72, 1),  # YResolution
        0x0128: shorts(_INCHES),  # ResolutionUnit
        SOFTWARE: MADE_BY,
        0x0213: shorts(_CENTRED),  # YCbCrPositioning
    }
    exif = {
        EXIF_VERSION: Entry(UNDEFINED, b"0232"),
        **metadata.exif,
        0x9101: Entry(UNDEFINED, bytes((1, 2, 3, 0))),  # ComponentsConfiguration: Y, Cb, Cr
        0xA000: Entry(UNDEFINED, b"0100"),  # FlashpixVersion
        0xA001: shorts(_SRGB),  # ColorSpace
        0xA002: longs(width),  # PixelXDimension
        0xA003: longs(height),  # PixelYDimension
    }
    return Metadata({**metadata.ifd0, **ifd0}, exif, metadata.gps, metadata.xmp)
