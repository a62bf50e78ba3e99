"""What is brighter than white: linear light, read back by OpenEXR and libavif; gain maps, by libultrahdr."""

from __future__ import annotations

import io
import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import OpenEXR
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from invisp_deploy.cli.run import run_command
from invisp_deploy.config import NetworkConfig
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.gain_map import GainMap
from invisp_deploy.formats.jpeg import header_of_jpeg, written_by_pillow
from invisp_deploy.formats.multi_picture import second_picture
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.sidedata.predictor import predictor_size
from invisp_deploy.tolerances import TOLERANCES
from tests.cli.refusal import refused, refused_at_once
from tests.formats.test_metadata import SAID
from tests.graphs import CANON_30D, write_graphs
from tests.sidedata.frames import blown_frame, dark_frame

UPRIGHT = {1: lambda pixels: pixels, 6: lambda pixels: np.rot90(pixels, -1)}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(run_command, [str(argument) for argument in arguments])


def made(*arguments: object) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera that was held upright; a phase and a size that are mirrored at an edge for the closed form."""
    frame = replace(blown_frame(121, 160, "GRBG"), orientation=6, metadata=SAID)
    path = tmp_path_factory.mktemp("raw") / "a.dng"
    write_dng(path, frame)
    return path


@pytest.fixture(scope="module", params=["a.jpg", "a.tif"])
def photo(request: pytest.FixtureRequest, raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / str(request.param)
    made(raw, "-o", path, "--model", "closed-form")
    return path


def values_of(path: Path) -> np.ndarray:
    with OpenEXR.File(str(path)) as file:
        return np.asarray(file.channels()["RGB"].pixels).astype(np.float64)


def light_of_photo(path: Path) -> np.ndarray:
    """By the formulas of ITU-R BT.709 and of docs/hdr.md, the map enlarged by Pillow."""
    picture = read_picture(path)
    assert picture.record is not None
    assert picture.gain_map is not None
    codes = picture.pixels / np.iinfo(picture.pixels.dtype).max
    light = np.where(codes < 0.081, codes / 4.5, ((codes + 0.099) / 1.099) ** (1 / 0.45))
    with Image.open(io.BytesIO(picture.gain_map.image)) as image:
        channels = [channel.convert("F") for channel in image.split()]
    height, width = codes.shape[:2]
    scale = round(width / channels[0].width)
    large = [
        channel.resize((scale * channel.width, scale * channel.height), Image.Resampling.BILINEAR)
        for channel in channels
    ]
    gains = np.stack([np.asarray(channel)[:height, :width] for channel in large], axis=-1)
    brighter = (light + 1 / 64) * 2 ** (gains / 255 * picture.gain_map.stops) - 1 / 64
    light = np.where((codes >= 250 / 255).any(axis=-1, keepdims=True), brighter, light)
    added = picture.record.alignment
    cut = light[added.top : height - added.bottom, added.left : width - added.right]
    return UPRIGHT[picture.record.facts.orientation](cut)


def test_a_picture_is_the_light_of_its_formula(photo: Path, tmp_path: Path) -> None:
    result = made(photo, "-o", tmp_path / "a.exr")
    assert "121x160, in" in result.stdout
    assert "next:" not in result.stdout
    found, wanted = values_of(tmp_path / "a.exr"), light_of_photo(photo)
    assert found.shape == (160, 121, 3)
    assert found.max() > 1.5
    limit = TOLERANCES["linear-light"].limit
    np.testing.assert_allclose(found, wanted, rtol=limit, atol=limit / 64)


def test_an_avif_is_the_same_light(photo: Path, tmp_path: Path) -> None:
    made(photo, "-o", tmp_path / "a.avif", "--quality", 100)
    made(photo, "-o", tmp_path / "b.avif", "--quality", 30)
    made(photo, "-o", tmp_path / "a.exr")
    data = (tmp_path / "a.avif").read_bytes()
    assert len(data) > (tmp_path / "b.avif").stat().st_size
    part = (imagecodecs.avif_decode(data) / 1023) ** (1 / 78.84375)
    nits = 10000 * (np.maximum(part - 0.8359375, 0) / (18.8515625 - 18.6875 * part)) ** (1 / 0.1593017578125)
    wide = (
        values_of(tmp_path / "a.exr")
        @ np.array(((0.627404, 0.329283, 0.043313), (0.069097, 0.919540, 0.011362), (0.016391, 0.088013, 0.895595))).T
    )
    assert np.abs(nits / 203 - wide).mean() < TOLERANCES["linear-light-avif"].limit
    with Image.open(tmp_path / "a.avif") as image:
        assert image.size == (121, 160)
        assert image.getexif().get_ifd(0x8769)[0x8827] == 100


def test_a_gain_map_that_is_not_of_our_sizes_is_noted(raw: Path, tmp_path: Path) -> None:
    made(raw, "-o", tmp_path / "a.jpg", "--model", "closed-form")
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.gain_map is not None
    with Image.open(io.BytesIO(picture.gain_map.image)) as image:
        stream = io.BytesIO()
        image.crop((0, 0, 33, 33)).save(stream, "JPEG", subsampling=0)
    replace(picture, gain_map=GainMap(stream.getvalue(), 16), layers={}).save(tmp_path / "b.jpg")
    result = made(tmp_path / "b.jpg", "-o", tmp_path / "a.exr")
    assert "b.jpg clips is left at white: its gain map is of another size" in result.stderr
    assert values_of(tmp_path / "a.exr").max() == 1


def test_a_raw_file_s_highlights_are_those_of_the_mosaic(tmp_path: Path) -> None:
    """Red and blue light that no site saturates, beside the same under four times the white level, which clips no more.

    A picture's white is that of green, so what the gains of red and blue lift above it is in the mosaic alone.
    """
    frame = blown_frame(121, 160, "GRBG")
    rows, columns = np.mgrid[:121, :160]
    share = 0.7 * (rows / 121) * (0.9 + 0.1 * np.sin(columns / 9))
    frame = replace(frame, orientation=6, mosaic=(128 + share * (frame.white - 128)).astype(np.uint16))
    for name, white in (("bright", frame.white), ("dark", 4 * (frame.white - 128) + 128)):
        write_dng(tmp_path / f"{name}.dng", replace(frame, white=white))
        result = made(tmp_path / f"{name}.dng", "-o", tmp_path / f"{name}.exr", "--model", "closed-form")
        assert "next:" not in result.stdout
        assert "121x160" in result.stdout
    bright, dark = values_of(tmp_path / "bright.exr"), 4 * values_of(tmp_path / "dark.exr")
    clips = dark > 1.05
    assert clips.mean() > 0.1
    assert dark.max() > 1.4
    error = np.abs(bright[clips] / dark[clips] - 1)
    assert error.max() < TOLERANCES["linear-light-raw"].limit


def test_what_the_words_of_the_photo_say_goes_with_it(photo: Path, tmp_path: Path) -> None:
    for name, option in (("a", ()), ("b", ("--no-metadata",))):
        made(photo, "-o", tmp_path / f"{name}.exr", *option)
        with OpenEXR.File(str(tmp_path / f"{name}.exr")) as file:
            assert file.header().get("cameraModel") == ("Camera" if not option else None)


@pytest.mark.parametrize("name", ["a.exr", "a.avif"])
class TestRefused:
    def test_a_picture_that_is_not_ours(self, name: str, tmp_path: Path) -> None:
        Image.new("RGB", (16, 16)).save(tmp_path / "b.jpg")
        refused_at_once(run(tmp_path / "b.jpg", "-o", tmp_path / name), 1, "b.jpg carries no way back", "what light")
        assert not (tmp_path / name).exists()

    def test_a_grey_one(self, name: str, tmp_path: Path) -> None:
        Image.new("L", (16, 16)).save(tmp_path / "b.jpg")
        refused_at_once(run(tmp_path / "b.jpg", "-o", tmp_path / name), 1, "b.jpg", "a JPEG of grey")

    def test_one_in_a_camera_s_colours(self, name: str, small_dng: Path, tmp_path: Path) -> None:
        graphs = write_graphs(tmp_path, NetworkConfig(2, 8, 2), CANON_30D)
        made("--engine", graphs.forward, small_dng, "-o", tmp_path / "b.jpg")
        refused_at_once(run(tmp_path / "b.jpg", "-o", tmp_path / name), 2, "in its camera's colours", "weights of sRGB")

    def test_without_what_writes_it(
        self, name: str, raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = {"a.exr": "OpenEXR", "a.avif": "imagecodecs"}[name]
        monkeypatch.setitem(sys.modules, package, None)
        result = run(raw, "-o", tmp_path / name)
        refused_at_once(result, 2, f"This needs `{package}`", "pip install", "hdr")

    def test_what_is_there_already(self, name: str, raw: Path, tmp_path: Path) -> None:
        (tmp_path / name).write_bytes(b"mine")
        refused_at_once(run(raw, "-o", tmp_path / name), 2, name, "exists already")
        assert (tmp_path / name).read_bytes() == b"mine"

    def test_a_disk_that_is_full(self, name: str, raw: Path, tmp_path: Path) -> None:
        def small_files() -> None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        words = [sys.executable, "-m", "invisp_deploy", "run", str(raw), "-o", str(tmp_path / name)]
        done = subprocess.run(
            [*words, "--model", "closed-form"],
            capture_output=True,
            text=True,
            preexec_fn=small_files,
            check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 1
        assert done.stderr.count("Error: ") == 1
        assert "could not be written" in done.stderr
        assert list(tmp_path.iterdir()) == []


def test_several_files_become_jpegs_and_not_light(raw: Path, tmp_path: Path) -> None:
    refused(run(raw, raw, "-o", tmp_path / "a.exr"), 2, "need an existing folder")


def test_a_gain_map_for_eyes_is_as_fine_as_they_get(raw: Path, tmp_path: Path) -> None:
    result = made(raw, "-o", tmp_path / "fine.jpg", "--model", "closed-form", "--hdr")
    assert "nothing lies above white" not in result.stderr
    little = predictor_size(2) + 2500  # which leaves the map less than it takes
    made(raw, "-o", tmp_path / "small.jpg", "--model", "closed-form", "--raw-budget", little)
    fine, small = (read_picture(tmp_path / name).gain_map for name in ("fine.jpg", "small.jpg"))
    assert fine is not None
    assert small is not None
    assert fine.size == (61, 81)
    assert len(fine.image) > len(small.image)
    with Image.open(io.BytesIO(fine.image)) as image, Image.open(io.BytesIO(written_by_pillow(92, "4:4:4"))) as same:
        assert image.quantization[0] == same.quantization[0]
    shown = imagecodecs.ultrahdr_decode((tmp_path / "fine.jpg").read_bytes(), boost=8.0)[..., :3]
    assert shown.max() > 1.5


def test_where_nothing_lies_above_white_no_gain_map_is_written(tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", dark_frame())
    result = made(tmp_path / "a.dng", "-o", tmp_path / "a.jpg", "--model", "closed-form", "--hdr")
    assert "note: nothing lies above white: no gain map is written." in result.stderr
    assert read_picture(tmp_path / "a.jpg").gain_map is None


def test_a_gain_map_for_eyes_has_no_budget(raw: Path, tmp_path: Path) -> None:
    result = run(raw, "-o", tmp_path / "a.jpg", "--hdr", "--raw-budget", "64kB")
    refused_at_once(result, 2, "With --hdr the gain map takes the room that it needs", "leave --raw-budget out")
    assert "note: --hdr and --web changed nothing" in made(raw, "-o", tmp_path / "a.exr", "--hdr", "--web").stderr


@pytest.mark.parametrize("frame", [blown_frame(400, 520), dark_frame(400, 520)], ids=["with a gain map", "without"])
def test_for_the_web_the_residual_stands_behind_the_pixels(frame: RawFrame, tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", frame)
    photo = tmp_path / "a.jpg"
    made(tmp_path / "a.dng", "-o", photo, "--model", "closed-form", "--lossless", "--web")
    data = photo.read_bytes()
    scan = header_of_jpeg(data).scan
    assert scan is not None
    assert data.index(b"InvISP\0record\0") < scan.start < data.index(b"InvISP\0residual\0")
    assert "exact" in made(photo, "-o", tmp_path / "back.dng").stdout
    np.testing.assert_array_equal(read_raw(tmp_path / "back.dng").mosaic, frame.mosaic)
    place, _ = second_picture(header_of_jpeg(data)) or (0, 0)
    photo.write_bytes(data[:place])
    assert "has lost its" in made(photo, "-o", tmp_path / "back.dng", "--overwrite").stderr


def test_tones_are_mapped_of_a_picture_and_of_its_raw_file_alike(raw: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    made(raw, "-o", photo, "--model", "closed-form")
    shown = []
    for source, name in ((photo, "a"), (raw, "b")):
        result = made(source, "-o", tmp_path / f"{name}.jpg", "--tone-map", "--model", "closed-form")
        assert "121x160" in result.stdout
        assert "next:" not in result.stdout
        assert "--raw-budget" not in result.stdout
        with Image.open(tmp_path / f"{name}.jpg") as image:
            assert image.size == (121, 160)
            shown.append(np.asarray(image).astype(int))
    made(photo, "-o", tmp_path / "a.exr")
    assert np.abs(shown[0] - shown[1]).mean() < 8
    light = values_of(tmp_path / "a.exr")
    hdr = imagecodecs.ultrahdr_decode((tmp_path / "a.jpg").read_bytes(), boost=16.0)[..., :3].astype(float)
    assert hdr.max() > 1.5
    assert np.median(np.abs(hdr / np.maximum(light, 0.01) - 1)) < TOLERANCES["tone-mapped-light"].limit
    back = run(tmp_path / "a.jpg", "-o", tmp_path / "back.dng")
    refused_at_once(back, 1, "carries no way back")


@pytest.mark.parametrize("name", ["a.exr", "a.png", "a.dng"])
def test_tones_are_mapped_into_jpegs_alone(name: str, raw: Path, tmp_path: Path) -> None:
    result = run(raw, "-o", tmp_path / name, "--tone-map")
    refused_at_once(result, 2, "--tone-map makes a JPEG with a gain map", name, "name a .jpg")
