"""The index of two pictures in a file, as we and others write it."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest

from invisp_deploy.formats.jpeg import header_of_jpeg
from invisp_deploy.formats.multi_picture import second_picture
from tests.conftest import DATA

FILE = (DATA / "gain_map.jpg").read_bytes()
HEADER = header_of_jpeg(FILE)


def test_it_leads_to_a_jpeg_that_ends_the_file() -> None:
    found = second_picture(HEADER)
    assert found is not None
    place, size = found
    assert FILE[place - 2 : place + 2] == b"\xff\xd9\xff\xd8"
    assert place + size == len(FILE)


def test_it_is_read_in_either_byte_order() -> None:
    assert HEADER.index.startswith(b"MM")
    entries = b"".join(struct.pack("<IIIHH", *struct.unpack_from(">IIIHH", HEADER.index, at)) for at in (50, 66))
    little = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0xB002, 7, 32, 26, 0) + entries
    assert second_picture(replace(HEADER, index=little)) == second_picture(HEADER)


@pytest.mark.parametrize("index", [b"", b"MM\0*", b"MM\0*\xff\xff\xff\xff", HEADER.index[:-1], HEADER.index[:40]])
def test_one_that_is_cut_or_no_index_says_nothing(index: bytes) -> None:
    assert second_picture(replace(HEADER, index=index)) is None
