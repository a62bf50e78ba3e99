"""What a DNG says of how its mosaic is to be developed, kept as its bytes so that another DNG can say it again.

The tags are those of DNG specification 1.4 that describe the sensor and the wishes of its maker: exposure, crop,
colour, noise, lens. Levels, pattern and light stand in the frame's facts, words for people in its metadata.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.ifd import (
    ASCII,
    BYTE,
    LONG,
    RATIONAL,
    SHORT,
    SRATIONAL,
    UNDEFINED,
    Directory,
    Entry,
    read_directory,
    tiff_of,
)

NEGATIVE_LAYER: Final = "negative"
"""What a picture's layer of a negative is called."""

MAX_BYTES: Final = 1 << 16
"""Bytes of a negative that a picture carries unless more is asked for."""

AS_SHOT_NEUTRAL: Final = 50728
CROP_ORIGIN: Final = 50719
CROP_SIZE: Final = 50720
OPCODES: Final = (51008, 51009, 51022)
"""Lists of what is done to the file's own numbers, to linear ones, to demosaiced ones."""

_FLOAT, _DOUBLE = 11, 12
_WHOLE: Final = (SHORT, LONG)
_SUB_IFDS: Final = 330
_INFLATED: Final = 1 << 24
"""Bytes of a negative out of a picture, at most."""


class _Tag(NamedTuple):
    """A tag's name, the TIFF types and counts that it may have (0: any), whether it stands beside the mosaic."""

    name: str
    kinds: tuple[int, ...]
    counts: tuple[int, ...]
    beside_mosaic: bool = False


_TAGS: Final = {
    50708: _Tag("UniqueCameraModel", (ASCII,), (0,)),
    50709: _Tag("LocalizedCameraModel", (ASCII, BYTE), (0,)),
    50718: _Tag("DefaultScale", (RATIONAL,), (2,), True),
    CROP_ORIGIN: _Tag("DefaultCropOrigin", (*_WHOLE, RATIONAL), (2,), True),
    CROP_SIZE: _Tag("DefaultCropSize", (*_WHOLE, RATIONAL), (2,), True),
    50721: _Tag("ColorMatrix1", (SRATIONAL,), (9,)),
    50722: _Tag("ColorMatrix2", (SRATIONAL,), (9,)),
    50723: _Tag("CameraCalibration1", (SRATIONAL,), (9,)),
    50724: _Tag("CameraCalibration2", (SRATIONAL,), (9,)),
    50727: _Tag("AnalogBalance", (RATIONAL,), (3,)),
    AS_SHOT_NEUTRAL: _Tag("AsShotNeutral", (SHORT, RATIONAL), (3,)),
    50730: _Tag("BaselineExposure", (SRATIONAL,), (1,)),
    50731: _Tag("BaselineNoise", (RATIONAL,), (1,)),
    50732: _Tag("BaselineSharpness", (RATIONAL,), (1,)),
    50733: _Tag("BayerGreenSplit", (LONG,), (1,), True),
    50734: _Tag("LinearResponseLimit", (RATIONAL,), (1,)),
    50737: _Tag("ChromaBlurRadius", (RATIONAL,), (1,), True),
    50738: _Tag("AntiAliasStrength", (RATIONAL,), (1,), True),
    50739: _Tag("ShadowScale", (RATIONAL,), (1,)),
    50778: _Tag("CalibrationIlluminant1", (SHORT,), (1,)),
    50779: _Tag("CalibrationIlluminant2", (SHORT,), (1,)),
    50780: _Tag("BestQualityScale", (RATIONAL,), (1,), True),
    50931: _Tag("CameraCalibrationSignature", (ASCII, BYTE), (0,)),
    50932: _Tag("ProfileCalibrationSignature", (ASCII, BYTE), (0,)),
    50934: _Tag("AsShotProfileName", (ASCII, BYTE), (0,)),
    50936: _Tag("ProfileName", (ASCII, BYTE), (0,)),
    50937: _Tag("ProfileHueSatMapDims", (LONG,), (3,)),
    50938: _Tag("ProfileHueSatMapData1", (_FLOAT,), (0,)),
    50939: _Tag("ProfileHueSatMapData2", (_FLOAT,), (0,)),
    50940: _Tag("ProfileToneCurve", (_FLOAT,), (0,)),
    50941: _Tag("ProfileEmbedPolicy", (LONG,), (1,)),
    50942: _Tag("ProfileCopyright", (ASCII, BYTE), (0,)),
    50964: _Tag("ForwardMatrix1", (SRATIONAL,), (9,)),
    50965: _Tag("ForwardMatrix2", (SRATIONAL,), (9,)),
    50981: _Tag("ProfileLookTableDims", (LONG,), (3,)),
    50982: _Tag("ProfileLookTableData", (_FLOAT,), (0,)),
    51008: _Tag("OpcodeList1", (UNDEFINED,), (0,), True),
    51009: _Tag("OpcodeList2", (UNDEFINED,), (0,), True),
    51022: _Tag("OpcodeList3", (UNDEFINED,), (0,), True),
    51041: _Tag("NoiseProfile", (_DOUBLE,), (2, 6), True),
    51107: _Tag("ProfileHueSatMapEncoding", (LONG,), (1,)),
    51108: _Tag("ProfileLookTableEncoding", (LONG,), (1,)),
    51109: _Tag("BaselineExposureOffset", (RATIONAL, SRATIONAL), (1,)),
    51110: _Tag("DefaultBlackRender", (LONG,), (1,)),
    51125: _Tag("DefaultUserCrop", (RATIONAL,), (4,), True),
}  # fmt: skip
"""What is carried of a DNG."""

CARRIED: Final = frozenset(_TAGS)

_COLOURS: Final = frozenset((50721, 50722, 50723, 50724, 50727, 50778, 50779, 50964, 50965))
_TOGETHER: Final = (
    ("the profile's look table", (50981, 50982, 51108)),
    ("the profile's table of hues", (50937, 50938, 50939, 51107)),
    ("the profile's tone curve", (50940,)),
    ("OpcodeList1", (51008,)),
    ("OpcodeList3", (51022,)),
    ("OpcodeList2", (51009,)),
)
"""What is left out for want of room, in this order: tastes before repairs."""


@dataclass(frozen=True)
class Negative:
    """Tags of a DNG's own, of those in `CARRIED`: `camera` of its first directory, `mosaic` of that of its mosaic.

    Places in crops and opcode lists count from the top left pixel of the mosaic.
    """

    camera: Directory = field(default_factory=dict)
    mosaic: Directory = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.camera or self.mosaic)

    @classmethod
    def of(cls, tags: Directory, height: int, width: int) -> Negative:
        """Of a file's tags those that are carried and can be: finite numbers, a crop within the mosaic, whole lists."""
        kept = {code: entry for code, entry in tags.items() if code in _TAGS and _is_sound(code, entry)}
        if not _is_within(kept, height, width):
            kept = {code: entry for code, entry in kept.items() if code not in (CROP_ORIGIN, CROP_SIZE)}
        beside = {code: entry for code, entry in kept.items() if _TAGS[code].beside_mosaic}
        return cls({code: entry for code, entry in kept.items() if code not in beside}, beside)

    def without(self, *codes: int) -> Negative:
        """It but for these tags."""
        first, second = (
            {code: entry for code, entry in tags.items() if code not in codes} for tags in (self.camera, self.mosaic)
        )
        return Negative(first, second)

    def without_colours(self) -> Negative:
        """It but for what leads from the camera's colours to others: another matrix is to hold."""
        return self.without(*_COLOURS)

    def within(self, limit: int = MAX_BYTES) -> tuple[Negative, tuple[str, ...]]:
        """It, or what of it takes no more bytes in a picture, and what was left out for that."""
        fitting, left_out = self, list[str]()
        for name, codes in _TOGETHER:
            if len(fitting.to_bytes()) <= limit:
                break
            size = sum(
                len(tags[code].data) for tags in (fitting.camera, fitting.mosaic) for code in codes if code in tags
            )
            if size:
                fitting = fitting.without(*codes)
                left_out.append(f"{name} ({size} bytes)")
        if len(fitting.to_bytes()) > limit:
            return Negative(), (f"everything that the DNG says of its development (more than {limit} bytes)",)
        return fitting, tuple(left_out)

    def to_bytes(self) -> bytes:
        """As a picture's layer holds it: a compressed TIFF of two directories, empty if there is nothing."""
        if not self:
            return b""
        return zlib.compress(tiff_of(self.camera, ((_SUB_IFDS, self.mosaic),)), 9)

    @classmethod
    def from_bytes(cls, data: bytes, source: str, height: int, width: int) -> Negative:
        """Inverse of `to_bytes` for a mosaic of that size; other data are an ImageFileError that names `source`."""
        inflate = zlib.decompressobj()
        try:
            tiff = inflate.decompress(data, _INFLATED)
        except zlib.error as error:
            raise _damaged(source, str(error)) from error
        if not inflate.eof or tiff[:8] != b"II\x2a\0\x08\0\0\0":
            raise _damaged(source, "it is no directory of tags")
        stream = io.BytesIO(tiff)
        tags = read_directory(stream, 8, "<")
        pointer = tags.pop(_SUB_IFDS, None)
        if pointer is not None and pointer.kind != LONG:
            raise _damaged(source, "it names no second directory")
        if pointer is not None:
            tags |= read_directory(stream, int(pointer.numbers[0]), "<")
        found = cls.of(tags, height, width)
        if len(found.camera) + len(found.mosaic) != len(tags):
            names = ", ".join(str(code) for code in sorted(set(tags) - set(found.camera) - set(found.mosaic)))
            raise _damaged(source, f"the tags {names} cannot be")
        return found


def newest_opcode(opcodes: bytes) -> tuple[int, int, int, int]:
    """The latest version of the DNG specification that a sound opcode list asks for."""
    versions = [(1, 0, 0, 0), *((a, b, c, d) for _, (a, b, c, d) in _opcodes(opcodes) or ())]
    return max(versions)


def _opcodes(data: bytes) -> list[tuple[int, bytes]] | None:
    """Number and version of each opcode of a list (DNG 1.4, chapter 7; big-endian); None if the list is not whole."""
    if len(data) < 4:
        return None
    (count,), place = struct.unpack(">I", data[:4]), 4
    found: list[tuple[int, bytes]] = []
    while len(found) < count:
        if len(data) < place + 16:
            return None
        number, version, _, size = struct.unpack_from(">I4sII", data, place)
        found.append((number, version))
        place += 16 + size
    return found if place == len(data) else None


def _is_sound(code: int, entry: Entry) -> bool:
    tag = _TAGS[code]
    if entry.kind not in tag.kinds or (tag.counts != (0,) and entry.count not in tag.counts):
        return False
    return _opcodes(entry.data) is not None if code in OPCODES else all(map(math.isfinite, entry.numbers))


def _is_within(tags: Directory, height: int, width: int) -> bool:
    """Whether there is a crop of some size inside a mosaic."""
    if CROP_ORIGIN not in tags or CROP_SIZE not in tags:
        return False
    (left, top), (across, down) = tags[CROP_ORIGIN].numbers, tags[CROP_SIZE].numbers
    return across > 0 and down > 0 and left + across <= width and top + down <= height


def _damaged(source: str, why: str) -> ImageFileError:
    return ImageFileError(f"What {source} carries of its negative is damaged ({why}): use the file as it was rendered.")
