"""What tifffile leaves out of the files it writes: an Exif directory, a pointer of the type DNG readers know."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Final

from invisp_deploy.formats.exif import EXIF_IFD, load_exif

_LONG: Final = 4
_SUB_IFDS: Final = 330
_UNDEFINED: Final = 7
_SRATIONAL: Final = 10
# Pillow guesses a tag's type from its value; these guesses are wrong (Exif 2.3, table 4)
_TYPES: Final = {
    0x9000: _UNDEFINED,  # ExifVersion
    0x9101: _UNDEFINED,  # ComponentsConfiguration
    0x9201: _SRATIONAL,  # ShutterSpeedValue
    0x9203: _SRATIONAL,  # BrightnessValue
    0x9204: _SRATIONAL,  # ExposureBiasValue
    0xA000: _UNDEFINED,  # FlashpixVersion
    0xA300: _UNDEFINED,  # FileSource
    0xA301: _UNDEFINED,  # SceneType
}
_STAND_IN: Final = 34664  # tifffile does not write the Exif pointer (34665); its neighbour keeps the tags in order


def stand_in() -> tuple[Any, ...]:
    """The extra tag that `append_exif` turns into the pointer; for the first page."""
    return (_STAND_IN, _LONG, 1, 0, True)


def sub_directory_as_long(path: Path) -> None:
    """Give the first page's SubIFDs tag the type LONG, as the DNG specification has it; tifffile writes IFD."""
    entry = _entry(path, _SUB_IFDS)
    with path.open("r+b") as stream:
        stream.seek(entry + 2)
        stream.write(struct.pack("<H", _LONG))


def append_exif(path: Path, block: bytes) -> None:
    """Append the Exif directory of a block and turn the stand-in of the first page into its pointer."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    entry = _entry(path, _STAND_IN)
    directory = ImageFileDirectory_v2(b"II\x2a\x00\x08\x00\x00\x00")
    for tag, value in load_exif(block).get_ifd(EXIF_IFD).items():
        directory[tag] = value
        if tag in _TYPES:
            directory.tagtype[tag] = _TYPES[tag]
    size = path.stat().st_size
    offset = size + size % 2
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(directory.tobytes(offset) + bytes(4))
        stream.seek(entry)
        stream.write(struct.pack("<HHII", EXIF_IFD, _LONG, 1, offset))


def _entry(path: Path, tag: int) -> int:
    """Where in the file the first page's entry of a tag starts."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        offset: int = tiff.pages.first.tags[tag].offset
    return offset
