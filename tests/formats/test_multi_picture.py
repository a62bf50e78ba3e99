"""The index of two pictures in a file, as we and others write it, and what stands in the second one."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from PIL.MpoImagePlugin import MpoImageFile

from invisp_deploy.formats.gain_map import GainMap
from invisp_deploy.formats.jpeg import END, header_of_jpeg
from invisp_deploy.formats.multi_picture import second_picture
from invisp_deploy.formats.picture import read_picture
from tests.conftest import DATA
from tests.formats.test_gain_map import MAP, PICTURE

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


LARGE = replace(PICTURE, layers={"small": b"kept", "residual": np.random.default_rng(0).bytes(200_000)})


@pytest.fixture(params=[MAP, None], ids=["with a gain map", "without"])
def web(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A picture with a large layer, which stands behind its pixels."""
    assert replace(LARGE, gain_map=request.param).save(tmp_path / "a.jpg", web=True) == ()
    return tmp_path / "a.jpg"


def wanted(path: Path) -> tuple[GainMap | None, bytes]:
    return (MAP if b"hdrgm" in path.read_bytes() else None), PICTURE.metadata.xmp


def test_large_layers_stand_behind_the_picture(web: Path, tmp_path: Path) -> None:
    found = read_picture(web)
    assert (found.layers, found.notes) == (LARGE.layers, ())
    assert (found.gain_map, found.metadata.xmp) == wanted(web)
    data = web.read_bytes()
    scan = header_of_jpeg(data).scan
    assert scan is not None
    assert scan.start < 10_000, "the first pixel comes early"
    assert data.index(b"InvISP\0small\0") < scan.start < data.index(b"InvISP\0residual\0")
    assert data.endswith(END)
    replace(LARGE, gain_map=found.gain_map).save(tmp_path / "b.jpg")
    with Image.open(web) as image, Image.open(tmp_path / "b.jpg") as plain:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(plain))
    assert read_picture(tmp_path / "b.jpg").record == found.record
    found.save(tmp_path / "c.jpg", web=True)
    assert (tmp_path / "c.jpg").read_bytes() == data


def test_small_layers_stay_in_front(tmp_path: Path) -> None:
    for web in (False, True):
        replace(LARGE, layers={"small": b"kept"}).save(tmp_path / f"{web}.jpg", web=web)
    assert (tmp_path / "True.jpg").read_bytes() == (tmp_path / "False.jpg").read_bytes()


def test_others_read_the_second_picture_as_one(web: Path) -> None:
    with MpoImageFile(str(web)) as image:
        image.seek(1)
        assert image.size == (MAP.size[::-1] if wanted(web)[0] else (8, 8))
        image.load()
    if wanted(web)[0]:
        assert imagecodecs.ultrahdr_decode(web.read_bytes(), boost=8.0)[..., :3].max() > 1


def test_what_a_program_makes_longer_in_front_moves_nothing(web: Path) -> None:
    data = web.read_bytes()
    web.write_bytes(data[:20] + b"\xff\xfe\x03\xe8" + bytes(998) + data[20:])
    assert read_picture(web).layers == LARGE.layers


def test_what_is_cut_off_leaves_the_rest(web: Path) -> None:
    """As jpegtran does it; and in the middle of what stands behind."""
    data = web.read_bytes()
    place, _ = second_picture(header_of_jpeg(data)) or (0, 0)
    for end in (place, place + 1, place + 70_000, place + 150_000):
        web.write_bytes(data[:end])
        found = read_picture(web)
        assert (found.layers, found.gain_map) == ({"small": b"kept"}, None)
        assert [note for note in found.notes if "gain map" not in note] == []
        assert found.record is not None


def test_its_sizes_are_those_of_the_pictures(web: Path) -> None:
    data = web.read_bytes()
    index = header_of_jpeg(data).index
    (_, first, place, *_), (_, second, offset, *_) = (struct.unpack_from(">IIIHH", index, at) for at in (50, 66))
    assert place == 0
    assert first + second == len(data)
    assert data[first - 2 : first + 2] == b"\xff\xd9\xff\xd8"
    assert data.index(b"MPF\0") + 4 + offset == first
