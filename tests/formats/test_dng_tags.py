"""What a DNG says of its levels and its area holds as the specification has it, not as LibRaw rounds and moves it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from invisp_deploy.errors import RawFileError
from invisp_deploy.formats.dng_tags import read_dng_tags
from invisp_deploy.formats.raw import read_raw

CASES = Path(__file__).parent.parent / "data" / "cases"
BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10
STORED = np.random.default_rng(0).integers(200, 4000, (48, 64)).astype(np.uint16)
SIZE, LEVEL, ACROSS, DOWN, AREA, ORIENTATION = 50713, 50714, 50715, 50716, 50829, 274

Tag = tuple[int, int, int, Any, bool]


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Path]:
    """Writes a DNG of `STORED`, RGGB, with these tags."""

    def write(*tags: Tag) -> Path:
        import tifffile

        usual: list[Tag] = [
            (50706, BYTE, 4, bytes((1, 4, 0, 0)), True),  # DNGVersion
            (33421, SHORT, 2, (2, 2), True),
            (33422, BYTE, 4, bytes((0, 1, 1, 2)), True),
            (50717, LONG, 1, 4095, True),  # WhiteLevel
        ]
        path = tmp_path / "a.dng"
        tifffile.imwrite(path, STORED, photometric=32803, metadata=None, extratags=[*usual, *tags])
        return path

    return write


def shorts(code: int, *values: int) -> Tag:
    return code, SHORT, len(values), values, True


def rationals(code: int, *values: tuple[int, int], kind: int = RATIONAL) -> Tag:
    return code, kind, len(values), [number for value in values for number in value], True


def test_blacks_stay_with_their_colours_in_an_odd_area() -> None:
    """The file is flat: 1000, 2000, 2000, 3000 above the black of each colour (dcraw says the same)."""
    frame = read_raw(CASES / "active_area_odd_blacks.dng")
    assert frame.mosaic.shape == (128, 128)
    assert frame.cfa == "RGGB"
    assert frame.black == (100, 110, 120, 130)
    light = frame.mosaic - np.tile(np.reshape(frame.black, (2, 2)), (64, 64))
    assert [np.unique(light[y::2, x::2]).tolist() for y in (0, 1) for x in (0, 1)] == [[1000], [2000], [2000], [3000]]


@pytest.mark.parametrize("place", [(0, 0), (1, 0), (0, 1), (1, 1), (3, 5), (4, 2)])
def test_the_area_is_the_mosaic_wherever_it_lies(made: Callable[..., Path], place: tuple[int, int]) -> None:
    top, left = place
    frame = read_raw(made(shorts(AREA, top, left, 40, 60), shorts(SIZE, 2, 2), shorts(LEVEL, 10, 20, 30, 40)))
    np.testing.assert_array_equal(frame.mosaic, STORED[top:40, left:60])
    assert (frame.cfa, frame.black) == ("RGGB", (10, 20, 30, 40))  # both count from the area's corner


@pytest.mark.parametrize(
    ("tags", "black"),
    [
        ((), (0, 0, 0, 0)),
        ((shorts(LEVEL, 64),), (64, 64, 64, 64)),
        ((rationals(LEVEL, (257, 2)),), (128.5, 128.5, 128.5, 128.5)),
        ((shorts(SIZE, 1, 2), rationals(LEVEL, (401, 4), (50, 1))), (100.25, 50, 100.25, 50)),
        ((shorts(SIZE, 2, 1), shorts(LEVEL, 7, 9)), (7, 7, 9, 9)),
        ((shorts(SIZE, 4, 2), shorts(LEVEL, *(1, 2, 3, 4) * 2)), (1, 2, 3, 4)),
        (
            (shorts(LEVEL, 10), rationals(ACROSS, *[(3, 2)] * 64, kind=SRATIONAL)),
            (11.5, 11.5, 11.5, 11.5),
        ),
    ],
)
def test_levels_are_read_to_their_fractions(made: Callable[..., Path], tags: tuple[Tag, ...], black: object) -> None:
    assert read_raw(made(*tags)).black == black


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ((shorts(SIZE, 4, 4), shorts(LEVEL, *range(16))), r"every 4 rows and 4 columns \(BlackLevelRepeatDim\)"),
        ((shorts(SIZE, 3, 1), shorts(LEVEL, 1, 2, 3)), "every 3 rows and 1 columns"),
        (
            (shorts(LEVEL, 10), rationals(DOWN, *[(row, 1) for row in range(48)], kind=SRATIONAL)),
            r"changes over the picture \(BlackLevelDeltaV: 0 to 47\)",
        ),
    ],
)
def test_levels_that_no_frame_holds_are_refused(made: Callable[..., Path], tags: tuple[Tag, ...], reason: str) -> None:
    with pytest.raises(RawFileError, match=rf"a\.dng: its black level.*{reason}"):
        read_raw(made(*tags))


@pytest.mark.parametrize(("stated", "read"), [(0, 1), (6, 6), (9, 1), (16, 1)])
def test_an_orientation_that_cannot_be_is_none(made: Callable[..., Path], stated: int, read: int) -> None:
    assert read_raw(made(shorts(ORIENTATION, stated))).orientation == read


@pytest.mark.parametrize(
    "tag",
    [
        (ACROSS, ASCII, 0, "words", True),
        (SIZE, ASCII, 0, "words", True),
        rationals(330, (1, 0)),  # SubIFDs
    ],
)
def test_a_tag_that_says_nothing_is_none(made: Callable[..., Path], tag: Tag) -> None:
    frame = read_raw(made(shorts(LEVEL, 10), tag))
    assert frame.mosaic.shape == STORED.shape
    assert frame.black == (10, 10, 10, 10)


def test_only_a_dng_has_a_dngs_tags(sample_raw: Path, small_dng: Path) -> None:
    assert read_dng_tags(sample_raw) is None
    tags = read_dng_tags(small_dng)
    assert tags is not None
    assert len(tags.images) == 1
    assert tags.of_mosaic((256, 256))
    assert not tags.of_mosaic((256, 255))


@pytest.mark.parametrize(
    ("tags", "kept"),
    [
        ((), True),
        ((shorts(AREA, 2, 2, 40, 60),), False),
        ((shorts(50712, *range(4096)),), False),  # LinearizationTable
    ],
)
def test_an_opcode_list_of_the_stored_numbers_stays_where_these_do(
    made: Callable[..., Path], tags: tuple[Tag, ...], kept: bool
) -> None:
    opcodes = struct.pack(">2I4B3I", 1, 4, 1, 3, 0, 0, 0, 4, 0)  # FixBadPixelsConstant
    frame = read_raw(made((51008, 7, len(opcodes), opcodes, True), *tags))
    assert frame.negative is not None
    assert (51008 in frame.negative.mosaic) is kept
    assert bool(frame.notes) is not kept
    assert all("OpcodeList1 is left out" in note for note in frame.notes)


def test_a_second_raw_image_is_told(tmp_path: Path) -> None:
    import tifffile

    version: Tag = (50706, BYTE, 4, bytes((1, 4, 0, 0)), True)
    mosaic: list[Tag] = [(33421, SHORT, 2, (2, 2), True), (33422, BYTE, 4, bytes((0, 1, 1, 2)), True)]
    with tifffile.TiffWriter(tmp_path / "a.dng") as tiff:
        preview = np.zeros((16, 16, 3), np.uint8)
        tiff.write(preview, photometric="rgb", subfiletype=1, subifds=2, metadata=None, extratags=[version])
        for stored in (STORED, STORED[::-1]):
            tiff.write(stored, photometric=32803, subfiletype=0, metadata=None, extratags=mosaic)
    frame = read_raw(tmp_path / "a.dng")
    np.testing.assert_array_equal(frame.mosaic, STORED)
    (note,) = frame.notes
    assert "holds 2 raw images" in note
