"""Losses against their definitions computed anew, and held-out tiles that are held out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from invisp_deploy.arithmetic import Arithmetic
from invisp_deploy.calibration.codec import JpegCodec
from invisp_deploy.calibration.loss import Bench, HeldOutTile, held_out_tiles, naive_half
from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import CalibrationError
from invisp_deploy.formats.raw import render_libraw
from invisp_deploy.network.lowered import lowered
from tests.calibration.cutting import calibration_tiles
from tests.graphs import CANON_30D, gentle_network

SIZE = 32


@pytest.fixture(scope="module")
def places(small_dng: Path) -> list[tuple[int, int, int]]:
    return [tile.place for tile in calibration_tiles([small_dng], CANON_30D, size=64, per_file=4)]


@pytest.fixture(scope="module")
def tiles(small_dng: Path, places: list[tuple[int, int, int]]) -> list[HeldOutTile]:
    return held_out_tiles([small_dng], CANON_30D, size=SIZE, per_file=5, seed=0, avoid={small_dng: places})


@pytest.fixture(scope="module")
def bench(tiles: list[HeldOutTile]) -> Bench:
    return Bench(gentle_network(NetworkConfig(2, 4, 2)), tiles, JpegCodec())


def test_no_pixel_is_shared_with_what_is_avoided(
    small_dng: Path, places: list[tuple[int, int, int]], tiles: list[HeldOutTile]
) -> None:
    """Found again by its pixels in the whole frame's input."""
    (whole,) = calibration_tiles([small_dng], CANON_30D, size=256, per_file=1)
    taken = np.zeros((256, 256), bool)
    for row, column, size in places:
        taken[row : row + size, column : column + size] = True
    picture = render_libraw(small_dng)
    for tile in tiles:
        at = [
            (row, column)
            for row in range(0, 256 - SIZE + 1, 2)
            for column in range(0, 256 - SIZE + 1, 2)
            if np.abs(whole.raw[0, :, row : row + SIZE, column : column + SIZE] - tile.raw).max() < 1e-6
        ]
        assert len(at) == 1
        window = (slice(at[0][0], at[0][0] + SIZE), slice(at[0][1], at[0][1] + SIZE))
        assert not taken[window].any()
        np.testing.assert_array_equal(picture[window], tile.libraw)


def test_no_room_beside_what_is_avoided_is_an_error(small_dng: Path) -> None:
    with pytest.raises(CalibrationError, match=r"small\.dng leave no room for held-out ones of 32"):
        held_out_tiles([small_dng], CANON_30D, size=SIZE, per_file=1, seed=0, avoid={small_dng: [(0, 0, 256)]})


def test_fp32_is_measured_as_defined(bench: Bench, tiles: list[HeldOutTile]) -> None:
    figures = bench.measure(bench.network)
    rgb, raw = [], []
    with torch.no_grad():
        for tile in tiles:
            decoded = JpegCodec()(bench.network(torch.from_numpy(tile.raw)[None]))
            shown = np.rint(decoded[0].numpy() * 255).transpose(1, 2, 0)
            rgb.append(10 * math.log10(255**2 / np.mean((shown - tile.libraw) ** 2)))
            back = bench.network.inverse(decoded)[0].numpy().astype(np.float64)
            gain = max(tile.recipe.gains) ** (1 / 2.2)  # gamma 2.2 in the contract and in the paper
            ours, true = (np.clip(np.maximum(x, 0) / gain, 0, 1) for x in (back, tile.raw))
            raw.append(-10 * math.log10(np.mean((ours - true) ** 2)))
    assert figures.forward == math.inf
    assert figures.rgb == pytest.approx(np.mean(rgb), abs=1e-3)
    assert figures.raw == pytest.approx(np.mean(raw), abs=1e-3)
    assert bench.raw(bench.network) == pytest.approx(figures.raw, abs=1e-9)
    assert figures.raw8 > figures.raw
    assert figures.round_trip > 100


def test_the_spine_is_what_naive_half_loses(bench: Bench) -> None:
    careful = bench.measure(lowered(bench.network, Arithmetic("fp16")))
    naive = bench.measure(naive_half(bench.network))
    assert naive.round_trip < careful.round_trip - 10
    assert naive.forward < careful.forward
    assert next(bench.network.parameters()).dtype == torch.float32


def test_a_chain_keeps_its_sizes_in_half_too(tiles: list[HeldOutTile]) -> None:
    chain = Bench(gentle_network(NetworkConfig(2, 8, 2, depth=3, kind="chain")), tiles, JpegCodec())
    assert 40 < chain.measure(naive_half(chain.network)).forward < 100


def test_no_tiles_are_refused() -> None:
    with pytest.raises(CalibrationError, match="no held-out tiles"):
        Bench(gentle_network(NetworkConfig(1, 4, 2)), [], JpegCodec())
