"""Chromaticities against those that CIE 15 and CIE S 014 tabulate; white balance against the sample's own."""

from __future__ import annotations

import numpy as np
import pytest

from invisp_deploy.formats.dng import SRGB_MATRIX
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.training.camera_table import table_cameras
from invisp_deploy.training.illuminants import chromaticity, drawn_gains, white_gains


@pytest.mark.parametrize(
    ("kelvin", "x", "y"),
    [
        (2856, 0.44757, 0.40745),  # A
        (5003, 0.34567, 0.35850),  # D50
        (5503, 0.33242, 0.34743),  # D55
        (6504, 0.31272, 0.32903),  # D65
        (7504, 0.29902, 0.31485),  # D75
    ],
)
def test_standard_illuminants(kelvin: float, x: float, y: float) -> None:
    assert chromaticity(kelvin) == pytest.approx((x, y), abs=4e-4)


@pytest.mark.parametrize("kelvin", [2500, 3900, 4100, 6500, 9000])
def test_a_tint_is_a_distance_in_uv_and_positive_towards_green(kelvin: float) -> None:
    def uv(x: float, y: float) -> tuple[float, float]:
        return 4 * x / (-2 * x + 12 * y + 3), 6 * y / (-2 * x + 12 * y + 3)

    middle, green, magenta = (uv(*chromaticity(kelvin, duv)) for duv in (0, 0.01, -0.01))
    for moved in (green, magenta):
        assert np.hypot(moved[0] - middle[0], moved[1] - middle[1]) == pytest.approx(0.01, rel=1e-6)
    assert magenta[1] < middle[1] < green[1]


def test_white_of_d65_needs_no_gain_in_srgb() -> None:
    assert white_gains(SRGB_MATRIX, 6504) == pytest.approx((1, 1, 1), abs=0.005)


def test_the_samples_own_white_balance_lies_on_the_line(sample_frame: RawFrame) -> None:
    """Canon's as-shot gains of the sample, which none of this was fitted to: within 5 % of some light's."""
    assert sample_frame.gains is not None
    assert sample_frame.color_matrix is not None
    own = np.array(sample_frame.gains) / sample_frame.gains[1]
    lights = [white_gains(sample_frame.color_matrix, kelvin) for kelvin in range(2500, 9001, 50)]
    assert min(np.abs(np.log(np.array(light) / own)).max() for light in lights) < 0.05


def test_every_camera_of_the_table_sees_every_light() -> None:
    for camera in table_cameras():
        for kelvin in (2500, 4000, 9000):
            gains = [white_gains(camera.matrix, kelvin, duv) for duv in (-0.015, 0.015)]
            assert 0.2 < np.min(gains) <= np.max(gains) < 40, camera.name


def test_drawn_light_is_warm_and_cold(sample_frame: RawFrame) -> None:
    assert sample_frame.color_matrix is not None
    rng = np.random.default_rng(0)
    drawn = np.array([drawn_gains(sample_frame.color_matrix, rng) for _ in range(400)])
    warm, cold = (white_gains(sample_frame.color_matrix, kelvin) for kelvin in (2500, 9000))
    assert (drawn[:, 1] == 1).all()
    for channel in (0, 2):
        low, high = sorted((warm[channel], cold[channel]))
        assert low * 0.7 < drawn[:, channel].min() < low * 1.1
        assert high * 0.9 < drawn[:, channel].max() < high * 2, "a tint takes much of what blue there is in warm light"
