"""EXIF of camera files: what is kept, what is dropped, what cannot be written."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.exif import EXIF_IFD, GPS_IFD, camera_exif, exif_block, load_exif, make_and_model
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw


@pytest.fixture
def source() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "Canon\0\0"
    exif[0x0110] = " Canon EOS 30D "
    exif[0x0132] = "2008:02:16 13:51:56"
    exif[0x0112] = 6
    exif[0x0100] = 3522
    exif.get_ifd(EXIF_IFD).update(
        {0x829A: IFDRational(1, 500), 0x8827: 100, 0x927C: b"private" * 10, 0x9286: b"comment", 0xA002: 3504}
    )
    exif.get_ifd(GPS_IFD).update({1: "N", 2: (48.0, 8.0, 0.5)})
    return exif


def test_a_block_keeps_what_means_something_to_people(source: Image.Exif) -> None:
    kept = load_exif(exif_block(source))
    assert make_and_model(kept) == ("Canon", "Canon EOS 30D")
    assert kept[0x0132] == "2008:02:16 13:51:56"
    shot = kept.get_ifd(EXIF_IFD)
    assert shot[0x829A] == pytest.approx(1 / 500)
    assert shot[0x8827] == 100
    assert kept.get_ifd(GPS_IFD)[2] == pytest.approx((48, 8, 0.5))


def test_a_block_drops_layout_and_private_tags(source: Image.Exif) -> None:
    kept = load_exif(exif_block(source))
    assert 0x0112 not in kept
    assert 0x0100 not in kept
    assert not {0x927C, 0x9286, 0xA002} & set(kept.get_ifd(EXIF_IFD))


def test_a_block_is_what_pillow_writes_into_a_jpeg(source: Image.Exif) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", exif=exif_block(source))
    assert Image.open(stream).getexif().get_ifd(EXIF_IFD)[0x8827] == 100


@pytest.mark.parametrize("value", [None, object(), (1, "a"), (None,), 2**70, -(2**40)])
def test_a_tag_that_cannot_be_written_costs_only_itself(source: Image.Exif, value: object) -> None:
    source.get_ifd(EXIF_IFD)[0x9202] = value
    kept = load_exif(exif_block(source)).get_ifd(EXIF_IFD)
    assert kept[0x8827] == 100
    assert 0x9202 not in kept


@pytest.mark.parametrize("value", [IFDRational(1, 0), IFDRational(0, 0), float("inf"), "é", (), -1.5])
def test_odd_values_neither_stop_a_jpeg_nor_a_dng(
    source: Image.Exif, value: object, small_frame: RawFrame, tmp_path: Path
) -> None:
    source.get_ifd(EXIF_IFD)[0x9202] = value
    block = exif_block(source)
    write_dng(tmp_path / "a.dng", replace(small_frame, exif=block))
    assert load_exif(read_raw(tmp_path / "a.dng").exif).get_ifd(EXIF_IFD)[0x8827] == 100


def test_nothing_gives_nothing() -> None:
    assert exif_block(Image.Exif()) == b""
    assert dict(load_exif(b"")) == {}


def test_files_that_are_no_tiff_give_their_previews_exif(source: Image.Exif, tmp_path: Path) -> None:
    path = tmp_path / "a.raf"
    path.write_bytes(b"FUJIFILMCCD-RAW 0201" + bytes(1000))
    preview = io.BytesIO()
    Image.new("RGB", (8, 8)).save(preview, "JPEG", exif=exif_block(source))
    assert make_and_model(camera_exif(path, preview.getvalue())) == ("Canon", "Canon EOS 30D")


@pytest.mark.parametrize("preview", [b"", b"no picture", b"\xff\xd8\xff\xe1\x00\x10Exif"])
def test_files_without_any_give_nothing(preview: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.raf"
    path.write_bytes(b"FUJIFILMCCD-RAW 0201" + bytes(1000))
    assert make_and_model(camera_exif(path, preview)) == ("", "")
    assert exif_block(camera_exif(path, preview)) == b""
