import io
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from invisp_deploy.errors import ImageFileError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.metadata import NONE, Metadata
from invisp_deploy.formats.picture import Picture, carried_record, read_picture
from tests.formats.test_record import RECORD

HEIGHT, WIDTH = 40, 56
SMALL = replace(RECORD, height=HEIGHT, width=WIDTH, digest="")


@pytest.fixture
def pixels() -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack((rows * 4, columns * 3, rows + columns), -1).astype(np.uint8)


def write(
    path: Path, pixels: np.ndarray, metadata: Metadata = NONE, quality: int = 90, subsampling: str = "4:2:2"
) -> Path:
    Picture(pixels, SMALL, metadata).save(path, quality=quality, subsampling=subsampling)
    return path


@pytest.mark.parametrize(("subsampling", "code"), [("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)])
def test_jpeg_is_libjpegs(pixels: np.ndarray, tmp_path: Path, subsampling: str, code: int) -> None:
    path = write(tmp_path / "a.jpg", pixels, quality=85, subsampling=subsampling)
    plain = io.BytesIO()
    Image.fromarray(pixels).save(plain, "JPEG", quality=85, subsampling=code)
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, np.asarray(Image.open(plain)))
    assert picture.record is not None
    assert replace(picture.record, digest="") == replace(SMALL, quality=85, subsampling=subsampling)


def test_png_and_tiff_lose_nothing(pixels: np.ndarray, tmp_path: Path) -> None:
    deep = pixels.astype(np.uint16) * 257 + 3
    for path, expected in (
        (write(tmp_path / "a.png", pixels), pixels),
        (write(tmp_path / "a.tif", deep), deep),
    ):
        picture = read_picture(path)
        np.testing.assert_array_equal(picture.pixels, expected)
        assert picture.pixels.dtype == expected.dtype
        assert picture.record is not None
        assert replace(picture.record, digest="") == SMALL


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_the_way_back_is_read_without_the_pixels(pixels: np.ndarray, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, pixels.astype(np.uint16) if name == "a.tif" else pixels)
    found = carried_record(path)
    assert found is not None
    assert found == read_picture(path).record
    plain = tmp_path / f"plain-{name}"
    Image.fromarray(pixels).save(plain)
    assert carried_record(plain) is None
    plain.write_bytes(b"no picture at all" * 100)
    with pytest.raises(ImageFileError, match=rf"plain-{name} is not a"):
        carried_record(plain)
    with pytest.raises(RequestError, match="no file"):
        carried_record(tmp_path / "gone.jpg")


@pytest.fixture(scope="module")
def tall() -> np.ndarray:
    """More rows than are copied at once, and no whole number of such strips."""
    return np.random.default_rng(3).integers(0, 256, (1201, 37, 3)).astype(np.uint8)


def test_tall_pictures_are_read_whole(tall: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(tall).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png").pixels, tall)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_carries_exif_orientation_and_profile(
    pixels: np.ndarray, small_frame: RawFrame, tmp_path: Path, name: str
) -> None:
    stored = pixels.astype(np.uint16) if name == "a.tif" else pixels
    path = write(tmp_path / name, stored, small_frame.metadata)
    with Image.open(path) as image:
        tags = image.getexif()
        exposure = tags.get_ifd(0x8769)
        profile = image.info["icc_profile"]
    assert tags[0x0112] == RECORD.facts.orientation
    assert exposure[34855] == 100  # ISO
    assert float(exposure[33434]) == pytest.approx(1 / 500)  # s
    name_of = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    assert "sRGB" in name_of
    assert read_picture(path).metadata.model == "Canon EOS 30D"


def test_equal_input_gives_equal_bytes(pixels: np.ndarray, small_frame: RawFrame, tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, pixels, small_frame.metadata).read_bytes() for name in ("a.jpg", "b.jpg"))
    assert first == second


def test_record_lies_in_one_small_segment(pixels: np.ndarray, tmp_path: Path) -> None:
    with Image.open(write(tmp_path / "a.jpg", pixels)) as image:
        carried = [data for name, data in image.applist if data.startswith(b"InvISP")]
    assert len(carried) == 1
    assert len(carried[0]) <= 4096


def test_plain_jpeg_carries_no_record(pixels: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(pixels).save(tmp_path / "phone.jpg")
    assert read_picture(tmp_path / "phone.jpg").record is None


def test_resaved_jpeg_is_refused(pixels: np.ndarray, tmp_path: Path) -> None:
    source = write(tmp_path / "a.jpg", pixels)
    raw = source.read_bytes()
    segment = raw[raw.index(b"InvISP\0") - 4 :]
    segment = segment[: 2 + int.from_bytes(segment[2:4], "big")]
    with Image.open(source) as image:
        image.save(tmp_path / "b.jpg", quality=60, extra=segment)
        image.resize((28, 20)).save(tmp_path / "c.jpg", quality=90, subsampling=1, extra=segment)
    with pytest.raises(ImageFileError, match="saved again by another program"):
        read_picture(tmp_path / "b.jpg")
    with pytest.raises(ImageFileError, match="28x20, it was rendered as 56x40"):
        read_picture(tmp_path / "c.jpg")


def test_damaged_segment_is_refused(pixels: np.ndarray, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", pixels)
    data = bytearray(path.read_bytes())
    data[data.index(b"InvISP\0") + 40] ^= 1
    path.write_bytes(data)
    with pytest.raises(ImageFileError, match="damaged"):
        read_picture(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_cut_short_pictures_are_refused(pixels: np.ndarray, tmp_path: Path, name: str, share: float) -> None:
    path = write(tmp_path / name, pixels.astype(np.uint16) if name == "a.tif" else pixels)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageFileError, match=name):
        read_picture(path)


def test_grey_and_foreign_files_are_refused(pixels: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(pixels[..., 0]).save(tmp_path / "grey.jpg")
    (tmp_path / "text.jpg").write_text("not a picture")
    (tmp_path / "text.tif").write_text("not a picture")
    for name, why in (
        ("grey.jpg", "a JPEG of grey"),
        ("text.jpg", "not a JPEG"),
        ("text.tif", "not a JPEG"),
    ):
        with pytest.raises(ImageFileError, match=why):
            read_picture(tmp_path / name)
    with pytest.raises(RequestError, match="no file"):
        read_picture(tmp_path / "absent.jpg")


def test_other_endings_are_refused(pixels: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"\.webp"):
        write(tmp_path / "a.webp", pixels)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_layers_come_back_whatever_their_size(pixels: np.ndarray, tmp_path: Path, name: str) -> None:
    layers = {"negative": b"some", "residual": np.random.default_rng(5).bytes(900_000)}
    stored = pixels.astype(np.uint16) if name == "a.tif" else pixels
    Picture(stored, SMALL, layers=layers).save(tmp_path / name)
    picture = read_picture(tmp_path / name)
    assert picture.layers == layers
    assert picture.record is not None
    with Image.open(tmp_path / name) as image:
        image.load()


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_an_orientation_that_a_viewer_changed_is_followed(pixels: np.ndarray, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, pixels.astype(np.uint16) if name == "a.tif" else pixels)
    data, before = path.read_bytes(), b"\x12\x01\x03\x00\x01\x00\x00\x00"
    assert data.count(before) == 1
    at = data.index(before) + len(before)
    assert data[at] == RECORD.facts.orientation == 6
    changed = data[:at] + b"\x03" + data[at + 1 :]
    if name == "a.png":  # the chunk's checksum
        start = changed.index(b"eXIf")
        end = start + 4 + int.from_bytes(changed[start - 4 : start], "big")
        changed = changed[:end] + zlib.crc32(changed[start:end]).to_bytes(4, "big") + changed[end + 4 :]
    path.write_bytes(changed)
    picture = read_picture(path)
    assert picture.record is not None
    assert picture.record.facts.orientation == 3
    assert picture.notes == ()


def test_a_damaged_way_back_is_left_out_where_it_is_forced(pixels: np.ndarray, tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", pixels)
    data = bytearray(path.read_bytes())
    data[data.index(b"InvISP\0") + 40] ^= 1
    path.write_bytes(data)
    picture = read_picture(path, force=True)
    assert picture.record is None
    assert "damaged" in picture.notes[0]


def test_another_profile_of_a_forced_picture_is_noted(pixels: np.ndarray, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    for name, given, noted in (("a.jpg", profile, True), ("b.png", profile, True), ("c.jpg", None, False)):
        Image.fromarray(pixels).save(tmp_path / name, icc_profile=given)
        notes = read_picture(tmp_path / name).notes
        assert any("XYZ" in note and "sRGB" in note for note in notes) is noted
