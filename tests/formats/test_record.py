import json
import zlib
from dataclasses import replace

import pytest

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.record import IDENTIFIER, MAX_BYTES, Record
from invisp_deploy.isp.alignment import Border
from invisp_deploy.isp.levels import Levels

RECORD = Record(
    weights="0123456789abcdef" * 4,
    precision="fp32",
    make="Canon",
    model="Canon EOS 30D",
    orientation=6,
    color_matrix=((0.6257, -0.0303, -0.1), (-0.788, 1.5621, 0.2396), (-0.1714, 0.1904, 0.7046)),
    levels=Levels("RGGB", (127.0, 128.0, 128.0, 128.0), 3398.0, (1.96, 1.0, 1.67), 2.2),
    black=(127.0, 128.0, 128.0, 128.0),
    white=4095,
    gains=(2009.0, 1024.0, 1713.0),
    border=Border(1, 0, 0, 1),
    height=2348,
    width=3522,
    quality=90,
    subsampling="4:2:2",
)


def test_comes_back_as_it_was() -> None:
    assert Record.from_bytes(RECORD.to_bytes(), "a.jpg") == RECORD
    bare = replace(RECORD, color_matrix=None, gains=None)
    assert Record.from_bytes(bare.to_bytes(), "a.jpg") == bare


def with_levels(**changes: object) -> bytes:
    """RECORD as another writer would have put it down; a value of None leaves the field out."""
    packed = RECORD.to_bytes()[len(IDENTIFIER) + 4 :]
    fields = json.loads(zlib.decompress(packed))
    levels = fields["levels"] | changes
    fields["levels"] = {name: value for name, value in levels.items() if value is not None}
    packed = zlib.compress(json.dumps(fields).encode())
    return IDENTIFIER + zlib.crc32(packed).to_bytes(4, "big") + packed


def test_records_from_before_borders_had_a_choice_are_mirrored() -> None:
    constant = replace(RECORD, levels=replace(RECORD.levels, border="constant"))
    assert Record.from_bytes(with_levels(border="constant"), "a.jpg") == constant
    assert Record.from_bytes(with_levels(border=None), "a.jpg") == RECORD
    with pytest.raises(ImageFileError, match=r"a\.jpg carries is damaged \(its demosaicing has the border 'none'\)"):
        Record.from_bytes(with_levels(border="none"), "a.jpg")


def test_takes_at_most_four_kilobytes() -> None:
    assert len(RECORD.to_bytes()) < MAX_BYTES // 4
    with pytest.raises(ImageFileError, match="at most 4096"):
        replace(RECORD, make="".join(chr(0x4E00 + i * 7 % 20000) for i in range(9000))).to_bytes()


@pytest.mark.parametrize("position", range(len(IDENTIFIER), len(RECORD.to_bytes()), 7))
def test_one_flipped_bit_is_noticed(position: int) -> None:
    data = bytearray(RECORD.to_bytes())
    data[position] ^= 0x10
    with pytest.raises(ImageFileError, match=r"a\.jpg carries is damaged"):
        Record.from_bytes(bytes(data), "a.jpg")


@pytest.mark.parametrize("size", [0, 3, len(IDENTIFIER), len(IDENTIFIER) + 2, 60])
def test_cut_short_is_damaged(size: int) -> None:
    with pytest.raises(ImageFileError, match="damaged"):
        Record.from_bytes(RECORD.to_bytes()[:size], "a.jpg")
