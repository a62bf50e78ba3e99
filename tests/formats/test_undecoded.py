"""A whole file of a kind that LibRaw does not decode is refused by the name of that kind, not as a damaged one."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from invisp_deploy.errors import RawFileError
from invisp_deploy.formats.ifd import UNDEFINED, Directory, Entry, longs, shorts, text, tiff_of
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.formats.undecoded import undecoded_kind

CASES = Path(__file__).parent.parent / "data" / "cases"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("jpegxl_mosaic", "compressed as JPEG XL"), ("deflate_integer", "compressed as deflated integers")],
)
def test_the_kind_is_named_and_no_other_copy_asked_for(name: str, kind: str) -> None:
    with pytest.raises(RawFileError, match=f"{name}.dng holds a mosaic {kind}, which LibRaw does not decode") as caught:
        read_raw(CASES / f"{name}.dng")
    assert "copy" not in str(caught.value)
    assert "use the camera's original RAW file, or a DNG of lossless JPEG" in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({259: shorts(9)}, "compressed as VC-5 (GoPro's GPR)"),
        ({259: shorts(34892)}, "compressed as lossy JPEG"),
        ({339: shorts(3)}, "stored in floating point numbers"),
        ({33421: shorts(4, 4)}, "of a 4x4 pattern (quad Bayer, X-Trans or another)"),
        ({}, None),
    ],
)
def test_kinds_of_dngs(changed: Directory, kind: str | None, tmp_path: Path) -> None:
    mosaic = {254: longs(0), 256: longs(64), 257: longs(48), 259: shorts(7), 262: shorts(32803), 33421: shorts(2, 2)}
    first = {254: longs(1), 259: shorts(1), 271: text("Maker"), 50706: Entry(1, bytes((1, 4, 0, 0)))}
    (tmp_path / "a.dng").write_bytes(tiff_of(first, ((330, {**mosaic, **changed}),)))
    assert undecoded_kind(tmp_path / "a.dng") == kind


@pytest.mark.parametrize(
    ("compression", "kind"),
    [(13, "compressed as Nikon's High Efficiency"), (14, "compressed as Nikon's High Efficiency*"), (3, None)],
)
def test_nikons_compression_stands_in_the_makers_block(compression: int, kind: str | None, tmp_path: Path) -> None:
    block = b"Nikon\0\x02\x11\0\0" + tiff_of({0x93: shorts(compression)}, ())
    path = tmp_path / "a.nef"
    path.write_bytes(tiff_of({271: text("NIKON CORPORATION")}, ((0x8769, {0x927C: Entry(UNDEFINED, block)}),)))
    assert undecoded_kind(path) == kind


def test_what_is_no_such_file_is_of_no_kind(sample_raw: Path, tmp_path: Path) -> None:
    assert undecoded_kind(sample_raw) is None
    for data in (b"", b"II", b"II*\0\xff\xff\xff\xff", struct.pack("<2sHI", b"MM", 42, 8) + bytes(100)):
        (tmp_path / "a.nef").write_bytes(data)
        assert undecoded_kind(tmp_path / "a.nef") is None


def test_quad_bayer_is_refused_by_name(tmp_path: Path) -> None:
    plane = np.random.default_rng(0).integers(1, 4000, (64, 64)).astype(np.uint16)
    pattern = bytes(np.repeat(np.repeat(np.array([[0, 1], [1, 2]], np.uint8), 2, 0), 2, 1).ravel())
    tags = [(50706, 1, 4, bytes((1, 4, 0, 0)), True), (33421, 3, 2, (4, 4), True), (33422, 1, 16, pattern, True)]
    tifffile.imwrite(tmp_path / "a.dng", plane, photometric=32803, metadata=None, extratags=tags)
    with pytest.raises(RawFileError, match=r"has no 2x2 Bayer pattern \(found: 4x4, .* quad Bayer\)"):
        read_raw(tmp_path / "a.dng")
