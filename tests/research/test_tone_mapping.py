"""Every operator takes light however bright, and gives a picture that a screen shows."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from invisp_deploy.errors import MissingExtraError
from invisp_deploy.research.tone_mapping import TONE_MAPPERS

WHITE = 16.0


@pytest.fixture(scope="module")
def light() -> np.ndarray:
    """A grey ramp of twelve stops to 16 times white, black and colours beyond sRGB included; a red field in it."""
    ramp = np.geomspace(WHITE / 4096, WHITE, 96, dtype=np.float32)
    planes = np.tile(ramp, (3, 64, 1))
    planes[:, 40:] = np.float32([0.8, 0.1, 0.05])[:, None, None]
    planes[:, 0, 0] = 0
    planes[:, 0, 1] = (-0.01, 0.02, 0.02)
    return planes


@pytest.mark.parametrize("name", TONE_MAPPERS)
def test_tones_fit_a_screen_in_their_order(name: str, light: np.ndarray) -> None:
    before = light.copy()
    made = TONE_MAPPERS[name](light)
    assert (light == before).all()
    assert (made.shape, made.dtype) == (light.shape, np.float32)
    assert (made >= 0).all(), "no NaN"
    assert (made <= 1).all()
    grey = made[:, 20]
    assert np.ptp(grey, axis=0).max() < 0.02, "grey stays grey"
    assert (np.diff(grey[1]) >= -1e-3).all(), "brighter is nowhere darker"
    assert grey[1, -1] - grey[1, 72] > 0.05, "what lies above white is told apart: white is at 64"
    assert (made[0, 45:60] > 1.3 * made[1:, 45:60]).all(), "red is red"


@pytest.mark.parametrize("name", TONE_MAPPERS)
def test_black_is_no_nan(name: str) -> None:
    """OpenCV makes it of some pictures with black in them, as rounding goes: of half of these."""
    rng = np.random.default_rng(0)
    for black in range(20):
        light = np.exp(rng.normal(-3, 2, (3, 40, 40))).astype(np.float32)
        light[:, :, : black + 1] = rng.normal(0, 0.003, (3, 40, black + 1))
        light[:, 0] = 0
        assert (TONE_MAPPERS[name](light) >= 0).all()


def test_without_opencv_a_sentence_says_what_to_install(light: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(MissingExtraError, match=r"cv2.*\[research\]"):
        TONE_MAPPERS["drago"](light)
    assert TONE_MAPPERS["local-laplacian"](light).shape == light.shape
