"""What a DNG says of its mosaic: the directories of its raw images, where the picture lies in one, its black levels.

LibRaw hands most of it on, but rounds levels, and does not move them where it begins a mosaic beside the active area.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from invisp_deploy.errors import RawFileError
from invisp_deploy.formats.ifd import ByteOrder, Directory, byte_order, read_directory
from invisp_deploy.formats.metadata import ORIENTATION
from invisp_deploy.formats.negative import CARRIED

CFA: Final = 32803
LINEAR_RAW: Final = 34892
"""Photometric interpretations of raw images."""

_SUBFILE, _COLUMNS, _ROWS, _PHOTOMETRIC, _SUB_IFDS = 254, 256, 257, 262, 330
_COMPRESSION, _FORMAT, _PATTERN_SIZE = 259, 339, 33421
_VERSION, _LINEARIZATION, _ACTIVE_AREA = 50706, 50712, 50829
_BLACK_SIZE, _BLACK, _BLACK_ACROSS, _BLACK_DOWN = 50713, 50714, 50715, 50716
_READ: Final = CARRIED | {
    ORIENTATION, _SUBFILE, _COLUMNS, _ROWS, _PHOTOMETRIC, _SUB_IFDS, _COMPRESSION, _FORMAT, _PATTERN_SIZE, _VERSION,
    _LINEARIZATION, _ACTIVE_AREA, _BLACK_SIZE, _BLACK, _BLACK_ACROSS, _BLACK_DOWN,
}  # fmt: skip
_MOST_SUB_IFDS: Final = 32

_SAME_BLACK: Final = 1.0
"""DN by which rows or columns may differ in black and still have one level: no finer than the mosaic's own step."""


@dataclass(frozen=True)
class DngTags:
    """camera: tags of the first directory. images: those of each raw image, in the file's order."""

    camera: Directory
    images: tuple[Directory, ...]

    def of_mosaic(self, shape: Sequence[int]) -> Directory:
        """Tags of the first Bayer image of these stored rows and columns; empty if there is none."""
        for tags in self.images:
            if first_number(tags, _PHOTOMETRIC) == CFA and stored_shape(tags) == tuple(shape[:2]):
                return tags
        return {}


def read_dng_tags(path: Path) -> DngTags | None:
    """Tags of a DNG, None for a file that does not say of itself that it is one."""
    with path.open("rb") as stream:
        order, camera = _first_directory(stream)
        if order is None or _VERSION not in camera:
            return None
        places = _whole_numbers(camera, _SUB_IFDS)[:_MOST_SUB_IFDS]
        inner = [read_directory(stream, place, order, wanted=_READ.__contains__) for place in places if place > 0]
    full = [tags for tags in (camera, *inner) if first_number(tags, _SUBFILE, 0) == 0]
    return DngTags(camera, tuple(tags for tags in full if first_number(tags, _PHOTOMETRIC) in (CFA, LINEAR_RAW)))


def stated_orientation(path: Path) -> int | None:
    """EXIF's orientation as the first directory of a TIFF based file has it, right or wrong; None if it has none."""
    with path.open("rb") as stream:
        return first_number(_first_directory(stream)[1], ORIENTATION)


def stored_shape(tags: Directory) -> tuple[int | None, int | None]:
    """Rows and columns of the whole image, margins included."""
    return first_number(tags, _ROWS), first_number(tags, _COLUMNS)


def active_area(tags: Directory, shape: Sequence[int]) -> tuple[slice, slice]:
    """Rows and columns of an image of that shape that hold the picture; all where the file names none that can be."""
    area = _whole_numbers(tags, _ACTIVE_AREA)
    if len(area) == 4:
        top, left, bottom, right = area
        if 0 <= top < bottom <= shape[0] and 0 <= left < right <= shape[1]:
            return slice(top, bottom), slice(left, right)
    return slice(0, shape[0]), slice(0, shape[1])


def is_linearized(tags: Directory) -> bool:
    """Whether the stored numbers go through a table before anything else happens to them."""
    return _LINEARIZATION in tags


def pattern_size(tags: Directory) -> tuple[int, ...]:
    """Rows and columns after which the colours of a mosaic come again; empty if the file does not say."""
    return _whole_numbers(tags, _PATTERN_SIZE)


def black_levels(tags: Directory) -> tuple[float, float, float, float] | None:
    """DN at the four positions of the active area's top left 2x2 pixels; None if the file has none that can be read.

    Raises RawFileError for levels that no 2x2 pattern holds.
    """
    size = _whole_numbers(tags, _BLACK_SIZE) if _BLACK_SIZE in tags else (1, 1)
    stated = tags[_BLACK].numbers if _BLACK in tags else ()
    if len(size) != 2 or min(size) < 1 or size[0] * size[1] != len(stated) or not np.isfinite(stated).all():
        return None
    levels = np.tile(np.reshape(stated, size), (2, 2))
    if not np.array_equal(levels, np.tile(levels[:2, :2], size)):
        raise RawFileError(
            f"its black levels come again every {size[0]} rows and {size[1]} columns (BlackLevelRepeatDim), expected "
            "2x2 at most: use the camera's original RAW file, or a converter that subtracts them."
        )
    for name, code in (("BlackLevelDeltaH", _BLACK_ACROSS), ("BlackLevelDeltaV", _BLACK_DOWN)):
        added = np.asarray((tags[code].numbers if code in tags else ()) or (0.0,))
        if not np.isfinite(added).all() or np.ptp(added) > _SAME_BLACK:
            raise RawFileError(
                f"its black level changes over the picture ({name}: {added.min():g} to {added.max():g}), expected one "
                "for all rows and columns: use the camera's original RAW file, or a converter that subtracts it."
            )
        levels = levels + added.mean()
    (a, b), (c, d) = levels[:2, :2].tolist()
    return a, b, c, d


def first_number(tags: Directory, code: int, absent: int | None = None) -> int | None:
    """The first value of a tag as a whole number."""
    numbers = _whole_numbers(tags, code)
    return numbers[0] if numbers else absent


def _whole_numbers(tags: Directory, code: int) -> tuple[int, ...]:
    """Values of a tag; none where one is infinite or divided by zero."""
    numbers = tags[code].numbers if code in tags else ()
    return tuple(map(int, numbers)) if all(map(math.isfinite, numbers)) else ()


def _first_directory(stream: BinaryIO) -> tuple[ByteOrder | None, Directory]:
    head = stream.read(8)
    order = byte_order(head)
    if order is None or len(head) < 8:
        return None, {}
    place = int.from_bytes(head[4:], "little" if order == "<" else "big")
    return order, read_directory(stream, place, order, wanted=_READ.__contains__)
