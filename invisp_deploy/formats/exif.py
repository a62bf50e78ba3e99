"""EXIF of camera files: read from TIFF-based RAW or its preview, kept where it means something to people."""

from __future__ import annotations

import io
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from PIL.Image import Exif

EXIF_IFD: Final = 0x8769
GPS_IFD: Final = 0x8825
ORIENTATION: Final = 0x0112
MAKE: Final = 0x010F
MODEL: Final = 0x0110
SOFTWARE: Final = 0x0131
MADE_SOFTWARE: Final = "invisp-deploy, from a photograph"
"""What a RAW file names as its software that no camera took."""
DNG_VERSION: Final = 0xC612

# IFD0: description, make, model, software, date, artist, copyright. Everything else there lays out pixels.
_KEPT_IFD0: Final = (0x010E, MAKE, MODEL, SOFTWARE, 0x0132, 0x013B, 0x8298)
# Exif IFD: dropped are the maker's private block (offsets into the RAW file), comments, the pixel size of
# another picture, the colour space and the interoperability pointer.
_DROPPED_EXIF: Final = frozenset({0x927C, 0x9286, 0xA001, 0xA002, 0xA003, 0xA005})
# what Pillow raises for a file that is no TIFF or has damaged directories
_UNREADABLE: Final = (SyntaxError, OSError, ValueError, KeyError, TypeError, OverflowError)
# what Pillow raises for a value that does not fit its tag
_UNWRITABLE: Final = (ValueError, TypeError, OverflowError, KeyError, struct.error)


def made_from_photograph(block: bytes) -> bool:
    """Whether an EXIF block (`exif_block`) says that its RAW file was made of a photograph."""
    return bool(load_exif(block).get(SOFTWARE) == MADE_SOFTWARE)


def is_dng(path: Path) -> bool:
    """Whether the file says of itself, in its first directory, that it is a DNG."""
    from PIL import Image

    exif = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with path.open("rb") as stream:
                exif.load_from_fp(stream)
                return DNG_VERSION in exif
        except _UNREADABLE:
            return False


def camera_exif(path: Path, preview: bytes) -> Exif:
    """EXIF of a RAW file; of its JPEG preview where the file is not TIFF based; empty where neither has any."""
    from PIL import Image

    exif = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with path.open("rb") as stream:
                exif.load_from_fp(stream)
                exif.get_ifd(EXIF_IFD)
                exif.get_ifd(GPS_IFD)
            if _text(exif.get(MAKE)) or _text(exif.get(MODEL)):
                return exif
        except _UNREADABLE:
            exif = Image.Exif()
        try:
            with Image.open(io.BytesIO(preview)) as picture:
                return picture.getexif()
        except (SyntaxError, OSError, ValueError):
            return exif


def exif_block(source: Exif) -> bytes:
    """The tags worth keeping as a block that JPEG, PNG and DNG writers take; empty if there are none."""
    from PIL import Image

    kept = Image.Exif()
    for tag in _KEPT_IFD0:
        if text := _text(source.get(tag)):
            kept[tag] = text
    for ifd, dropped in ((EXIF_IFD, _DROPPED_EXIF), (GPS_IFD, frozenset[int]())):
        tags = {tag: value for tag, value in source.get_ifd(ifd).items() if tag not in dropped}
        if tags:
            kept.get_ifd(ifd).update(tags)
    try:
        return kept.tobytes() if len(kept) else b""
    except _UNWRITABLE:  # a tag of a type that cannot be written
        return _written_tag_by_tag(kept)


def load_exif(block: bytes) -> Exif:
    """Inverse of `exif_block`."""
    from PIL import Image

    exif = Image.Exif()
    if block:
        exif.load(block)
    return exif


def make_and_model(exif: Exif) -> tuple[str, str]:
    return _text(exif.get(MAKE)), _text(exif.get(MODEL))


def _written_tag_by_tag(kept: Exif) -> bytes:
    for ifd in (EXIF_IFD, GPS_IFD):
        for tag, value in list(kept.get_ifd(ifd).items()):
            del kept.get_ifd(ifd)[tag]
            if _writable(ifd, tag, value):
                kept.get_ifd(ifd)[tag] = value
    return kept.tobytes()


def _writable(ifd: int, tag: int, value: Any) -> bool:
    from PIL import Image

    lone = Image.Exif()
    lone.get_ifd(ifd)[tag] = value
    try:
        lone.tobytes()
    except _UNWRITABLE:
        return False
    return True


def _text(value: Any) -> str:
    return value.replace("\0", "").strip() if isinstance(value, str) else ""
