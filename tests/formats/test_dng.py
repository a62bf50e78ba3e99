"""DNG out: LibRaw reads back every bit and number, renders it like the source, and nothing is left on failure."""

from __future__ import annotations

import errno
import io
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.errors import OutputError, RequestError
from invisp_deploy.formats import dng
from invisp_deploy.formats.dng import SRGB_MATRIX, write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.lossless_jpeg import DifferenceCode
from invisp_deploy.formats.metadata import SOFTWARE
from invisp_deploy.formats.raw import read_raw, render_libraw

LEVELS = [((127.0, 128.0, 128.0, 128.0), 4095), ((600.0, 601.0, 602.0, 603.0), 15520), ((0.0, 0.0, 0.0, 0.0), 65535)]


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize(("black", "white"), LEVELS)
@pytest.mark.parametrize("shape", [(22, 22), (33, 47), (48, 1040), (513, 50), (30, 640)])
def test_mosaic_and_levels_come_back(
    cfa: str, black: tuple[float, float, float, float], white: int, shape: tuple[int, int], tmp_path: Path
) -> None:
    mosaic = np.random.default_rng(0).integers(0, white + 1, shape).astype(np.uint16)
    mosaic[0, 0] = white
    write_dng(tmp_path / "a.dng", RawFrame(cfa, black, white, (2.5, 1.0, 1.25), mosaic=mosaic))
    frame = read_raw(tmp_path / "a.dng")
    np.testing.assert_array_equal(frame.mosaic, mosaic)
    assert frame.cfa == cfa
    assert frame.black == black
    assert frame.white == white
    assert frame.gains is not None
    assert np.array(frame.gains) / frame.gains[1] == pytest.approx((2.5, 1, 1.25), rel=1e-5)


def test_levels_keep_their_fractions_however_large_they_are(tmp_path: Path) -> None:
    black = (0.123457, 5000.123457, 9999.999, 40000.3)
    write_dng(tmp_path / "a.dng", RawFrame("RGGB", black, 65535, None, mosaic=np.full((32, 32), 50000, np.uint16)))
    assert read_raw(tmp_path / "a.dng").black == pytest.approx(black, rel=1e-8)


def test_a_number_that_no_dng_holds_is_refused(small_frame: RawFrame, tmp_path: Path) -> None:
    matrix = ((1.0, 0.0, 0.0), (0.0, 1e12, 0.0), (0.0, 0.0, 1.0))
    with pytest.raises(RequestError, match="numbers up to 2147483647, the frame has 1e\\+12"):
        write_dng(tmp_path / "a.dng", replace(small_frame, color_matrix=matrix))
    assert list(tmp_path.iterdir()) == []


def test_the_cameras_words_come_back(small_frame: RawFrame, small_dng: Path) -> None:
    frame = read_raw(small_dng)
    assert frame.gains is not None
    assert small_frame.gains is not None
    assert np.array(frame.gains) / frame.gains[1] == pytest.approx(np.array(small_frame.gains) / 1024, rel=1e-5)
    np.testing.assert_allclose(np.array(frame.color_matrix), np.array(small_frame.color_matrix), atol=1e-5)
    assert (frame.make, frame.model) == ("Canon", "Canon EOS 30D")
    assert frame.black == small_frame.black
    assert frame.white == small_frame.white


def test_a_matrix_that_libraw_has_no_table_for_comes_back(small_frame: RawFrame, tmp_path: Path) -> None:
    matrix = ((0.9, -0.2, -0.1), (-0.4, 1.2, 0.25), (-0.05, 0.15, 0.6))
    write_dng(tmp_path / "a.dng", replace(small_frame, make="Home", model="Made", color_matrix=matrix))
    frame = read_raw(tmp_path / "a.dng")
    np.testing.assert_allclose(np.array(frame.color_matrix), matrix, atol=1e-5)
    assert frame.camera == "Home Made"


def test_exif_comes_back(small_frame: RawFrame, small_dng: Path) -> None:
    before, after = small_frame.metadata, read_raw(small_dng).metadata
    assert after.ifd0[0x0132].text == "2008:02:16 13:51:56"
    assert len(before.exif) > 10
    assert after.without(SOFTWARE) == before.without(SOFTWARE)


def test_libraw_renders_it_like_the_source(sample_raw: Path, sample_frame: RawFrame, tmp_path: Path) -> None:
    write_dng(tmp_path / "whole.dng", sample_frame)
    difference = np.abs(render_libraw(tmp_path / "whole.dng").astype(int) - render_libraw(sample_raw))
    assert difference.max() <= 1


@pytest.mark.parametrize("shape", [(21, 22), (22, 21), (2, 2)])
def test_a_frame_that_no_program_would_open_is_refused(shape: tuple[int, int], tmp_path: Path) -> None:
    frame = RawFrame("RGGB", (0, 0, 0, 0), 4095, None, mosaic=np.ones(shape, np.uint16))
    with pytest.raises(RequestError, match=f"from 22x22 pixels, .* is {shape[1]}x{shape[0]}"):
        write_dng(tmp_path / "a.dng", frame)
    assert list(tmp_path.iterdir()) == []


def test_a_frame_without_white_balance_or_matrix_says_none(tmp_path: Path) -> None:
    mosaic = np.full((32, 32), 2000, np.uint16)
    write_dng(tmp_path / "a.dng", RawFrame("RGGB", (0, 0, 0, 0), 4095, None, mosaic=mosaic))
    frame = read_raw(tmp_path / "a.dng")
    assert frame.gains is None
    np.testing.assert_allclose(np.array(frame.color_matrix), SRGB_MATRIX, atol=1e-5)
    assert np.ptp(render_libraw(tmp_path / "a.dng").astype(int), axis=-1).max() <= 1  # grey


def test_tags_are_those_that_other_programs_need(small_frame: RawFrame, small_dng: Path) -> None:
    import tifffile

    with tifffile.TiffFile(small_dng) as tiff:
        (first,) = tiff.pages
        (raw,) = first.pages  # the sub directory
        camera = {code: first.tags[code].value for code in first.tags.keys()}  # noqa: SIM118
        mosaic = {code: raw.tags[code].value for code in raw.tags.keys()}  # noqa: SIM118
    for code in (271, 272, 274, 34665, 50706, 50707, 50708, 50721, 50728, 50730, 50778):
        assert code in camera, code
    assert camera[254] == 1  # a preview
    assert (camera[259], camera[262]) == (7, 6)  # JPEG, YCbCr
    assert bytes(camera[50706]) == bytes((1, 4, 0, 0))
    assert mosaic[254] == 0  # the picture itself
    assert mosaic[258] == 12  # of 4095
    assert mosaic[259] == 7  # lossless JPEG
    assert mosaic[262] == 32803
    assert mosaic[277] == 1
    assert 273 not in mosaic  # tiles
    assert mosaic[322] % 16 == mosaic[323] % 16 == 0  # TIFF 6.0, section 15
    assert len(mosaic[324]) == len(mosaic[325]) == -(-256 // mosaic[322]) * -(-256 // mosaic[323])
    assert (mosaic[257], mosaic[256]) == small_frame.mosaic.shape
    assert tuple(mosaic[33421]) == (2, 2)
    assert bytes(mosaic[33422]) == bytes((0, 1, 1, 2))
    assert tuple(mosaic[50713]) == (2, 2)
    assert mosaic[50717] == 4095
    assert tuple(mosaic[50829]) == (0, 0, *small_frame.mosaic.shape)
    assert {50710, 50711, 50714, 50719, 50720} <= set(mosaic)


def test_the_mosaic_takes_less_than_half_of_its_sixteen_bits(sample_frame: RawFrame, tmp_path: Path) -> None:
    write_dng(tmp_path / "whole.dng", sample_frame)
    assert (tmp_path / "whole.dng").stat().st_size < 0.5 * sample_frame.mosaic.nbytes


def test_tags_of_every_directory_are_in_ascending_order(small_dng: Path) -> None:
    import tifffile

    with tifffile.TiffFile(small_dng) as tiff:
        for page in (tiff.pages[0], *tiff.pages[0].pages):
            codes = [tag.code for tag in sorted(page.tags, key=lambda tag: tag.offset)]
            assert codes == sorted(codes)  # TIFF 6.0, section 2


def test_the_preview_given_is_the_preview_found(small_frame: RawFrame, tmp_path: Path) -> None:
    import rawpy
    from PIL import Image

    rows, columns = np.mgrid[:40, :60]
    preview = np.stack([rows * 6, columns * 4, 255 - columns * 4], axis=-1).astype(np.uint8)
    write_dng(tmp_path / "a.dng", replace(small_frame, preview=preview))
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        thumb = raw.extract_thumb()
    assert thumb.format == rawpy.ThumbFormat.JPEG
    with Image.open(io.BytesIO(thumb.data)) as found:
        assert np.abs(np.asarray(found).astype(int) - preview).mean() < 2


def test_the_same_frame_gives_the_same_bytes(small_frame: RawFrame, small_dng: Path, tmp_path: Path) -> None:
    write_dng(tmp_path / "again.dng", small_frame)
    assert (tmp_path / "again.dng").read_bytes() == small_dng.read_bytes()


def test_a_full_disk_leaves_the_old_file_alone(
    small_frame: RawFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.dng"
    path.write_bytes(b"old")
    monkeypatch.setattr(dng, "encode_tile", full)
    with pytest.raises(OutputError, match=r"disk is full: .*a\.dng"):
        write_dng(path, small_frame)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.dng", b"old")]


def test_a_folder_that_disappears_is_a_sentence(
    small_frame: RawFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    encode = dng.encode_tile

    def encode_and_lose(tile: np.ndarray, code: DifferenceCode) -> bytes:
        shutil.rmtree(folder, ignore_errors=True)
        return encode(tile, code)

    monkeypatch.setattr(dng, "encode_tile", encode_and_lose)
    with pytest.raises(OutputError, match=r"a\.dng could not be written"):
        write_dng(folder / "a.dng", small_frame)
    assert list(tmp_path.iterdir()) == []
