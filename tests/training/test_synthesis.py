"""Made RAW files: LibRaw develops them back to the photograph, with the noise that was put in.

Folders of them open as files of the camera, a seed decides every byte, bad photographs are left out by name.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rawpy
from PIL import Image

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.errors import ImageFileError, RequestError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.formats.walk import picture_files
from invisp_deploy.isp.colour import srgb_to_linear
from invisp_deploy.training.synthesis import Noise, make_dngs, measured_noise, unprocess

SILENT = Noise(0, 0)
SATURATION = 3398


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def photo() -> Any:
    """(H, W, 3) uint8 without edges, so that demosaicing costs nothing; no colour beyond the sensor's reach."""
    y, x = np.mgrid[0:160, 0:200] / 200
    colours = (90 + 60 * np.sin(7 * x + 2 * y), 100 + 50 * np.cos(5 * y), 80 + 60 * x * y + 30 * np.sin(9 * x))
    return np.rint(np.stack(colours, -1)).astype(np.uint8)


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_libraw_develops_it_back_to_the_photograph(cfa: str, photo: Any, small_frame: RawFrame, tmp_path: Path) -> None:
    """In linear light, up to one factor: the exposure that was drawn."""
    like = replace(small_frame, cfa=cfa)
    write_dng(tmp_path / "a.dng", unprocess(photo, like, SILENT, SATURATION, rng(CFA_PATTERNS.index(cfa))))
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        developed = raw.postprocess(
            use_camera_wb=True, no_auto_bright=True, gamma=(1, 1), adjust_maximum_thr=0, output_bps=16
        )
    developed = developed.astype(np.float64) / 65535
    linear = srgb_to_linear(photo.astype(np.float32) / 255).astype(np.float64)
    clear = (developed.max(-1) < 0.78) & (developed.min(-1) > 0.005)
    assert clear.mean() > 0.8
    exposure = (developed[clear] * linear[clear]).sum() / (linear[clear] ** 2).sum()
    assert 0.35 * 0.8 < exposure < 1.5  # the sensor saturates at about four fifths of the white level
    difference = np.abs(developed[clear] / exposure - linear[clear])
    assert difference.mean() < 0.002
    assert difference.max() < 0.02


def test_light_differs_from_file_to_file(photo: Any, small_frame: RawFrame) -> None:
    gains = [unprocess(photo, small_frame, SILENT, SATURATION, rng(seed)).gains for seed in range(20)]
    assert len(set(gains)) == 20
    reds, blues = (np.array([gain[index] for gain in gains if gain]) for index in (0, 2))
    assert np.corrcoef(reds, blues)[0, 1] < -0.5  # warm light: less red gain, more blue gain
    assert np.ptp(reds) > 0.3


def test_the_same_generator_gives_the_same_file(photo: Any, small_frame: RawFrame) -> None:
    one, other = (unprocess(photo, small_frame, Noise(1e-4, 1e-6), SATURATION, rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.mosaic, other.mosaic)
    assert one.gains == other.gains


def test_the_file_is_of_the_samples_camera(photo: Any, small_frame: RawFrame, tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", unprocess(photo[:-1, :-1], small_frame, SILENT, SATURATION, rng()))
    frame = read_raw(tmp_path / "a.dng")
    assert frame.mosaic.shape == (158, 198)  # even sides
    assert frame.camera == "Canon EOS 30D"
    assert (frame.cfa, frame.black, frame.white) == ("RGGB", small_frame.black, 4095)


def test_bright_places_saturate_where_the_sensor_does(small_frame: RawFrame) -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    tops = [unprocess(white, small_frame, Noise(1e-4, 1e-6), SATURATION, rng(seed)).mosaic for seed in range(8)]
    assert max(int(mosaic.max()) for mosaic in tops) == SATURATION
    assert any((mosaic == SATURATION).mean() > 0.1 for mosaic in tops)


def test_black_stays_near_black(small_frame: RawFrame) -> None:
    dark = unprocess(np.zeros((64, 64, 3), np.uint8), small_frame, Noise(1e-4, 1e-6), SATURATION, rng()).mosaic
    for index, black in enumerate(small_frame.black):
        assert dark[index // 2 :: 2, index % 2 :: 2].mean() == pytest.approx(black, abs=1)


@pytest.mark.parametrize("seed", range(3))
def test_noise_put_in_is_photon_and_read_noise_times_one_gain(seed: int, small_frame: RawFrame) -> None:
    ramp = np.tile(np.linspace(20, 200, 512).astype(np.uint8), (256, 1))[..., None].repeat(3, -1)
    black = np.tile(np.reshape(small_frame.black, (2, 2)), (128, 256))

    def light(noise: Noise) -> Any:
        made = unprocess(ramp, small_frame, noise, 4095, rng(seed)).mosaic
        return (made - black) / (4095 - black)

    clean = light(SILENT)
    inside = (clean > 0.02) & (clean < 0.8)
    photon = (light(Noise(2e-4, 0)) - clean)[inside] ** 2
    read = (light(Noise(0, 1e-4)) - clean)[inside] ** 2
    photon_gain = photon.sum() / (2e-4 * clean[inside]).sum()
    assert read.mean() / 1e-4 == pytest.approx(photon_gain, rel=0.05)
    assert 0.8 * 0.97 < photon_gain < 6.0 * 1.03
    bright = clean[inside] > np.median(clean[inside])
    assert photon[bright].mean() / photon[~bright].mean() == pytest.approx(
        clean[inside][bright].mean() / clean[inside][~bright].mean(), rel=0.05
    )


def noisy_frame(shot: float, read: float) -> RawFrame:
    y, x = np.mgrid[0:1024, 0:1536]
    light = 0.05 + 0.75 * (x / 1536) * (0.6 + 0.4 * y / 1024)
    light = light + rng().standard_normal(light.shape) * np.sqrt(shot * light + read)
    mosaic = np.clip(np.rint(128 + light * (4095 - 128)), 0, 4095).astype(np.uint16)
    return RawFrame("RGGB", (128.0,) * 4, 4095, None, mosaic=mosaic)


@pytest.mark.parametrize(("shot", "read"), [(1e-4, 2e-6), (4e-4, 1e-5), (5e-5, 5e-6)])
def test_noise_measured_is_near_the_noise_put_in(shot: float, read: float) -> None:
    """Where all is flat the lowest twentieth lies below the truth, by a sixth of the deviation at most."""
    measured = measured_noise(noisy_frame(shot, read))
    light = np.linspace(0.1, 0.8, 8)
    ratio = np.sqrt((measured.shot * light + measured.read) / (shot * light + read))
    assert ratio.min() > 1 - 1 / 6
    assert ratio.max() < 1.05


def test_twice_the_noise_measures_twice() -> None:
    one, four = measured_noise(noisy_frame(1e-4, 1e-6)), measured_noise(noisy_frame(4e-4, 4e-6))
    assert four.shot / one.shot == pytest.approx(4, rel=0.1)


def test_what_the_sample_lacks_is_a_sentence(photo: Any, small_frame: RawFrame) -> None:
    for lacking in (replace(small_frame, gains=None), replace(small_frame, color_matrix=None)):
        with pytest.raises(RequestError, match="no colour matrix or no as-shot white balance"):
            unprocess(photo, lacking, SILENT, SATURATION, rng())
    with pytest.raises(RequestError, match="too small or too dark"):
        measured_noise(replace(small_frame, mosaic=np.full((64, 64), 128, np.uint16)))


@pytest.fixture(scope="module")
def like(sample_frame: RawFrame) -> RawFrame:
    """The smallest part of the sample that noise can be measured on."""
    return replace(sample_frame, mosaic=np.ascontiguousarray(sample_frame.mosaic[600:1368, 1000:1768]))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs that are nothing but one colour each, and a text."""
    folder = tmp_path_factory.mktemp("photos")
    Image.new("RGB", (120, 90), (180, 90, 60)).save(folder / "b_red.png")
    Image.new("RGB", (100, 140), (60, 110, 170)).save(folder / "a_blue.JPG", "JPEG", quality=95)
    (folder / "notes.txt").write_text("left alone")
    return folder


def bomb(path: Path) -> None:
    """A PNG that claims 40000x40000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_dngs_open_as_files_of_the_camera(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    told: list[Path] = []
    written = make_dngs(picture_files([photos]), like, tmp_path, per_photo=3, on_written=told.append)
    assert [path.name for path in written] == [f"{stem}-{n}.dng" for stem in ("a_blue", "b_red") for n in range(3)]
    assert told == written == sorted(tmp_path.iterdir())
    shapes = set()
    for path in written:
        frame = read_raw(path)
        assert frame.camera == "Canon EOS 30D"
        assert (frame.cfa, frame.black, frame.white) == (like.cfa, like.black, like.white)
        np.testing.assert_allclose(np.array(frame.color_matrix), np.array(like.color_matrix), atol=1e-5)
        ratio = frame.mosaic.shape[0] / frame.mosaic.shape[1]
        assert ratio == pytest.approx(140 / 100 if "blue" in path.name else 90 / 120, rel=0.03)
        assert 0.58 <= frame.mosaic.shape[1] / (100 if "blue" in path.name else 120) <= 1.42
        shapes.add(frame.mosaic.shape)
    assert len(shapes) > 3, "sizes vary"


def test_libraw_develops_the_photographs_colour(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    """LibRaw, which knows nothing of how it was made, gives the photograph's hue back (exposure varies)."""
    for path in make_dngs(picture_files([photos]), like, tmp_path, per_photo=2):
        shown = render_libraw(path) / 255.0
        linear = np.where(shown < 0.081, shown / 4.5, ((shown + 0.099) / 1.099) ** (1 / 0.45)).mean((0, 1))  # BT.709
        colour = np.array((60, 110, 170) if "blue" in path.name else (180, 90, 60)) / 255
        expected = ((colour + 0.055) / 1.055) ** 2.4  # sRGB
        np.testing.assert_allclose(linear / linear.sum(), expected / expected.sum(), atol=0.02)


def test_the_preview_is_the_photograph(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    (path,) = make_dngs([photos / "b_red.png"], like, tmp_path)
    with rawpy.imread(str(path)) as raw:
        assert (raw.extract_thumb().data == (180, 90, 60)).all()


def test_equal_seeds_give_equal_bytes(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    runs = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        written = make_dngs(picture_files([photos]), like, tmp_path / name, seed=seed)
        runs.append([path.read_bytes() for path in written])
    assert runs[0] == runs[1]
    assert all(a != c for a, c in zip(runs[0], runs[2], strict=True))


def test_nothing_exceeds_the_saturation(like: RawFrame, tmp_path: Path) -> None:
    Image.new("RGB", (80, 80), (255, 255, 255)).save(tmp_path / "white.png")
    for number, (saturation, limit) in enumerate(((3398, 3398), (None, 4095))):
        folder = tmp_path / str(number)
        folder.mkdir()
        paths = make_dngs([tmp_path / "white.png"], like, folder, per_photo=40, saturation=saturation)
        assert max(read_raw(path).mosaic.max() for path in paths) == limit


@pytest.mark.parametrize("saturation", [0, 128, 4096, -1])
def test_a_saturation_beyond_the_levels_is_refused(
    saturation: int, photos: Path, like: RawFrame, tmp_path: Path
) -> None:
    words = rf"`saturation` must lie above the black level 128 .* white level 4095, got {saturation}"
    with pytest.raises(RequestError, match=words):
        make_dngs(picture_files([photos]), like, tmp_path, saturation=saturation)
    assert not list(tmp_path.iterdir())


def test_two_photographs_of_one_name_are_refused(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    twin = tmp_path / "b_red.jpg"
    twin.write_bytes((photos / "a_blue.JPG").read_bytes())
    with pytest.raises(RequestError, match="Two photographs are named b_red"):
        make_dngs([*picture_files([photos]), twin], like, tmp_path)


def test_bad_photographs_are_left_out_by_name(photos: Path, like: RawFrame, tmp_path: Path) -> None:
    bad = {name: tmp_path / f"{name}.png" for name in ("text", "cut", "tiny", "bomb", "empty")}
    bad["text"].write_text("no picture")
    bad["empty"].write_bytes(b"")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8)).save(bad["cut"])
    bad["cut"].write_bytes(bad["cut"].read_bytes()[:9000])
    Image.new("RGB", (63, 400)).save(bad["tiny"])
    bomb(bad["bomb"])
    refused: list[ImageFileError] = []
    folder = tmp_path / "out"
    folder.mkdir()
    written = make_dngs([*bad.values(), photos / "b_red.png"], like, folder, per_photo=2, on_refused=refused.append)
    assert [path.name for path in written] == ["b_red-0.dng", "b_red-1.dng"]
    assert sorted(folder.iterdir()) == written
    messages = [str(error) for error in refused]
    assert [message.split(" is ")[0] for message in messages] == [str(path) for path in bad.values()], "once each"
    assert "63x400: too small, expected 64 pixels a side" in messages[2]
