from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.pixels import clipped_pixels
from invisp_deploy.isp.develop import undevelop
from invisp_deploy.isp.recipe import Recipe, recipe_for
from invisp_deploy.sidedata.linear import WHITE, Highlights, light_of_codes
from invisp_deploy.sidedata.predictor import TAPS, Predictor, closed_form_filters, fitted_filters
from tests.sidedata.frames import FACTS

PHASES = ("RGGB", "GRBG", "GBRG", "BGGR")
POINT = 24


def picture(height: int = 96, width: int = 130, seed: int = 1, most: int = 240) -> np.ndarray:
    """Smooth, as photographs are, with some noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([np.sin(y / (9 + k)) * np.cos(x / (11 - k)) for k in range(3)], axis=2)
    return np.clip(most / 2 + smooth * most / 2 + rng.normal(0, 6, smooth.shape), 0, most).astype(np.uint8)


NOTHING = np.zeros((4, TAPS), np.int32)
ENDS = (4095,) * 4


def recipe(cfa: str) -> Recipe:
    contract = CameraContract(color="srgb", curve="bt709", cfa="any")
    return recipe_for(replace(FACTS, cfa=cfa), np.zeros((2, 2), np.uint16), contract)


def predicted_in_integers(predictor: Predictor, pixels: np.ndarray, y: int, x: int, filters: np.ndarray) -> int:
    """One DN in Python's own integers, from the description in the module."""
    height, width = pixels.shape[:2]
    table = [int(value) for value in light_of_codes(255)]
    site = y % 2 * 2 + x % 2
    total, tap = 0, 0
    coefficients = [int(value) for value in filters[site]]
    for colour in range(3):
        for down in range(-2, 3):
            for right in range(-2, 3):
                # at the edge the outermost 2x2 square again, not the outermost pixel
                row, column = y + down, x + right
                row = row % 2 if row < 0 else row if row < height else height - 2 + row % 2
                column = column % 2 if column < 0 else column if column < width else width - 2 + column % 2
                total += coefficients[tap] * table[pixels[row, column, colour]]
                tap += 1
    total += coefficients[tap] * WHITE
    return min(max((total + (1 << (POINT - 1))) >> POINT, 0), predictor.white)


def test_prediction_is_the_same_in_plain_integers() -> None:
    rng = np.random.default_rng(7)
    filters = rng.integers(-(1 << 18), 1 << 18, (4, TAPS)).astype(np.int32)
    predictor = Predictor(3000, (3000,) * 4, filters, None, "0" * 16)
    pixels = picture(20, 5000 * 2 + 6)  # wider than what is filtered at once
    made = predictor.predict(pixels, None)
    assert made.dtype == np.uint16
    assert 0 < (made == 3000).mean() < 0.9, "both ends are reached, and not by all"
    for y in (0, 1, 2, 9, 18, 19):
        for x in (0, 1, 2, 777, 4999, 5401, 10004, 10005):
            assert made[y, x] == predicted_in_integers(predictor, pixels, y, x, filters), (y, x)


@pytest.mark.parametrize("cfa", PHASES)
def test_a_mosaic_that_is_a_filter_of_the_picture_is_found(cfa: str) -> None:
    """A sharpened picture sampled by the pattern: what a fit must find, without knowing how it was made."""
    pixels = picture()
    linear = light_of_codes(255)[pixels] / WHITE
    linear = np.pad(linear, ((1, 1), (1, 1), (0, 0)), mode="edge")
    blurred = (linear[:-2, 1:-1] + linear[2:, 1:-1] + linear[1:-1, :-2] + linear[1:-1, 2:]) / 4
    linear = linear[1:-1, 1:-1]
    sharp = 1.5 * linear - 0.5 * blurred + 0.1 * linear[..., [1, 2, 0]]
    height, width = pixels.shape[:2]
    mosaic = np.empty((height, width))
    for site, letter in enumerate(cfa):
        mosaic[site // 2 :: 2, site % 2 :: 2] = sharp[site // 2 :: 2, site % 2 :: 2, "RGB".index(letter)]
    dn = np.rint(900 + 2000 * mosaic).astype(np.uint16)  # nothing is cut off at 0
    strips = [(pair, dn[2 * pair : 2 * pair + 2]) for pair in range(2, height // 2 - 2)]
    filters = fitted_filters(lambda a, b: pixels[a:b], strips, height, recipe(cfa), ENDS, None, NOTHING, clipped=False)
    made = Predictor(4095, (4095,) * 4, filters, None, "0" * 16).predict(pixels, None)
    inner = (slice(4, -4), slice(4, -4))
    assert np.abs(made[inner].astype(int) - dn[inner]).max() <= 4
    assert np.abs(np.roll(dn, 1, 0)[inner].astype(int) - dn[inner]).max() > 100, "it was no constant"


def test_clipped_pixels_have_a_filter_of_their_own() -> None:
    pixels = picture(most=255)
    clipped = clipped_pixels(pixels)
    assert 0.02 < clipped.mean() < 0.5
    highlights = Highlights(np.full((48, 65, 3), 200, np.uint8), 16, 2)
    flat = np.zeros((4, TAPS), np.int32)
    flat[:, -1] = 1000 * (1 << POINT) // WHITE
    other = flat.copy()
    other[:, -1] *= 2
    both = Predictor(4095, (4095,) * 4, flat, other, "0" * 16)
    np.testing.assert_array_equal(both.predict(pixels, highlights), np.where(clipped, 2000, 1000))
    assert (both.predict(pixels, None) == 1000).all(), "without a map there is nothing to take"
    base = np.full(pixels.shape[:2], 7, np.uint16)
    np.testing.assert_array_equal(
        replace(both, open=None).predict(pixels, highlights, base), np.where(clipped, 2000, 7)
    )


def test_without_pixels_the_filters_stay_where_they_began() -> None:
    pixels = picture(16, 16)
    start = closed_form_filters(recipe("GRBG"))
    made = fitted_filters(lambda a, b: pixels[a:b], [], 16, recipe("GRBG"), ENDS, None, start, clipped=False)
    np.testing.assert_array_equal(made, start)


@pytest.mark.parametrize("cfa", PHASES)
def test_the_start_is_the_closed_forms_way_back(cfa: str) -> None:
    """Against `isp.develop`, which computes it in floats."""
    pixels, numbers = picture(), recipe(cfa)
    y = pixels.astype(np.float32) / 255
    expected = undevelop(np.ascontiguousarray(y.transpose(2, 0, 1)), numbers)
    made = Predictor(4095, (4095,) * 4, closed_form_filters(numbers), None, "0" * 16).predict(pixels, None)
    inside = (expected > 128) & (expected < 4095)  # what the float way back clips, too
    assert inside.mean() > 0.5
    assert np.abs(made.astype(int) - expected)[inside].max() <= 1


def test_a_flat_picture_gives_its_level_back() -> None:
    pixels = np.full((64, 64, 3), 120, np.uint8)
    mosaic = np.full((64, 64), 700, np.uint16)
    filters = fitted_filters(
        lambda a, b: pixels[a:b], [(0, mosaic)], 64, recipe("GBRG"), ENDS, None, NOTHING, clipped=False
    )
    assert (
        np.abs(Predictor(4095, (4095,) * 4, filters, None, "0" * 16).predict(pixels, None).astype(int) - 700).max() <= 1
    )


def test_bytes_and_back_and_what_is_damaged() -> None:
    filters = np.arange(4 * TAPS, dtype=np.int32).reshape(4, TAPS)
    whole = Predictor(16383, (16383,) * 4, filters, -filters, "0123456789abcdef")
    data = whole.to_bytes()
    assert len(data) < 2500
    again = Predictor.from_bytes(data, "x.jpg")
    assert (again.white, again.picture) == (16383, "0123456789abcdef")
    np.testing.assert_array_equal(np.stack([again.open, again.clipped]), np.stack([filters, -filters]))
    only = Predictor.from_bytes(replace(whole, open=None).to_bytes(), "x.jpg")
    assert only.open is None
    np.testing.assert_array_equal(only.clipped, -filters)
    for bad in (
        b"",
        data[:-1],
        data + b"\0",
        b"\7" + data[1:],
        data[:1] + b"\0" + data[2:],
    ):
        with pytest.raises(ImageFileError, match=r"x\.jpg carries is damaged"):
            Predictor.from_bytes(bad, "x.jpg")


def test_coefficients_that_would_not_be_exact_are_refused() -> None:
    huge = np.full((4, TAPS), 2**31 - 1, np.int32)
    bright = Highlights(np.zeros((48, 65, 3), np.uint8), 64, 2)
    with pytest.raises(ImageFileError, match="too large"):
        Predictor(4095, (4095,) * 4, huge, None, "0" * 16).predict(picture(), bright)


def test_errors_may_count_by_the_noise_of_their_light() -> None:
    """Where no filter is right everywhere, dark pixels are nearer by that one, and bright ones by the other."""
    pixels, numbers = picture(), recipe("RGGB")
    light = (pixels / 255.0)[..., 1]
    dn = np.rint(128 + 3000 * light**3).astype(np.uint16)
    strips = [(pair, dn[2 * pair : 2 * pair + 2]) for pair in range(len(dn) // 2)]
    off = {}
    for relative in (False, True):
        filters = fitted_filters(
            lambda a, b: pixels[a:b], strips, 96, numbers, ENDS, None, NOTHING, clipped=False, relative=relative
        )
        made = Predictor(4095, (4095,) * 4, filters, None, "0" * 16).predict(pixels, None)
        square = np.square(made.astype(float) - dn)
        off[relative] = square[light < 0.2].mean(), square[light > 0.6].mean()
    assert off[True][0] < 0.9 * off[False][0]
    assert off[False][1] < off[True][1]
