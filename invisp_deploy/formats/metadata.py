"""What a file says of its picture for people: the camera, the moment, the place, the photographer's words.

Values are kept as the bytes and types that the file has, so that nothing is renamed, rounded or spelt anew.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final

from invisp_deploy.formats.ifd import (
    ASCII,
    BYTE,
    IFD,
    LONG,
    Directory,
    Entry,
    read_directory,
    read_first_directory,
    text,
    tiff_of,
)
from invisp_deploy.formats.xmp import without_places

EXIF_IFD: Final = 0x8769
GPS_IFD: Final = 0x8825
XMP: Final = 700
ORIENTATION: Final = 0x0112
MAKE: Final = 0x010F
MODEL: Final = 0x0110
SOFTWARE: Final = 0x0131
EXIF_VERSION: Final = 0x9000
_COMMENT: Final = 0x9286
_CODE: Final = 8
"""Bytes before a comment that say how it is written."""
MADE_SOFTWARE: Final = "invisp-deploy, from a photograph"
"""What a RAW file names as its software that no camera took."""

NO_CAMERA: Final = "unknown camera"
"""What a DNG, which has to name its camera, says in place of one."""
_UNIQUE_CAMERA_MODEL: Final = 0xC614

# IFD0: description, make, model, software, date, artist, rating (a number, a percentage), copyright, Windows' title,
# comment, author, keywords and subject. Everything else there lays out pixels.
_KEPT_IFD0: Final = (
    *(0x010E, MAKE, MODEL, SOFTWARE, 0x0132, 0x013B, 0x4746, 0x4749, 0x8298),
    *range(0x9C9B, 0x9CA0),
)
# What TIFF/EP and Android's cameras write into IFD0, and Exif has in a directory of its own: exposure, programme,
# sensitivity, dates, time zones, shutter to focal length, subject, parts of seconds, index, sensor, scene, lens.
_EXIF_IN_IFD0: Final = (
    *(0x829A, 0x829D, 0x8822, 0x8824, 0x8827, *range(0x8830, 0x8836), 0x9003, 0x9004, *range(0x9010, 0x9013)),
    *(*range(0x9201, 0x920B), 0x9214, *range(0x9290, 0x9293), 0xA215, 0xA217, *range(0xA401, 0xA40B), 0xA40C, 0xA420),
    *range(0xA430, 0xA436),
)
# DNG's own tags in IFD0 of what Exif has too: serial number of the camera, range of the lens.
_DNG_TO_EXIF: Final = {0xC62F: 0xA431, 0xC630: 0xA432}
_WANTED_IFD0: Final = frozenset(
    {*_KEPT_IFD0, *_EXIF_IN_IFD0, *_DNG_TO_EXIF, _UNIQUE_CAMERA_MODEL, XMP, EXIF_IFD, GPS_IFD}
)
# Exif IFD: dropped are the maker's private block (offsets into the RAW file), the pixel size of
# another picture, the colour space and the interoperability pointer.
_DROPPED_EXIF: Final = frozenset({0x927C, 0xA001, 0xA002, 0xA003, 0xA005})


@dataclass(frozen=True)
class Metadata:
    """ifd0, exif, gps: the entries of three directories that are worth keeping; xmp: the packet, empty if none."""

    ifd0: Directory = field(default_factory=dict)
    exif: Directory = field(default_factory=dict)
    gps: Directory = field(default_factory=dict)
    xmp: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.ifd0 or self.exif or self.gps or self.xmp)

    @property
    def make(self) -> str:
        return self._text(MAKE)

    @property
    def model(self) -> str:
        return self._text(MODEL)

    @property
    def made_from_photograph(self) -> bool:
        """Whether the RAW file says of itself that it was made of a photograph."""
        return self._text(SOFTWARE) == MADE_SOFTWARE

    def named(self, make: str, model: str) -> Metadata:
        """It with that camera, in the file's own bytes where these say the same."""
        ifd0 = dict(self.ifd0)
        for tag, said, name in ((MAKE, self.make, make), (MODEL, self.model, model)):
            if said != name:
                ifd0.pop(tag, None)
                ifd0 |= {tag: text(name)} if name else {}
        return replace(self, ifd0=ifd0)

    def without(self, *tags: int) -> Metadata:
        """It but for these of the first directory."""
        return replace(self, ifd0={tag: value for tag, value in self.ifd0.items() if tag not in tags})

    def without_location(self) -> Metadata:
        """It without the GPS directory, and the XMP packet without positions and names of places."""
        return replace(self, gps={}, xmp=without_places(self.xmp))

    def beside(self, other: Metadata) -> Metadata:
        """It, and what another says besides."""
        return Metadata(
            {**other.ifd0, **self.ifd0}, {**other.exif, **self.exif}, self.gps or other.gps, self.xmp or other.xmp
        )

    def to_bytes(self) -> bytes:
        """A little-endian TIFF of these directories, the XMP packet among them; empty if there is nothing."""
        if not self:
            return b""
        return tiff_of(self.first_directory(), ((EXIF_IFD, self.exif), (GPS_IFD, self.gps)))

    def exif_block(self) -> bytes:
        """A little-endian TIFF of the three directories, as JPEG and PNG take it."""
        return tiff_of(self.ifd0, ((EXIF_IFD, self.exif), (GPS_IFD, self.gps)))

    def first_directory(self) -> dict[int, Entry]:
        """What of it stands in a TIFF's first directory, the XMP packet among it."""
        return {**self.ifd0, **({XMP: Entry(BYTE, self.xmp)} if self.xmp else {})}

    @classmethod
    def from_bytes(cls, block: bytes, xmp: bytes = b"") -> Metadata:
        """What a TIFF, `Exif\\0\\0` before it or not, says, with that XMP packet; nothing where it is none."""
        found = read_tiff(io.BytesIO(block.removeprefix(b"Exif\0\0")))
        return replace(found, xmp=xmp or found.xmp)

    def _text(self, tag: int) -> str:
        return self.ifd0[tag].text if tag in self.ifd0 else ""


NONE: Final = Metadata()
"""Of a file that says nothing."""


def read_tiff(stream: BinaryIO, base: int = 0) -> Metadata:
    """What the TIFF that starts at a place of a file says; damaged entries and empty texts are left out."""
    ifd0, order = read_first_directory(stream, base, _WANTED_IFD0.__contains__)
    inner = []
    for tag in (EXIF_IFD, GPS_IFD):
        pointer = ifd0.pop(tag, None)
        place = int(pointer.numbers[0]) if pointer is not None and pointer.kind in (LONG, IFD) else 0
        inner.append(read_directory(stream, place, order, base=base, wanted=_worth_keeping) if place else {})
    return kept(ifd0, *inner)


def _worth_keeping(tag: int) -> bool:
    return tag not in _DROPPED_EXIF  # maker's blocks are long


def kept(ifd0: Directory, exif: Directory, gps: Directory) -> Metadata:
    """What of three directories is worth keeping.

    Exposure and dates of the first stand in Exif's then. A DNG's UniqueCameraModel is the model where no Make and no
    Model is there.
    """
    ifd0, exif, gps = (
        {tag: value for tag, value in directory.items() if value.kind != ASCII or value.data.strip(b"\0 ")}
        for directory in (ifd0, exif, gps)
    )
    if _COMMENT in exif and not exif[_COMMENT].data[_CODE:].strip(b"\0 "):
        exif.pop(_COMMENT)
    moved = {_DNG_TO_EXIF.get(tag, tag): ifd0[tag] for tag in (*_EXIF_IN_IFD0, *_DNG_TO_EXIF) if tag in ifd0}
    exif = {tag: value for tag, value in {**moved, **exif}.items() if tag not in _DROPPED_EXIF}
    unique, xmp = ifd0.get(_UNIQUE_CAMERA_MODEL), ifd0.get(XMP)
    ifd0 = {tag: value for tag, value in ifd0.items() if tag in _KEPT_IFD0}
    if unique is not None and unique.text not in ("", NO_CAMERA) and not ifd0.keys() & {MAKE, MODEL}:
        ifd0[MODEL] = Entry(ASCII, unique.data)
    return Metadata(ifd0, exif, gps, b"" if xmp is None else xmp.data)
