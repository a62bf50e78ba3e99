from __future__ import annotations

import numpy as np
import pytest

from invisp_deploy.sidedata.linear import (
    OFFSET,
    STEPS,
    WHITE,
    Highlights,
    by_site,
    gains_of_codes,
    light,
    light_of_codes,
)

ROUNDING = 5e-7
"""What a machine's power function may be off by, with four digits to spare: a float64 has 1e-11 here."""


def from_half(values: np.ndarray) -> float:
    """How far the nearest number lies from a half, where rounding would hang on the last digit."""
    return float(np.abs(values % 1 - 0.5).min())


@pytest.mark.parametrize("peak", [255, 65535])
def test_the_curve_is_bt709s_and_rounds_alike_on_every_machine(peak: int) -> None:
    y = np.arange(peak + 1) / peak
    alpha, beta = 1.09929682680944, 0.018053968510807  # ITU-R BT.2020, for 12 bits
    exact = WHITE * np.where(y < 4.5 * beta, y / 4.5, ((y + alpha - 1) / alpha) ** (1 / 0.45))
    assert np.abs(light_of_codes(peak) - exact).max() <= 0.5
    assert from_half(exact) > ROUNDING
    assert light_of_codes(peak)[[0, -1]].tolist() == [0, WHITE]


@pytest.mark.parametrize("sixteenths", range(1, 257))
def test_gains_round_alike_on_every_machine(sixteenths: int) -> None:
    exact = WHITE * 2.0 ** (np.arange(255 * STEPS + 1) / (255 * STEPS) * sixteenths / 16)
    whole = exact == np.rint(exact)
    assert from_half(exact[~whole]) > ROUNDING
    np.testing.assert_array_equal(gains_of_codes(sixteenths), np.rint(exact))


def test_planes_are_colours_by_sites() -> None:
    pixels = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    planes = light(pixels, 0, None)
    assert planes.shape == (12, 1, 2)
    for colour in range(3):
        expected = by_site(light_of_codes(255)[pixels[..., colour]])
        np.testing.assert_array_equal(planes[4 * colour : 4 * colour + 4], expected)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_highlights_are_bilinear_between_the_maps_pixels(scale: int) -> None:
    rng = np.random.default_rng(scale)
    height, width = 4 * scale + 2, 6 * scale - 2
    codes = rng.integers(0, 256, (-(-height // scale), -(-width // scale), 3)).astype(np.uint8)
    found = Highlights(codes, 32, scale).rows(0, height, width) / STEPS
    for y, x in ((0, 0), (1, 3), (height // 2, width // 2), (height - 1, width - 1), (scale, 2 * scale - 1)):
        down = np.clip((y + 0.5) / scale - 0.5, 0, len(codes) - 1)
        right = np.clip((x + 0.5) / scale - 0.5, 0, codes.shape[1] - 1)
        top, left = int(down), int(right)
        bottom, end = min(top + 1, len(codes) - 1), min(left + 1, codes.shape[1] - 1)
        v, u = down - top, right - left
        upper = codes[top, left] * (1 - u) + codes[top, end] * u
        lower = codes[bottom, left] * (1 - u) + codes[bottom, end] * u
        np.testing.assert_allclose(found[y, x], upper * (1 - v) + lower * v, atol=0.5 / STEPS + 1e-9)
    np.testing.assert_array_equal(Highlights(codes, 32, scale).rows(6, height, width), found[6:] * STEPS)


def test_clipped_pixels_take_the_gain_maps_value_by_the_formula() -> None:
    pixels = np.full((4, 4, 3), 100, np.uint8)
    pixels[1, 2] = 255, 251, 80
    highlights = Highlights(np.full((2, 2, 3), (255, 128, 0), np.uint8), 40, 2)
    before, after = light(pixels, 0, None), light(pixels, 0, highlights)
    changed = np.argwhere(before != after)
    assert changed[:, 1:].tolist() == [[0, 1], [0, 1]], "the one pixel that clips, in two colours: the third gains 0"
    for colour, code in enumerate((255, 128)):
        at = (4 * colour + 2, 0, 1)  # the third site: second row, first column
        gained = (before[at] / WHITE + 1 / 64) * 2 ** (2.5 * code / 255) - 1 / 64  # ISO 21496-1
        assert after[at] / WHITE == pytest.approx(gained, abs=3 / WHITE)
    assert OFFSET * 64 == WHITE
