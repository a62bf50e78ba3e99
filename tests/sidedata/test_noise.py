"""Noise of frames whose noise is known, and what a DNG states of it."""

from __future__ import annotations

import struct
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.ifd import Entry
from invisp_deploy.formats.negative import Negative
from invisp_deploy.sidedata.noise import SensorNoise, frame_noise
from invisp_deploy.tolerances import TOLERANCES

SETTINGS = [
    *((0.05, 2.0, 4095), (0.2, 3.0, 4095), (0.8, 10.0, 4095)),
    *((0.05, 0.5, 1023), (3.2, 90.0, 16383), (12.8, 1500.0, 16383)),
]
"""Gain, variance in the dark and white, as of sensitivities from base to sixteen times it."""


@lru_cache(maxsize=1)
def photograph(gain: float, read: float, white: int, textured: float = 0.0) -> RawFrame:
    """Dark and bright smooth areas, in part of them texture of a fifth of the light, and a part that clips."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:1200, :1600]
    light = white * (0.02 + 0.9 * (0.5 + 0.5 * np.sin(rows / 170) * np.cos(columns / 230)) ** 2)
    texture = rng.uniform(-0.2, 0.2, light.shape) * (columns % 400 < 400 * textured)
    light = light * (1 + texture)
    black = white / 16
    dn = np.rint(black + light + rng.normal(size=light.shape) * np.sqrt(gain * light + read))
    return RawFrame("RGGB", (black,) * 4, white, mosaic=dn.clip(0, white).astype(np.uint16))


def with_profile(frame: RawFrame, *numbers: float) -> RawFrame:
    entry = Entry(12, struct.pack(f"<{len(numbers)}d", *numbers))
    return replace(frame, negative=Negative.of({51041: entry}, *frame.mosaic.shape))


@pytest.mark.parametrize("textured", [0.0, 0.5])
@pytest.mark.parametrize(("gain", "read", "white"), SETTINGS)
def test_noise_is_measured_at_every_sensitivity(gain: float, read: float, white: int, textured: float) -> None:
    found = frame_noise(photograph(gain, read, white, textured))
    assert not found.stated
    limit = TOLERANCES["noise-gain"].limit
    assert found.gain == pytest.approx(gain, rel=limit)
    dark = 0.02 * white  # the darkest light that the photograph has
    assert found.gain * dark + found.read == pytest.approx(gain * dark + read, rel=2 * limit)


def test_four_sites_with_four_blacks_have_one_noise() -> None:
    frame = photograph(0.8, 10, 4095)
    added = np.array([[0, 40], [80, 20]])
    mosaic = frame.mosaic + np.tile(added, (600, 800)).astype(np.uint16)
    black = tuple((frame.black[0] + added.ravel()).tolist())
    found = frame_noise(replace(frame, black=black, mosaic=mosaic, white=4200))
    assert found.gain == pytest.approx(0.8, rel=TOLERANCES["noise-gain"].limit)


def test_what_a_mask_hides_is_no_noise() -> None:
    frame = photograph(0.8, 10, 4095)
    mosaic = frame.mosaic.copy()
    mosaic[:, :500] = 300
    assert frame_noise(replace(frame, mosaic=mosaic)).gain == pytest.approx(0.8, rel=TOLERANCES["noise-gain"].limit)


def test_what_the_file_states_is_taken() -> None:
    """DNG 1.4: variance = S x + O for x from 0 at black to 1 at white."""
    frame = photograph(0.8, 10, 4095)
    scale = 4095 - frame.black[0]
    found = frame_noise(with_profile(frame, 3e-4, 2e-6))
    assert found == SensorNoise(3e-4 * scale, 2e-6 * scale**2, stated=True)
    by_colour = frame_noise(with_profile(frame, 4e-4, 2e-6, 3e-4, 5e-6, 6e-4, 7e-6))
    assert by_colour == found, "the bound is to hold for the colour with the least noise"


@pytest.mark.parametrize("numbers", [(0.0, 0.0), (-1e-4, 1e-6), (1e-4, -1e-6)])
def test_a_profile_that_no_sensor_has_is_not_taken(numbers: tuple[float, float]) -> None:
    frame = photograph(0.8, 10, 4095)
    assert frame_noise(with_profile(frame, *numbers)) == frame_noise(frame)


def test_the_bound_is_so_many_deviations() -> None:
    noise = SensorNoise(0.5, 4.0, stated=False)
    bound = noise.bound(128, 3)
    assert bound.dtype == np.uint16
    assert bound[[0, 128, 129, 128 + 120, 65535]].tolist() == [6, 6, 6, 24, 542]
    assert (np.diff(bound.astype(int)) >= 0).all()


def test_no_bound_is_wider_than_dn_are() -> None:
    assert SensorNoise(0.5, 4.0, stated=False).bound(0, 1e9).max() == 65535


@pytest.mark.parametrize("times", [0.0, -1.0, float("nan")])
def test_a_bound_of_no_noise_is_refused(times: float) -> None:
    with pytest.raises(RequestError, match="`max_noise` is a number above 0, got"):
        SensorNoise(0.5, 4.0, stated=False).bound(0, times)


@pytest.mark.parametrize("level", [0, 300, 4095])
def test_a_frame_that_shows_none_is_a_sentence(level: int) -> None:
    frame = photograph(0.8, 10, 4095)
    with pytest.raises(RequestError, match="noise of the file cannot be measured.*pass `max_error`"):
        frame_noise(replace(frame, mosaic=np.full_like(frame.mosaic, level)))


@pytest.mark.parametrize("shape", [(2, 2), (3, 700), (90, 120)])
def test_a_frame_that_is_too_small_is_a_sentence(shape: tuple[int, int]) -> None:
    frame = photograph(0.8, 10, 4095)
    small = np.ascontiguousarray(frame.mosaic[: shape[0], : shape[1]])
    with pytest.raises(RequestError, match="expected 200; pass `max_error`"):
        frame_noise(replace(frame, mosaic=small))


@pytest.mark.parametrize("grows", [True, False])
def test_noise_of_another_law_still_bounds(grows: bool) -> None:
    """Growing with the light itself, a line through it falls below 0 in the dark; shrinking, it falls in the light."""
    rng = np.random.default_rng(1)
    light = np.linspace(100, 3000, 1600) * np.ones((1200, 1))
    deviation = light / 20 if grows else 200 - light / 20
    mosaic = np.rint(400 + light + rng.normal(size=light.shape) * deviation).clip(0, 4095).astype(np.uint16)
    found = frame_noise(RawFrame("RGGB", (400.0,) * 4, 4095, mosaic=mosaic))
    assert found.gain >= 0 < found.read
    for at in (300, 1500):
        true = deviation[0, np.searchsorted(light[0], at)] ** 2
        assert found.gain * at + found.read < 1.5 * true, "a line through a curve is kept below it"
