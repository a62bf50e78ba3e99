"""An Exif directory in TIFF files that tifffile writes (it lays out pages, not Exif)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, Final

from invisp_deploy.camera.exif import EXIF_IFD, load_exif

__all__ = ["append_exif", "stand_in"]

_LONG: Final = 4
_STAND_IN: Final = 34664  # tifffile does not write the Exif pointer (34665); its neighbour keeps the tags in order


def stand_in() -> tuple[Any, ...]:
    """The extra tag that `append_exif` turns into the pointer; for the first page."""
    return (_STAND_IN, _LONG, 1, 0, True)


def append_exif(path: Path, block: bytes) -> None:
    """Append the Exif directory of a block and turn the stand-in of the first page into its pointer."""
    import tifffile
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    with tifffile.TiffFile(path) as tiff:
        entry = tiff.pages[0].tags[_STAND_IN].offset
    directory = ImageFileDirectory_v2(b"II\x2a\x00\x08\x00\x00\x00")
    for tag, value in load_exif(block).get_ifd(EXIF_IFD).items():
        directory[tag] = value
    size = path.stat().st_size
    offset = size + size % 2
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(directory.tobytes(offset) + bytes(4))
        stream.seek(entry)
        stream.write(struct.pack("<HHII", EXIF_IFD, _LONG, 1, offset))
