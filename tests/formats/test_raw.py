"""Reading RAW files: everything the camera said, or one sentence that names the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.errors import RawFileError, RequestError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import FLIP_TO_ORIENTATION, read_raw, render_libraw

CASES = Path(__file__).parent.parent / "data" / "cases"
DNG_TAGS = [
    (50706, 1, 4, bytes((1, 4, 0, 0)), True),
    (50707, 1, 4, bytes((1, 1, 0, 0)), True),
    (50708, 2, 0, "Some Camera", True),
]
XTRANS = ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")


def test_the_sample_as_its_camera_described_it(sample_frame: RawFrame) -> None:
    assert sample_frame.mosaic.shape == (2348, 3522)
    assert sample_frame.mosaic.dtype == np.uint16
    assert sample_frame.cfa == "RGGB"
    assert sample_frame.black == (127, 128, 128, 128)
    assert sample_frame.white == 4095
    assert sample_frame.gains is not None
    assert np.array(sample_frame.gains) / sample_frame.gains[1] == pytest.approx((2009 / 1024, 1, 1713 / 1024))
    assert sample_frame.orientation == 1
    assert (sample_frame.make, sample_frame.model) == ("Canon", "Canon EOS 30D")
    assert sample_frame.camera == "Canon EOS 30D"


def test_the_samples_colour_matrix_is_the_published_one(sample_frame: RawFrame) -> None:
    # Adobe DNG Converter's matrix of the Canon EOS 30D for D65, in ten thousandths (also in dcraw.c)
    published = np.array([[6257, -303, -1000], [-7880, 15621, 2396], [-1714, 1904, 7046]]) / 10000
    np.testing.assert_allclose(np.array(sample_frame.color_matrix), published, atol=1e-6)


def test_the_samples_exif(sample_frame: RawFrame) -> None:
    shot = sample_frame.metadata.exif
    assert sample_frame.metadata.ifd0[0x0132].text == "2008:02:16 13:51:56"
    assert shot[0x8827].numbers == (100,)  # ISO
    assert shot[0x829A].numbers == (1 / 500,)  # exposure time, s
    assert shot[0x829D].numbers == (7.1,)  # f-number
    assert 0x927C not in shot  # the maker's private block points into the RAW file


def test_the_mosaic_is_libraws_and_outlives_the_file(sample_raw: Path, sample_frame: RawFrame) -> None:
    import rawpy

    with rawpy.imread(str(sample_raw)) as raw:
        np.testing.assert_array_equal(sample_frame.mosaic, raw.raw_image_visible)
        assert not np.shares_memory(sample_frame.mosaic, raw.raw_image_visible)


@pytest.fixture
def bad_file(tmp_path: Path, sample_raw: Path, small_frame: RawFrame) -> Callable[[str], Path]:
    """Writes a file of a given kind of badness."""

    def write(kind: str) -> Path:
        import tifffile

        path = tmp_path / f"{kind}.{'CR2' if kind.startswith(('text', 'empty', 'cut')) else 'dng'}"
        plane = np.random.default_rng(0).integers(1, 4000, (64, 66, 3)).astype(np.uint16)
        if kind == "text":
            path.write_text("This is no RAW file.\n" * 100)
        elif kind == "empty":
            path.write_bytes(b"")
        elif kind.startswith("cut"):
            whole = sample_raw.read_bytes()
            path.write_bytes(whole[: len(whole) * int(kind[3:]) // 100])
        elif kind == "half":
            mosaic = small_frame.mosaic.copy()
            mosaic[128:] = 0
            write_dng(path, replace(small_frame, mosaic=mosaic))
        elif kind == "lost":
            write_dng(path, small_frame)
            path.write_bytes(path.read_bytes()[:-20_000])
        elif kind == "linear":
            tifffile.imwrite(path, plane, photometric=34892, metadata=None, extratags=DNG_TAGS)
        elif kind == "xtrans":
            pattern = bytes("RGB".index(colour) for row in XTRANS for colour in row)
            tags = [*DNG_TAGS, (33421, 3, 2, (6, 6), True), (33422, 1, 36, pattern, True)]
            tifffile.imwrite(path, plane[..., 0], photometric=32803, metadata=None, extratags=tags)
        elif kind == "nopattern":
            tifffile.imwrite(path, plane[..., 0], photometric=32803, metadata=None, extratags=DNG_TAGS)
        elif kind == "picture":
            tifffile.imwrite(path, plane.astype(np.uint8), photometric="rgb")
        return path

    return write


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("text", "is not a RAW file"),
        ("picture", "is not a RAW file"),
        ("empty", r"is empty \(0 bytes\)"),
        ("cut5", "not a RAW file that LibRaw knows|is cut short"),
        ("cut20", "is cut short or damaged"),
        ("cut50", "is cut short or damaged"),
        ("cut97", "is cut short or damaged"),
        ("half", "is cut short: 128 of 256 rows"),
        ("lost", "is cut short"),
        ("linear", "holds 3 colours at every pixel"),
        ("xtrans", r"has no 2x2 Bayer pattern \(found: 6x6"),
        ("nopattern", "has no 2x2 Bayer pattern"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(bad_file: Callable[[str], Path], kind: str, reason: str) -> None:
    path = bad_file(kind)
    with pytest.raises(RawFileError, match=reason) as caught:
        read_raw(path)
    message = str(caught.value)
    assert message.startswith(f"{path} ")
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize("kind", ["text", "empty", "cut50"])
def test_bad_files_are_not_rendered(bad_file: Callable[[str], Path], kind: str) -> None:
    path = bad_file(kind)
    with pytest.raises(RawFileError, match=path.name):
        render_libraw(path)


def test_a_missing_file_and_a_folder_are_requests_at_fault(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"no file .*gone\.CR2"):
        read_raw(tmp_path / "gone.CR2")
    with pytest.raises(RequestError, match="is a folder"):
        read_raw(tmp_path)


def test_a_file_larger_than_asked_for_is_refused_before_it_is_decoded(sample_raw: Path) -> None:
    with pytest.raises(RawFileError, match=r"3596x2360 pixels, more than 8 megapixels: .*`max_pixels`"):
        read_raw(sample_raw, max_pixels=8)


def test_bars_above_and_below_a_picture_are_no_missing_rows(small_frame: RawFrame, tmp_path: Path) -> None:
    frame = read_raw(CASES / "letterbox_black0.dng")
    assert not frame.mosaic[:16].any()
    assert not frame.mosaic[-16:].any()
    mosaic = np.where(np.arange(256)[:, None] < 16, 0, small_frame.mosaic)
    mosaic[-40:] = 0
    write_dng(tmp_path / "cut.dng", replace(small_frame, mosaic=mosaic.astype(np.uint16)))
    with pytest.raises(RawFileError, match="is cut short: 56 of 256 rows"):
        read_raw(tmp_path / "cut.dng")
    write_dng(tmp_path / "dark.dng", replace(small_frame, mosaic=np.zeros((64, 64), np.uint16)))
    with pytest.raises(RawFileError, match="is cut short: 64 of 64 rows"):
        read_raw(tmp_path / "dark.dng")


def test_a_file_that_libraw_knows_by_its_size_alone_is_refused(tmp_path: Path) -> None:
    """786,432 bytes are a known camera's (LibRaw's identify.cpp), and any 12-bit frame of 768x512."""
    path = tmp_path / "frame.raw"
    path.write_bytes(np.random.default_rng(0).integers(0, 4096, (512, 768)).astype("<u2").tobytes())
    with pytest.raises(RawFileError, match=r"no header .* the 786432 bytes: .*`invisp stream --pipe`"):
        read_raw(path)


def test_what_a_dng_says_of_its_development_is_read() -> None:
    exposure, crop, gains = (
        read_raw(CASES / f"{name}.dng").negative for name in ("baseline_exposure", "default_crop", "gainmap")
    )
    assert exposure is not None
    assert exposure.camera[50730].numbers == (1.5,)
    assert exposure.camera[50964].count == 9  # ForwardMatrix1
    assert exposure.mosaic[51041].count == 2  # NoiseProfile
    assert crop is not None
    assert (crop.mosaic[50719].numbers, crop.mosaic[50720].numbers) == ((16, 0), (96, 128))
    assert gains is not None
    assert gains.mosaic[51009].data[:4] == bytes((0, 0, 0, 4))  # four opcodes


@pytest.mark.parametrize("name", ["baseline_exposure", "default_crop", "gainmap"])
def test_a_dng_written_again_says_the_same_of_its_development(name: str, tmp_path: Path) -> None:
    source = read_raw(CASES / f"{name}.dng")
    write_dng(tmp_path / "a.dng", source)
    again = read_raw(tmp_path / "a.dng")
    assert again.negative is not None
    assert source.negative is not None
    for there, back in (
        (source.negative.camera, again.negative.camera),
        (source.negative.mosaic, again.negative.mosaic),
    ):
        assert {code: back[code] for code in there} == there
    assert replace(again.facts, model="") == replace(source.facts, model="")
    difference = np.abs(render_libraw(tmp_path / "a.dng").astype(int) - render_libraw(CASES / f"{name}.dng"))
    assert difference.max() <= 1


def test_a_dark_frame_with_some_dead_rows_is_not_cut_short(small_frame: RawFrame, tmp_path: Path) -> None:
    mosaic = np.full((400, 64), 128, np.uint16)
    mosaic[:2] = 0
    write_dng(tmp_path / "dark.dng", replace(small_frame, mosaic=mosaic))
    np.testing.assert_array_equal(read_raw(tmp_path / "dark.dng").mosaic, mosaic)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_turns_the_picture_as_libraw_and_pillow_do(
    orientation: int, small_frame: RawFrame, tmp_path: Path
) -> None:
    import rawpy
    from PIL import Image, ImageOps

    source = replace(small_frame, mosaic=np.ascontiguousarray(small_frame.mosaic[:48, :64]), orientation=orientation)
    path = tmp_path / "turned.dng"
    write_dng(path, source)
    read = read_raw(path)
    assert read.orientation == orientation
    np.testing.assert_array_equal(read.mosaic, source.mosaic)  # sensor order, never rotated
    with rawpy.imread(str(path)) as raw:
        assert FLIP_TO_ORIENTATION[raw.sizes.flip] == orientation
        upright = raw.postprocess(use_camera_wb=True, no_auto_bright=True)
    picture = Image.fromarray(render_libraw(path))
    picture.getexif()[0x0112] = orientation
    np.testing.assert_array_equal(np.asarray(ImageOps.exif_transpose(picture)), upright)


def test_the_map_of_flips_is_one_to_one() -> None:
    assert sorted(FLIP_TO_ORIENTATION) == list(range(8))
    assert sorted(FLIP_TO_ORIENTATION.values()) == list(range(1, 9))


def test_a_rendering_has_the_mosaics_size_and_eight_bits(small_dng: Path, small_frame: RawFrame) -> None:
    picture = render_libraw(small_dng)
    assert picture.shape == (*small_frame.mosaic.shape, 3)
    assert picture.dtype == np.uint8
