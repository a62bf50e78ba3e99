"""Where the picture of a RAW file comes from, and a sentence where it does not."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from invisp_deploy.dataset import targets as module
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.targets import check_pictures, picture_for, stored_picture
from invisp_deploy.errors import DatasetError, ImageFileError, MissingFileError, RequestError
from invisp_deploy.formats.picture import srgb_profile
from tests.dataset.scenes import Rgb8

PIXELS: Rgb8 = np.add.outer(np.arange(40), np.arange(0, 180, 3))[..., None].repeat(3, 2).astype(np.uint8)
BESIDE = PrepareOptions(target="beside")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Its bytes are never looked at where the target is a file."""
    path = tmp_path / "raws" / "IMG_1.x.dng"
    path.parent.mkdir()
    path.write_bytes(b"")
    return path


def test_the_jpeg_beside_is_found_in_either_case(raw: Path) -> None:
    for ending in (".jpg", ".JPG", ".jpeg"):
        path = raw.with_name(f"IMG_1.x{ending}")
        Image.fromarray(PIXELS).save(path, "JPEG", quality=100)
        assert stored_picture(raw, BESIDE) == path
        pixels, size = picture_for(raw, BESIDE)
        assert size == path.stat().st_size
        with Image.open(path) as image:
            np.testing.assert_array_equal(pixels, np.asarray(image))
        path.unlink()


def test_none_and_two_are_sentences(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"IMG_1\.x\.dng: no picture of its name in .*raws: expected one"):
        picture_for(raw, BESIDE)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for ending in (".png", ".tif"):
        (folder / f"IMG_1.x{ending}").write_bytes(b"")
    with pytest.raises(DatasetError, match="2 pictures of its name in .*pictures"):
        picture_for(raw, PrepareOptions(target=str(folder)))


def test_a_folder_may_hold_png_and_tiff_of_16_bits(raw: Path, tmp_path: Path) -> None:
    options = PrepareOptions(target=str(tmp_path))
    Image.fromarray(PIXELS).save(tmp_path / "IMG_1.x.png")
    np.testing.assert_array_equal(picture_for(raw, options)[0], PIXELS)
    (tmp_path / "IMG_1.x.png").unlink()
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, 2)
    tifffile.imwrite(tmp_path / "IMG_1.x.tif", codes, photometric="rgb")
    pixels, _ = picture_for(raw, options)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.round(codes / 257))


def test_a_damaged_picture_and_one_of_other_colours_are_refused(raw: Path) -> None:
    path = raw.with_name("IMG_1.x.jpg")
    path.write_bytes(b"no picture")
    with pytest.raises(ImageFileError, match=r"IMG_1\.x\.jpg"):
        picture_for(raw, BESIDE)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.fromarray(PIXELS).save(path, icc_profile=lab)
    with pytest.raises(
        DatasetError, match=r"IMG_1\.x\.jpg is not in sRGB, its colours are of the profile Lab.*save it in"
    ):
        picture_for(raw, BESIDE)


def test_the_colours_of_a_camera_set_to_adobe_rgb_are_refused(raw: Path) -> None:
    """It states no profile, but that it is not sRGB; with a profile that is sRGB's, that counts."""
    path = raw.with_name("IMG_1.x.jpg")
    for space, profile in ((1, b""), (0xFFFF, srgb_profile())):
        Image.fromarray(PIXELS).save(path, exif=stating(space), icc_profile=profile)
        assert picture_for(raw, BESIDE)[0].shape == PIXELS.shape
    Image.fromarray(PIXELS).save(path, exif=stating(0xFFFF))
    with pytest.raises(DatasetError, match=r"IMG_1\.x\.jpg is not in sRGB, its Exif says so"):
        picture_for(raw, BESIDE)


def stating(space: int) -> Image.Exif:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = space
    return exif


def test_the_preview_is_that_of_the_file(sample_raw: Path, tmp_path: Path) -> None:

    shutil.copy(sample_raw, tmp_path / "a.CR2")
    pixels, size = picture_for(tmp_path / "a.CR2", PrepareOptions(target="preview"))
    assert pixels.shape == (1152, 1728, 3)
    assert 100_000 < size < sample_raw.stat().st_size
    with pytest.raises((DatasetError, ImageFileError)):
        picture_for(tmp_path / "absent.CR2", PrepareOptions(target="preview"))


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], PrepareOptions]:
    """A program of these lines of Python, `raw` and `out` given, as a target."""

    def write(lines: str) -> PrepareOptions:
        path = tmp_path / "a program.py"
        path.write_text(
            f"import sys, time, subprocess, pathlib\nfrom PIL import Image\nraw, out = sys.argv[1:]\n{lines}\n"
        )
        return PrepareOptions(render=f"'{sys.executable}' '{path}' {{raw}} {{out}}")

    return write


def test_a_command_renders_without_a_shell(program: Callable[[str], PrepareOptions], tmp_path: Path) -> None:
    raw = tmp_path / "$(touch here); a 'name'.dng"
    Image.fromarray(PIXELS).save(tmp_path / "rendered.png")
    raw.write_bytes((tmp_path / "rendered.png").read_bytes())
    pixels, size = picture_for(raw, program("Image.open(raw).save(out + '.png'); pathlib.Path(out + '.d').mkdir()"))
    np.testing.assert_array_equal(pixels, PIXELS)
    assert size > 0
    assert not list(tmp_path.rglob("here"))


def test_a_command_that_fails_says_why(program: Callable[[str], PrepareOptions], raw: Path) -> None:
    with pytest.raises(DatasetError, match=r"IMG_1\.x\.dng: .* ended with 3 and said: no lens / warning$"):
        picture_for(raw, program("print('no lens', flush=True); print('warning', flush=True); sys.exit(3)"))
    with pytest.raises(DatasetError, match=r"wrote 0 files, expected one at \{out\}; it said: nothing"):
        picture_for(raw, program(""))
    with pytest.raises(ImageFileError):
        picture_for(raw, program("pathlib.Path(out).write_text('no picture')"))


def test_a_command_that_takes_too_long_is_ended_with_what_it_started(
    program: Callable[[str], PrepareOptions], raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SECONDS", 2)
    lines = (
        f"child = subprocess.Popen(['sleep', '60']); pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))"
    )
    with pytest.raises(DatasetError, match="took longer than 2 seconds"):
        picture_for(raw, program(f"{lines}; time.sleep(60)"))
    pid = int((tmp_path / "pid").read_text())
    for _ in range(50):  # it is init's to bury
        state = (
            Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] if os.path.exists(f"/proc/{pid}") else "Z"
        )
        if state == "Z":
            break
        time.sleep(0.1)
    assert state == "Z"


def test_a_folder_and_a_program_that_are_not_there_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="`target` is beside, preview, libraw or a folder of pictures"):
        check_pictures(PrepareOptions(target=str(tmp_path / "absent")))
    with pytest.raises(RequestError, match="`render` starts 'no-such-program'"):
        check_pictures(PrepareOptions(render="no-such-program {raw} {out}"))
    for good in (
        PrepareOptions(),
        BESIDE,
        PrepareOptions(target=str(tmp_path)),
        PrepareOptions(render="cp {raw} {out}"),
    ):
        check_pictures(good)


def test_libraw_is_no_file(raw: Path) -> None:
    assert stored_picture(raw, PrepareOptions()) is None
