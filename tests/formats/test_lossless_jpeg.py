"""Lossless JPEG: decoders that we did not write give back every value, whatever a mosaic holds."""

from __future__ import annotations

import numpy as np
import pytest

from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.lossless_jpeg import code_for, encode_tile


def decoded(data: bytes) -> np.ndarray:
    """(H, W) by liblj92, as Magic Lantern has it; libjpeg-turbo reads the same bytes or raises."""
    import imagecodecs

    by_turbo = imagecodecs.jpeg8_decode(data)
    pixels: np.ndarray = imagecodecs.ljpeg_decode(data).reshape(by_turbo.shape[0], -1)
    np.testing.assert_array_equal(by_turbo.reshape(pixels.shape), pixels)
    return pixels


def written(mosaic: np.ndarray, bits: int) -> np.ndarray:
    return decoded(encode_tile(mosaic, code_for(mosaic, bits)))


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("shape", [(16, 16), (1, 2), (3, 48), (240, 512)])
def test_noise_comes_back(bits: int, shape: tuple[int, int]) -> None:
    mosaic = np.random.default_rng(0).integers(0, 1 << bits, shape).astype(np.uint16)
    np.testing.assert_array_equal(written(mosaic, bits), mosaic)


@pytest.mark.parametrize("value", [0, 1, 2047, 2048, 4095])
def test_one_value_comes_back(value: int) -> None:
    mosaic = np.full((32, 48), value, np.uint16)
    np.testing.assert_array_equal(written(mosaic, 12), mosaic)


def test_the_largest_steps_come_back() -> None:
    """Differences of 0, 1, 32767, 32768 and 65535, which wrap around; also where every row differs from the others."""
    mosaic = np.tile(np.array([0, 65535, 32768, 1, 32767, 32767, 0, 65535], np.uint16), (40, 8))
    mosaic[1::2] = mosaic[1::2, ::-1]
    np.testing.assert_array_equal(written(mosaic, 16), mosaic)


def test_what_the_code_was_not_made_from_comes_back() -> None:
    """The code is made from one row in eight: here of one value, and all others are noise."""
    mosaic = np.random.default_rng(1).integers(0, 1 << 14, (64, 64)).astype(np.uint16)
    mosaic[::8] = 5000
    np.testing.assert_array_equal(written(mosaic, 14), mosaic)


def test_a_code_of_more_than_16_bits_is_not_made() -> None:
    """Counts that grow like Fibonacci's numbers make the longest codes: 17 bits for 17 of them."""
    counts = [1, 1]
    while len(counts) < 17:
        counts.append(counts[-1] + counts[-2])
    values = [0, *((1 << digits) - 1 for digits in range(1, 16)), 32768]
    met = [count - 1 for count in reversed(counts)]  # one of each is counted beside what is met
    steps = np.repeat(np.array(values, np.uint16), met)
    mosaic = np.cumsum(steps[: len(steps) // 2 * 2].reshape(-1, 2), axis=0, dtype=np.uint16).reshape(1, -1)
    np.testing.assert_array_equal(written(mosaic, 16), mosaic)


def test_a_photograph_takes_half_of_its_bytes(small_frame: RawFrame) -> None:
    tile = np.ascontiguousarray(small_frame.mosaic)
    data = encode_tile(tile, code_for(tile, 12))
    np.testing.assert_array_equal(decoded(data), tile)
    assert len(data) < 0.5 * tile.nbytes


def test_it_is_not_longer_than_libjpegs(small_frame: RawFrame) -> None:
    """libjpeg-turbo makes the code from all differences; ours is made from a part and costs no more than 1 %."""
    import imagecodecs

    tile = np.ascontiguousarray(small_frame.mosaic)
    pairs = tile.reshape(len(tile), -1, 2)
    theirs = imagecodecs.jpeg8_encode(pairs, lossless=True, predictor=1, bitspersample=12)
    assert len(encode_tile(tile, code_for(tile, 12))) < 1.01 * len(theirs)
