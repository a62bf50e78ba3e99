"""Metadata of RAW files, by what their heads say that they are."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, Final

from invisp_deploy.formats.metadata import Metadata, read_tiff


def metadata_of(path: Path, preview: bytes = b"") -> Metadata:
    """Metadata of a RAW file; of its JPEG preview where the file is not TIFF based; nothing where neither has any."""
    with path.open("rb") as stream:
        found = read_tiff(stream)
    return found if found.make or found.model else read_jpeg(io.BytesIO(preview))


def read_jpeg(stream: BinaryIO) -> Metadata:
    """What the Exif segment and the XMP packet of a JPEG say."""
    exif, xmp = b"", b""
    if stream.read(2) != b"\xff\xd8":
        return Metadata()
    while (head := stream.read(4))[:1] == b"\xff" and len(head) == 4 and head[1] not in (0xDA, 0xD9):
        length = int.from_bytes(head[2:], "big") - 2
        data = stream.read(max(length, 0)) if head[1] == 0xE1 else b""
        if head[1] != 0xE1:
            stream.seek(max(length, 0), 1)
        if not exif and data.startswith(b"Exif\0\0"):
            exif = data
        if not xmp and data.startswith(_XMP_IDENTIFIER):
            xmp = data.removeprefix(_XMP_IDENTIFIER)
    return Metadata.from_bytes(exif, xmp)


_XMP_IDENTIFIER: Final = b"http://ns.adobe.com/xap/1.0/\0"
