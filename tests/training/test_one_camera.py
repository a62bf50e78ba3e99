"""Made frames of one camera: LibRaw develops them back to the photograph, with the noise that was put in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rawpy

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.errors import RequestError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.isp.colour import srgb_to_linear
from invisp_deploy.training.one_camera import OneCamera
from invisp_deploy.training.sensor import Noise

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
    write_dng(tmp_path / "a.dng", OneCamera(like, SILENT, SATURATION).frame(photo, rng(CFA_PATTERNS.index(cfa))))
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
    gains = [OneCamera(small_frame, SILENT, SATURATION).frame(photo, rng(seed)).gains for seed in range(20)]
    assert len(set(gains)) == 20
    reds, blues = (np.array([gain[index] for gain in gains if gain]) for index in (0, 2))
    assert np.corrcoef(reds, blues)[0, 1] < -0.5  # warm light: less red gain, more blue gain
    assert np.ptp(reds) > 0.3


def test_the_same_generator_gives_the_same_file(photo: Any, small_frame: RawFrame) -> None:
    one, other = (OneCamera(small_frame, Noise(1e-4, 1e-6), SATURATION).frame(photo, rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one.mosaic, other.mosaic)
    assert one.gains == other.gains


def test_the_file_is_of_the_samples_camera(photo: Any, small_frame: RawFrame, tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", OneCamera(small_frame, SILENT, SATURATION).frame(photo[:-1, :-1], rng()))
    frame = read_raw(tmp_path / "a.dng")
    assert frame.mosaic.shape == (158, 198)  # even sides
    assert frame.camera == "Canon EOS 30D"
    assert (frame.cfa, frame.black, frame.white) == ("RGGB", small_frame.black, 4095)


def test_bright_places_saturate_where_the_sensor_does(small_frame: RawFrame) -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    tops = [OneCamera(small_frame, Noise(1e-4, 1e-6), SATURATION).frame(white, rng(seed)).mosaic for seed in range(8)]
    assert max(int(mosaic.max()) for mosaic in tops) == SATURATION
    assert any((mosaic == SATURATION).mean() > 0.1 for mosaic in tops)


def test_black_stays_near_black(small_frame: RawFrame) -> None:
    dark = OneCamera(small_frame, Noise(1e-4, 1e-6), SATURATION).frame(np.zeros((64, 64, 3), np.uint8), rng()).mosaic
    for index, black in enumerate(small_frame.black):
        assert dark[index // 2 :: 2, index % 2 :: 2].mean() == pytest.approx(black, abs=1)


@pytest.mark.parametrize("seed", range(3))
def test_noise_put_in_is_photon_and_read_noise_times_one_gain(seed: int, small_frame: RawFrame) -> None:
    ramp = np.tile(np.linspace(20, 200, 512).astype(np.uint8), (256, 1))[..., None].repeat(3, -1)
    black = np.tile(np.reshape(small_frame.black, (2, 2)), (128, 256))

    def light(noise: Noise) -> Any:
        made = OneCamera(small_frame, noise, 4095).frame(ramp, rng(seed)).mosaic
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


@pytest.mark.parametrize("lacking", ["gains", "color_matrix"])
def test_what_the_sample_lacks_is_a_sentence(lacking: str, small_frame: RawFrame) -> None:
    without: Any = {lacking: None}
    with pytest.raises(RequestError, match="no colour matrix or no as-shot white balance"):
        OneCamera(replace(small_frame, **without), SILENT, SATURATION)


@pytest.mark.parametrize("saturation", [0, 128, 4096, -1])
def test_a_saturation_beyond_the_levels_is_refused(saturation: int, small_frame: RawFrame) -> None:
    words = rf"`saturation` must lie above the black level 128 .* white level 4095, got {saturation}"
    with pytest.raises(RequestError, match=words):
        OneCamera(small_frame, SILENT, saturation)
