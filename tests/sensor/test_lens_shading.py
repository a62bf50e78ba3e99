"""Grids of gains against opcodes that another program wrote, and lists that are no lens shading."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.formats.raw import read_raw
from invisp_deploy.sensor.lens_shading import LensShading, shading_of_opcodes, shading_opcodes

CASE = Path(__file__).parents[1] / "data" / "cases" / "gainmap.dng"


@pytest.fixture(scope="module")
def opcodes() -> bytes:
    """Of a DNG of 128x128 that was made with another writer."""
    negative = read_raw(CASE).negative
    assert negative is not None
    return negative.mosaic[51009].data


def grids(rows: int, columns: int) -> LensShading:
    gains = 1 + np.arange(4 * rows * columns).reshape(4, rows, columns) / 64
    return tuple(tuple(tuple(row) for row in grid) for grid in gains.tolist())


def test_another_programs_opcodes_are_read_and_written_the_same(opcodes: bytes) -> None:
    shading = shading_of_opcodes(opcodes, 128, 128)
    assert shading is not None
    assert np.shape(shading) == (4, 5, 5)
    stated = np.frombuffer(opcodes, ">f4", 25, 4 + 16 + struct.calcsize(">4I2I2I2I4dI")).reshape(5, 5)
    np.testing.assert_array_equal(shading[0], stated)
    assert len(set(stated.ravel())) > 5
    assert shading_opcodes(shading, 128, 128) == opcodes


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (3, 7)])
def test_there_and_back(rows: int, columns: int) -> None:
    shading = grids(rows, columns)
    assert shading_of_opcodes(shading_opcodes(shading, 60, 80), 60, 80) == shading


def test_other_lists_are_none(opcodes: bytes) -> None:
    assert shading_of_opcodes(opcodes, 128, 128) is not None
    others = {
        "empty": b"",
        "cut short": opcodes[:-4],
        "more": opcodes + b"\0\0\0\0",
        "three": b"\0\0\0\3" + opcodes[4:],
        "another opcode": opcodes[:7] + b"\1" + opcodes[8:],
        "not finite": opcodes[:-4] + struct.pack(">f", float("nan")),
        "no rows": opcodes[:52] + b"\0\0\0\1" + opcodes[56:],
        "many rows": opcodes[:52] + b"\xff\xff\xff\xff" + opcodes[56:],
    }
    assert {name: shading_of_opcodes(data, 128, 128) for name, data in others.items()} == dict.fromkeys(others)
    assert shading_of_opcodes(opcodes, 130, 128) is None, "a part of the picture"
