"""The residual against the mosaic that it was made from, and its size against the entropy of the noise in it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from invisp_deploy.errors import ImageFileError, MissingExtraError, OutputError, RequestError
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.sidedata.residual import Bound, decode_residual, encode_residual, residual_bound, uniform_bound

GAIN, READ = 0.8, 6.0
"""Variance of the made noise is GAIN * DN + READ."""


def noisy(height: int, width: int, seed: int = 0) -> tuple[Mosaic, Mosaic]:
    """A mosaic of 12 bits with noise, and the one without, in smooth areas of all levels."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    smooth = np.rint(1900 + 1700 * np.sin(rows / 90 + seed) * np.cos(columns / 70))
    true = np.rint(smooth + rng.normal(size=smooth.shape) * np.sqrt(GAIN * smooth + READ))
    return true.clip(0, 4095).astype(np.uint16), smooth.astype(np.uint16)


def noise_bound(times: float = 2) -> Bound:
    bound: Bound = np.floor(times * np.sqrt(GAIN * np.arange(1 << 16) + READ)).astype(np.uint16)
    return bound


BOUNDS = {"none": uniform_bound(0), "1": uniform_bound(1), "8": uniform_bound(8), "noise": noise_bound(),
          "none in shadows": noise_bound() - noise_bound()[900].clip(max=noise_bound())}  # fmt: skip


@pytest.mark.parametrize("bound", BOUNDS.values(), ids=list(BOUNDS))
@pytest.mark.parametrize("shape", [(2, 2), (3, 5), (2, 300), (257, 2), (211, 320)])
def test_a_mosaic_comes_back_within_the_bound(shape: tuple[int, int], bound: Bound) -> None:
    true, predicted = noisy(*shape)
    data = encode_residual(true, predicted, bound)
    back = decode_residual(data, predicted, "it")
    assert back.dtype == np.uint16
    off = np.abs(back.astype(int) - true)
    assert (off <= bound[predicted]).all()
    assert np.array_equal(residual_bound(data, "it"), bound)
    if shape == (211, 320) and bound[2000]:
        assert off.max() == bound[predicted].max(), "no finer than was asked for"


def test_a_mosaic_of_several_bands_comes_back() -> None:
    true, predicted = noisy(2101, 4097)
    assert np.array_equal(decode_residual(encode_residual(true, predicted, uniform_bound(0)), predicted, "it"), true)


@pytest.mark.parametrize("most", [0, 7, 40000])
def test_no_prediction_is_too_far_off(most: int) -> None:
    rng = np.random.default_rng(3)
    true = rng.choice(np.array([0, 1, 32767, 32768, 65535], np.uint16), (64, 66))
    predicted = rng.choice(np.array([0, 65535], np.uint16), true.shape)
    back = decode_residual(encode_residual(true, predicted, uniform_bound(most)), predicted, "it")
    assert np.abs(back.astype(int) - true).max() <= most


def test_what_comes_back_lies_between_the_least_and_the_greatest_dn() -> None:
    """A pixel at the white level that came back above it would be one that clips no more."""
    true, predicted = noisy(100, 120)
    true = true.clip(2000, 3000)
    back = decode_residual(encode_residual(true, predicted, uniform_bound(50)), predicted, "it")
    assert (back.min(), back.max()) == (2000, 3000)


def told_nothing(true: Mosaic, predicted: Mosaic) -> float:
    """Bits a pixel of the differences, all as of one scale."""
    share = np.bincount((true.astype(int) - predicted).ravel() + 4096) / true.size
    return float(-(share[share > 0] * np.log2(share[share > 0])).sum())


def told_the_scale(sigma: np.ndarray) -> float:
    """The same of Gaussian noise whose scale is known at each: log2(sigma * sqrt(2 pi e)), rounded or not."""
    return float(np.log2(sigma * np.sqrt(2 * np.pi * np.e)).mean())


def test_it_is_as_small_as_the_noise_allows() -> None:
    true, predicted = noisy(1500, 2000)
    least = told_the_scale(np.sqrt(GAIN * predicted.astype(float) + READ))
    bits = 8 * len(encode_residual(true, predicted, uniform_bound(0))) / true.size
    assert least < bits < least + 0.06 < told_nothing(true, predicted)


def test_uneven_places_have_groups_of_their_own() -> None:
    """Here only the spread says where the prediction is wrong: levels are the same everywhere."""
    rng = np.random.default_rng(5)
    uneven = np.arange(800)[:, None] // 100 % 2 * np.ones((1, 800), int)
    levels = rng.integers(1960, 2041, (10, 10)).repeat(80, 0).repeat(80, 1)
    predicted = np.where(uneven, rng.permuted(levels), levels).astype(np.uint16)
    sigma = np.where(uneven, 30.0, 1.5)
    true = np.rint(predicted + rng.normal(size=sigma.shape) * sigma).astype(np.uint16)
    bits = 8 * len(encode_residual(true, predicted, uniform_bound(0))) / true.size
    assert told_the_scale(sigma) < bits < told_the_scale(sigma) + 0.45 < told_nothing(true, predicted)


@pytest.mark.parametrize("most", [0, 4])
def test_what_neighbours_share_is_not_coded_again(most: int) -> None:
    """An error of the prediction as wide as two pixels, beside a place that is black or white at random."""
    true, predicted = noisy(600, 800)
    rng = np.random.default_rng(7)
    shared = (rng.normal(size=(301, 401)) * 60).repeat(2, 0).repeat(2, 1)[1:601, 1:801]
    at_random = rng.choice((0, 4095), (150, 800))
    bits = []
    for error in (shared, rng.permutation(shared.ravel()).reshape(true.shape)):
        seen = np.rint(true + error).clip(0, 4095).astype(np.uint16)
        seen[:150] = at_random
        bits.append(8 * len(encode_residual(seen, predicted, uniform_bound(most))) / seen.size)
    assert bits[0] < bits[1] - 0.05


@pytest.mark.parametrize("apart", [1, 3, 16])
def test_dn_that_never_occur_cost_nothing(apart: int) -> None:
    """As cameras store them whose numbers a curve spreads."""
    true, predicted = noisy(600, 800)
    alone = len(encode_residual(true, predicted, uniform_bound(0)))
    beside = (predicted * apart + apart // 3).clip(0, 65535).astype(np.uint16)
    data = encode_residual(true * np.uint16(apart), beside, uniform_bound(0))
    assert len(data) < 1.001 * alone + 100
    assert np.array_equal(decode_residual(data, beside, "it"), true * apart)


def test_a_prediction_that_is_right_costs_next_to_nothing() -> None:
    true, _ = noisy(400, 600)
    assert len(encode_residual(true, true, uniform_bound(0))) < 4000


def test_a_coder_that_gives_back_something_else_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    import pcodec

    compress = pcodec.standalone.simple_compress
    monkeypatch.setattr(
        pcodec.standalone, "simple_compress", lambda values, config: compress(values + (values == values[0]), config)
    )
    true, predicted = noisy(64, 64)
    with pytest.raises(OutputError, match=r"DN further off than its bound: the package `pcodec`"):
        encode_residual(true, predicted, uniform_bound(3))


@pytest.mark.parametrize("place", [(0, 0), (99, 119), (40, 61)])
def test_another_prediction_is_refused(place: tuple[int, int]) -> None:
    true, predicted = noisy(100, 120)
    data = encode_residual(true, predicted, uniform_bound(4))
    predicted[place] += 1
    with pytest.raises(ImageFileError, match=r"photo\.jpg carries is damaged.*belongs to another prediction"):
        decode_residual(data, predicted, "photo.jpg")


def test_a_mosaic_of_another_size_is_refused() -> None:
    true, predicted = noisy(100, 120)
    data = encode_residual(true, predicted, uniform_bound(4))
    with pytest.raises(ImageFileError, match="it is of 100x120 pixels, the mosaic has 120x100"):
        decode_residual(data, np.ascontiguousarray(predicted.T), "it")


def test_no_damage_gives_a_wrong_mosaic() -> None:
    """What the head says of the bound and of the least and greatest DN is under the checksum too."""
    true, predicted = noisy(24, 30)
    data = encode_residual(true, predicted, noise_bound(1))
    for place in [*range(150), *range(150, len(data), 7)]:
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        try:
            back = decode_residual(bytes(damaged), predicted, "it")
        except ImageFileError:
            continue
        assert np.array_equal(back, decode_residual(data, predicted, "it")), place


@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.5, 0.999])
def test_what_is_cut_short_is_refused(share: float) -> None:
    true, predicted = noisy(60, 70)
    data = encode_residual(true, predicted, noise_bound(1))
    with pytest.raises(ImageFileError, match="damaged"):
        decode_residual(data[: int(len(data) * share)], predicted, "it")


SIZES = 4 + 2 * 8
"""Where a site's sizes begin: behind its checksum and its weights."""


def first_site(data: bytes) -> int:
    """Behind the head, its bound and what the first band says for all sites."""
    return 17 + int.from_bytes(data[9:13], "little") + int.from_bytes(data[13:17], "little") + 2


def behind(data: bytes, site: int) -> int:
    return site + SIZES + 4 * 32 + int(np.frombuffer(data, "<u4", 32, site + SIZES).sum())


def test_sites_that_are_doubled_or_change_places_are_refused() -> None:
    true, predicted = noisy(60, 70)
    data = encode_residual(true, predicted, uniform_bound(1))
    first = first_site(data)
    second = behind(data, first)
    third = behind(data, second)
    assert behind(data, behind(data, third)) == len(data)
    with pytest.raises(ImageFileError, match="bytes too many"):
        decode_residual(data + data[first:], predicted, "it")
    with pytest.raises(ImageFileError, match="damaged"):
        decode_residual(data[:first] + data[second:third] + data[first:second] + data[third:], predicted, "it")


@pytest.mark.parametrize("size", [0, 1, 0xFFFF, 0xFFFFFFFF])
def test_sizes_of_groups_that_cannot_be_are_refused(size: int) -> None:
    true, predicted = noisy(60, 70)
    data = bytearray(encode_residual(true, predicted, uniform_bound(1)))
    place = first_site(data) + SIZES
    data[place : place + 4] = size.to_bytes(4, "little")
    with pytest.raises(ImageFileError, match="damaged"):
        decode_residual(bytes(data), predicted, "it")


def test_a_group_of_more_numbers_than_pixels_is_refused() -> None:
    """Whatever a group says of itself, no more is made of it than the mosaic has room for."""
    import pcodec

    true, predicted = noisy(2, 2)
    data = encode_residual(true, predicted, uniform_bound(0))
    first = first_site(data)
    sizes = np.frombuffer(data, "<u4", 32, first + SIZES)
    (used,) = np.flatnonzero(sizes)
    many = pcodec.standalone.simple_compress(np.zeros(1 << 24, np.int16), pcodec.ChunkConfig())
    changed = sizes.copy()
    changed[used] = len(many)
    crafted = data[: first + SIZES] + changed.tobytes() + many + data[behind(data, first) :]
    with pytest.raises(ImageFileError, match="a group has other than 1 numbers"):
        decode_residual(crafted, predicted, "it")


def test_mosaics_of_two_sizes_have_no_residual() -> None:
    true, predicted = noisy(20, 20)
    with pytest.raises(RequestError, match="mosaics of one size"):
        encode_residual(true, predicted[:-2], uniform_bound(0))


@pytest.mark.parametrize("most", [-1, 65536])
def test_a_bound_is_a_number_of_dn(most: int) -> None:
    with pytest.raises(RequestError, match="`max_error` is a whole number of DN from 0 to 65535"):
        uniform_bound(most)


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    true, predicted = noisy(20, 20)
    data = encode_residual(true, predicted, uniform_bound(0))
    absent: Any = None
    monkeypatch.setitem(sys.modules, "pcodec", absent)
    for way in (lambda: encode_residual(true, predicted, uniform_bound(0)), lambda: decode_residual(data, true, "it")):
        with pytest.raises(MissingExtraError, match=r"`pcodec`, which is not installed: pip install .*archive"):
            way()


def test_a_mosaic_of_every_dn_comes_back_from_the_worst_prediction() -> None:
    """Differences of more than 16 bits hold."""
    true = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    predicted = true[::-1, ::-1].copy()
    np.testing.assert_array_equal(
        decode_residual(encode_residual(true, predicted, uniform_bound(0)), predicted, "it"), true
    )
