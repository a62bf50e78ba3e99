"""Noise measured on frames whose noise is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.training.noise import measured_noise


def noisy_frame(shot: float, read: float) -> RawFrame:
    y, x = np.mgrid[0:1024, 0:1536]
    light = 0.05 + 0.75 * (x / 1536) * (0.6 + 0.4 * y / 1024)
    light = light + np.random.default_rng(0).standard_normal(light.shape) * np.sqrt(shot * light + read)
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


def test_what_is_too_small_is_a_sentence(small_frame: RawFrame) -> None:
    with pytest.raises(RequestError, match="too small or too dark"):
        measured_noise(replace(small_frame, mosaic=np.full((64, 64), 128, np.uint16)))
