"""CRW heads: what ExifTool reads of real files is what we read; damage costs records."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import pytest

from invisp_deploy.formats.ciff import read_ciff
from invisp_deploy.formats.metadata import NONE

DATA = Path(__file__).parent.parent / "data" / "crw"
SAID = json.loads((DATA / "exiftool.json").read_text())
"""Of each file, by `exiftool -json -n`. The files are the cameras' own records without pixels; those
of `altered.crw` were."""


@pytest.mark.parametrize("name", sorted(SAID))
def test_a_file_says_what_exiftool_reads(name: str) -> None:
    theirs = SAID[name]
    with (DATA / name).open("rb") as stream:
        found = read_ciff(stream)
    assert (found.make, found.model) == (theirs["Make"], theirs["Model"])
    assert found.exif[0x9003].text == theirs["DateTimeOriginal"]
    assert found.exif[0x829A].numbers[0] == pytest.approx(theirs["ExposureTime"], rel=1e-3)
    aperture = theirs["FNumber"] or theirs["TargetAperture"]
    assert found.exif[0x829D].numbers[0] == pytest.approx(aperture, abs=0.05)
    assert found.exif[0x9204].numbers[0] == pytest.approx(theirs["ExposureCompensation"], abs=1e-3)
    assert found.exif[0x8827].numbers[0] == pytest.approx(theirs["ISO"], abs=0.5)
    assert found.exif[0x920A].numbers[0] == pytest.approx(theirs["FocalLength"], rel=1e-3)
    ends = found.exif[0xA432].numbers[:2]
    assert ends == pytest.approx((theirs["MinFocalLength"], theirs["MaxFocalLength"]), rel=1e-3)
    assert (found.exif[0xA430].text if 0xA430 in found.exif else "") == theirs["OwnerName"]
    assert (found.exif[0x9011].text if 0x9011 in found.exif else "") == {0.0: "", -3.5: "-03:30"}[
        theirs["TimeZoneCode"]
    ]


@pytest.mark.parametrize("name", sorted(SAID))
def test_damage_costs_records(name: str) -> None:
    whole = (DATA / name).read_bytes()
    for at in range(0, len(whole), 11):
        read_ciff(io.BytesIO(whole[:at]))
        read_ciff(io.BytesIO(whole[:at] + b"\xff\xff\xff\xff" + whole[at + 4 :]))
    assert read_ciff(io.BytesIO(whole[:2] + b"\0" * 100)) == NONE


@pytest.mark.parametrize("number", [-32768, 32767, -513, 0])
def test_numbers_that_are_no_exposure_say_none(number: int) -> None:
    whole = bytearray((DATA / "powershot_g2.crw").read_bytes())
    shot = whole.index(b"\x2a\x10")
    (size,) = struct.unpack_from("<I", whole, shot + 2)
    inner = whole.index(struct.pack("<H", size))  # a record of numbers begins with its own length
    whole[inner + 2 : inner + size] = struct.pack("<h", number) * (size // 2 - 1)
    found = read_ciff(io.BytesIO(bytes(whole)))
    assert found.model == "Canon PowerShot G2"
    assert not {0x829D, 0x8827} & found.exif.keys()
    assert (0x829A in found.exif) == (number == 0)


def test_heaps_that_hold_themselves_end() -> None:
    heap = b"\x02\x00" + (b"\x0a\x30" + (36).to_bytes(4, "little") + bytes(4)) * 2 + b"\0\0\0\0"
    data = b"II\x1a\0\0\0HEAPCCDR".ljust(26, b"\0") + bytes(10) + heap[:-4] + (10).to_bytes(4, "little")
    assert read_ciff(io.BytesIO(data)) == NONE
