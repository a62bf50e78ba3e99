"""Photographs pass; noise, black and constant frames do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.calibration.content import LEAST_CORRELATION, check_content, neighbour_correlation
from invisp_deploy.errors import CalibrationError
from invisp_deploy.formats.frame import RawFrame
from tests.graphs import CANON_30D

PATH = Path("a.dng")


def check(frame: RawFrame, mosaic: np.ndarray) -> None:
    changed = replace(frame, mosaic=mosaic.astype(np.uint16))
    check_content(changed.mosaic, changed.recipe(CANON_30D), PATH)


def test_a_photograph_passes(sample_frame: RawFrame) -> None:
    check(sample_frame, sample_frame.mosaic)
    assert neighbour_correlation(sample_frame.mosaic) > 0.9


def test_blue_sky_passes(small_frame: RawFrame) -> None:
    """Nearly nothing but the sensor's noise in it."""
    check(small_frame, small_frame.mosaic)


def test_a_photograph_with_strong_noise_passes(sample_frame: RawFrame) -> None:
    noise = np.random.default_rng(0).normal(0, sample_frame.mosaic.std(), sample_frame.mosaic.shape)
    check(sample_frame, np.clip(sample_frame.mosaic + noise, 0, 4095))


def test_the_correlation_is_numpys(sample_frame: RawFrame) -> None:
    """Every plane the same, so that the weighted mean is the plane's own."""
    plane = sample_frame.mosaic[1800:2300:2, 1000:1500:2]
    mosaic = np.repeat(np.repeat(plane, 2, 0), 2, 1)
    across = np.corrcoef(plane[:, 1:].ravel(), plane[:, :-1].ravel())[0, 1]
    down = np.corrcoef(plane[1:].ravel(), plane[:-1].ravel())[0, 1]
    assert neighbour_correlation(mosaic) == pytest.approx((across + down) / 2, abs=0.01)


def test_the_same_pixels_in_random_order_are_noise(small_frame: RawFrame) -> None:
    shuffled = np.random.default_rng(0).permutation(small_frame.mosaic.ravel()).reshape(small_frame.mosaic.shape)
    assert abs(neighbour_correlation(shuffled)) < 0.05 < LEAST_CORRELATION
    with pytest.raises(CalibrationError, match=r"a\.dng looks like noise"):
        check(small_frame, shuffled)


@pytest.mark.parametrize("level", [1000, 3398])
def test_one_value_is_refused(level: int, small_frame: RawFrame) -> None:
    with pytest.raises(CalibrationError, match=r"a\.dng holds one value throughout"):
        check(small_frame, np.full_like(small_frame.mosaic, level))


def test_a_lens_cap_is_refused(small_frame: RawFrame) -> None:
    dark = np.random.default_rng(0).normal(small_frame.black[0], 3, small_frame.mosaic.shape)
    with pytest.raises(CalibrationError, match=r"a\.dng is black"):
        check(small_frame, np.clip(dark, 0, None))
