"""Pictures that other programs changed: refused, turned back, or taken where nothing was lost.

The files are jpegtran's and GraphicsMagick's (tests/data/README.md); each is given the way back of `original.jpg`.
"""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.jpeg import MOST_PACKET, pixels_digest, with_packets
from invisp_deploy.formats.layers import to_packets
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.record import Record
from tests.conftest import DATA
from tests.formats.test_record import RECORD

FILES = DATA / "coded_again"
ORIGINAL = (FILES / "original.jpg").read_bytes()
HEIGHT, WIDTH = 58, 90
WAY_BACK = replace(RECORD, height=HEIGHT, width=WIDTH, digest=pixels_digest(ORIGINAL))

SAME = ("original", "optimize", "progressive", "restart", "progressive_restart")
TURNED = {
    "flip_horizontal": "mirrored left to right",
    "flip_vertical": "mirrored top to bottom",
    "rotate_180": "turned by 180 degrees",
    "rotate_90": "turned by 90 degrees clockwise",
    "rotate_270": "turned by 90 degrees counter-clockwise",
    "transpose": "mirrored along its diagonal",
    "transverse": "mirrored along its other diagonal",
}
REFUSED = {
    "modulate": "edited or damaged",
    "blur": "edited or damaged",
    "negate": "edited or damaged",
    "rotated_pixels": "edited or damaged",
    "again_90": "edited or damaged",
    "damaged": "edited or damaged",
    "wipe": "edited or damaged",
    "again_444": "its chroma is 4:4:4, it was rendered as 4:2:2",
    "again_80": "not that of quality 90",
    "grayscale": "a JPEG of grey",
    "crop": "it was rendered as 90x58",
    "arithmetic": "coding of its frame, 0xc9",
}


def carrying(data: bytes, path: Path, record: Record = WAY_BACK) -> Path:
    path.write_bytes(b"".join(with_packets(data, to_packets({"record": record.to_bytes()}, MOST_PACKET))))
    return path


def expected() -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(ORIGINAL)))


def test_every_file_is_looked_at() -> None:
    assert {path.stem for path in FILES.glob("*.jpg")} == {*SAME, *TURNED, *REFUSED}


@pytest.mark.parametrize("name", SAME)
def test_what_was_coded_again_without_loss_is_taken(name: str, tmp_path: Path) -> None:
    picture = read_picture(carrying((FILES / f"{name}.jpg").read_bytes(), tmp_path / "a.jpg"))
    np.testing.assert_array_equal(picture.pixels, expected())
    assert picture.record == WAY_BACK
    assert picture.notes == ()


@pytest.mark.parametrize("name", TURNED)
def test_what_was_turned_without_loss_is_turned_back(name: str, tmp_path: Path) -> None:
    picture = read_picture(carrying((FILES / f"{name}.jpg").read_bytes(), tmp_path / "a.jpg"))
    np.testing.assert_array_equal(picture.pixels, expected())
    assert len(picture.notes) == 1
    assert TURNED[name] in picture.notes[0]


@pytest.mark.parametrize("name", REFUSED)
def test_what_was_changed_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    path = carrying((FILES / f"{name}.jpg").read_bytes(), tmp_path / "a.jpg")
    with pytest.raises(ImageFileError, match=REFUSED[name]):
        read_picture(path)


def test_force_takes_the_way_back_of_an_edited_picture_and_says_so(tmp_path: Path) -> None:
    path = carrying((FILES / "modulate.jpg").read_bytes(), tmp_path / "a.jpg")
    picture = read_picture(path, force=True)
    assert picture.record is not None
    assert picture.record.forced
    assert "forced:" in picture.notes[0]
    np.testing.assert_array_equal(picture.pixels, np.asarray(Image.open(FILES / "modulate.jpg")))


def test_force_does_not_take_another_size(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match="rendered as 90x58"):
        read_picture(carrying((FILES / "crop.jpg").read_bytes(), tmp_path / "a.jpg"), force=True)


def test_one_bit_of_a_table_is_noticed(tmp_path: Path) -> None:
    """The scan's bytes are as they were; what they mean is not."""
    data = bytearray(ORIGINAL)
    data[data.index(b"\xff\xc4") + 4 + 20] ^= 1
    with pytest.raises(ImageFileError):
        read_picture(carrying(bytes(data), tmp_path / "a.jpg"))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_one_sample_of_a_lossless_picture_is_noticed(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    pixels = expected() if name == "a.png" else expected().astype(np.uint16) * 257
    written = replace(WAY_BACK, quality=0, subsampling="", digest="")
    Picture(pixels, written).save(path)
    assert read_picture(path).notes == ()
    other = pixels.copy()
    other[7, 5, 1] ^= 1
    changed = resaved(path, tmp_path / f"other-{name}", other)
    with pytest.raises(ImageFileError, match="edited or damaged"):
        read_picture(changed)
    picture = read_picture(resaved(path, tmp_path / f"turned-{name}", np.rot90(pixels, -1)))
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert "turned by 90 degrees clockwise" in picture.notes[0]


def test_a_png_that_was_packed_again_is_taken(tmp_path: Path) -> None:
    Picture(expected(), replace(WAY_BACK, quality=0, subsampling="", digest="")).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        for key, value in image.text.items():
            text.add_itxt(key, value, zip=True)
        image.save(tmp_path / "b.png", compress_level=1, pnginfo=text)
    picture = read_picture(tmp_path / "b.png")
    np.testing.assert_array_equal(picture.pixels, expected())
    assert picture.record is not None


def resaved(source: Path, target: Path, pixels: np.ndarray) -> Path:
    """Other pixels with what `source` carries, as another program would save them."""
    if target.suffix == ".png":
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        with Image.open(source) as image:
            for key, value in image.text.items():
                text.add_text(key, value)
        Image.fromarray(pixels).save(target, pnginfo=text)
    else:
        import tifffile

        with tifffile.TiffFile(source) as tiff:
            carried = tiff.pages.first.tags[65042].value
        tags = [(65042, 7, len(carried), carried, True)]
        tifffile.imwrite(target, np.ascontiguousarray(pixels), photometric="rgb", extratags=tags)
    return target


def test_a_picture_with_codes_of_its_own_is_smaller_and_taken_however_it_is_coded(tmp_path: Path) -> None:
    """jpegtran's files are the same coefficients in libjpeg's usual codes, its best, and scan by scan."""
    picture = Picture(expected(), replace(RECORD, height=HEIGHT, width=WIDTH, digest=""))
    for small in (False, True):
        picture.save(tmp_path / f"{small}.jpg", small=small)
    usual, small_one = (read_picture(tmp_path / f"{small}.jpg") for small in (False, True))
    assert (tmp_path / "True.jpg").stat().st_size < (tmp_path / "False.jpg").stat().st_size
    np.testing.assert_array_equal(usual.pixels, small_one.pixels)
    assert usual.record is not None
    assert small_one.record is not None
    assert (usual.record.own_codes, small_one.record.digest) == ("", usual.record.digest)
    own = replace(WAY_BACK, own_codes=pixels_digest((FILES / "optimize.jpg").read_bytes()))
    for name in SAME:
        again = carrying((FILES / f"{name}.jpg").read_bytes(), tmp_path / "b.jpg", own)
        np.testing.assert_array_equal(read_picture(again).pixels, expected())
