"""A frame's recipe: each rule of the contract, DN to the network's domain and back, LibRaw's white level."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from invisp_deploy.contract import CFA_PATTERNS, CameraContract
from invisp_deploy.errors import ContractError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.develop import develop, undevelop
from invisp_deploy.isp.recipe import GRAPH_INPUTS, Recipe, adjusted_white

BITS = {
    12: ((127.0, 128.0, 129.0, 126.0), 4095),
    14: ((600.0, 600.0, 601.0, 599.0), 15520),
    16: ((0.0, 0.0, 0.0, 0.0), 65535),
}


def frame(mosaic: Any, **changes: Any) -> RawFrame:
    values: dict[str, Any] = {
        "cfa": "RGGB",
        "black": (127.0, 128.0, 128.0, 129.0),
        "white": 4095,
        "gains": (2.0, 1.0, 1.5),
    }
    return RawFrame(**(values | changes), mosaic=np.asarray(mosaic, np.uint16))


def legal_mosaic(black: tuple[float, ...], white: int, shape: tuple[int, int] = (61, 83)) -> Any:
    """Random DN from black to white, the ends included."""
    rng = np.random.default_rng(0)
    mosaic = rng.integers(int(max(black)), white + 1, shape)
    mosaic.flat[:4] = [int(max(black)), white, white - 1, int(max(black)) + 1]
    return mosaic.astype(np.uint16)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("white_balance", ["max", "min", "none"])
@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_every_legal_value_comes_back_bit_for_bit(bits: int, white_balance: str, cfa: str) -> None:
    black, white = BITS[bits]
    source = frame(legal_mosaic(black, white), black=black, white=white, cfa=cfa)
    recipe = source.recipe(CameraContract(white_balance=white_balance))
    back = undevelop(develop(source.mosaic, recipe), recipe)
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back, source.mosaic)


@pytest.mark.parametrize("bits", BITS)
def test_all_values_of_the_range_come_back(bits: int) -> None:
    black, white = BITS[bits]
    every = np.arange(int(max(black)), white + 1)
    mosaic = np.resize(every, (256, -(-every.size // 256) + 1))  # an odd shift of rows puts values on other sites
    for shifted in (mosaic, mosaic[:, 1:]):
        source = frame(shifted, black=black, white=white)
        recipe = source.recipe(CameraContract())
        np.testing.assert_array_equal(undevelop(develop(source.mosaic, recipe), recipe), source.mosaic)


def test_measured_sites_follow_the_formula(small_frame: RawFrame) -> None:
    recipe = small_frame.recipe(CameraContract())
    tensor = develop(small_frame.mosaic, recipe).astype(np.float64)
    gains = np.array(small_frame.gains) / max(small_frame.gains or ())
    for index, colour in enumerate(small_frame.cfa):
        site = (slice(index // 2, None, 2), slice(index % 2, None, 2))
        channel = "RGB".index(colour)
        linear = (small_frame.mosaic[site] - small_frame.black[index]) / (4095 - small_frame.black[index])
        expected = (np.clip(linear, 0, 1) * gains[channel]) ** (1 / 2.2)
        np.testing.assert_allclose(tensor[(channel, *site)], expected, atol=1e-6)


def test_the_domain_is_zero_to_one_with_the_largest_gain_one() -> None:
    wild = frame(np.random.default_rng(0).integers(0, 65536, (64, 64)))  # below black and above white too
    tensor = develop(wild.mosaic, wild.recipe(CameraContract()))
    assert tensor.dtype == np.float32
    assert tensor.min() == 0
    assert tensor.max() == 1


@pytest.mark.parametrize("top", [0, 1, 17])
@pytest.mark.parametrize("left", [0, 3, 22])
def test_a_window_equals_its_part_of_the_whole(top: int, left: int) -> None:
    source = frame(legal_mosaic((130.0,), 4095, (45, 51)), cfa="GBRG")
    recipe = source.recipe(CameraContract())
    whole = develop(source.mosaic, recipe)
    for height, width in ((1, 1), (8, 9), (45 - top, 51 - left)):
        window = (slice(top, top + height), slice(left, left + width))
        part = develop(source.mosaic, recipe, window)
        np.testing.assert_array_equal(part, whole[:, window[0], window[1]])
        back = undevelop(part, recipe, (top, left))
        np.testing.assert_array_equal(back, source.mosaic[window])


def test_the_way_back_clips_what_no_sensor_gives() -> None:
    recipe = Recipe("RGGB", (100.0, 101.0, 102.0, 103.0), 4000.0, (1.0, 1.0, 1.0), 2.2)
    low = undevelop(np.full((3, 4, 4), -0.5, np.float32), recipe)
    high = undevelop(np.full((3, 4, 4), 1.5, np.float32), recipe)
    np.testing.assert_array_equal(low[:2, :2], [[100, 101], [102, 103]])
    assert np.unique(high).tolist() == [4000]


@pytest.mark.parametrize(("rule", "white"), [("file", 4095), (3398, 3398), ("adjusted", 3500)])
def test_white_rules(rule: str | int, white: float) -> None:
    mosaic = np.full((6, 6), 500)
    mosaic[2, 2] = 3500
    assert frame(mosaic, black=(128.0,) * 4).recipe(CameraContract(white=rule)).white == white


@pytest.mark.parametrize(
    ("rule", "gains"), [("max", (1.0, 0.5, 0.75)), ("min", (2.0, 1.0, 1.5)), ("none", (1.0, 1.0, 1.0))]
)
def test_white_balance_rules(rule: str, gains: tuple[float, ...]) -> None:
    source = frame(np.full((4, 4), 500), gains=(2048.0, 1024.0, 1536.0))
    assert source.recipe(CameraContract(white_balance=rule)).gains == pytest.approx(gains)


def test_missing_white_balance_is_a_sentence() -> None:
    source = frame(np.full((4, 4), 500), gains=None)
    with pytest.raises(ContractError, match=r"no as-shot white balance.*`white_balance`"):
        source.recipe(CameraContract())
    assert source.recipe(CameraContract(white_balance="none")).gains == (1, 1, 1)


def test_a_white_level_below_black_is_a_sentence() -> None:
    with pytest.raises(ContractError, match="white level 100 does not exceed the frame's black level 129"):
        frame(np.full((4, 4), 500)).recipe(CameraContract(white=100))


def test_a_shifted_recipe_belongs_to_the_cut() -> None:
    source = frame(legal_mosaic((130.0,), 4095, (20, 20)))
    recipe = source.recipe(CameraContract())
    whole = develop(source.mosaic, recipe)
    for row, column in ((0, 1), (1, 0), (1, 1), (4, 3)):
        cut = develop(np.ascontiguousarray(source.mosaic[row:, column:]), recipe.shifted(row, column))
        np.testing.assert_array_equal(cut[:, 1:, 1:], whole[:, row + 1 :, column + 1 :])
        assert recipe.shifted(row, column).shifted(-row, -column) == recipe


@pytest.mark.parametrize("share", [0.5, 0.745, 0.755, 0.9, 0.999, 1.0])
def test_adjusted_white_is_what_libraw_renders_with(share: float, small_frame: RawFrame, tmp_path: Path) -> None:
    """LibRaw's factor with its default threshold, over the same rendering with the threshold off."""
    import rawpy

    rng = np.random.default_rng(1)
    mosaic = rng.integers(200, 1500, (64, 64)).astype(np.uint16)
    mosaic[20:24, 20:24] = round(127 + share * (4095 - 127))
    source = replace(small_frame, mosaic=mosaic)
    write_dng(tmp_path / "a.dng", source)

    def rendering(**options: Any) -> Any:
        with rawpy.imread(str(tmp_path / "a.dng")) as raw:
            return raw.postprocess(
                demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
                output_color=rawpy.ColorSpace.raw,
                user_wb=[1, 1, 1, 1],
                gamma=(1, 1),
                no_auto_bright=True,
                output_bps=16,
                **options,
            ).astype(np.float64)

    default, unadjusted = rendering(), rendering(adjust_maximum_thr=0)
    sure = (unadjusted > 3000) & (default < 60000)
    factor = np.median(default[sure] / unadjusted[sure])
    assert factor == pytest.approx((4095 - 127) / (adjusted_white(source, source.mosaic) - 127), rel=2e-4)
    assert (factor > 1.0005) == (0.75 < share < 1)


def test_the_numbers_are_those_of_the_table() -> None:
    matrix = ((1.75, -0.65, -0.1), (-0.2, 1.6, -0.4), (0.05, -0.6, 1.55))
    recipe = Recipe("GBRG", (1.0, 2.0, 3.0, 4.0), 1000.0, (0.5, 1.0, 0.25), "bt709", matrix)
    numbers = recipe.numbers()
    assert list(numbers) == [each.name for each in GRAPH_INPUTS]
    for each in GRAPH_INPUTS:
        assert (numbers[each.name].dtype.name, numbers[each.name].shape) == (each.dtype, each.shape)
    assert numbers["cfa"].tolist() == [1, 2, 0, 1]
    assert numbers["black"].tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(numbers["to_srgb"], np.array(matrix, np.float32))
    np.testing.assert_allclose(numbers["to_camera"] @ np.array(matrix), np.eye(3), atol=1e-6)
    assert "to_srgb" not in replace(recipe, matrix=None).numbers()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"white": 2.0}, "white level 2 does not exceed the frame's black level 4"),
        ({"gains": (1.0, 0.0, 1.0)}, "Gains lie between"),
        ({"curve": 0.5}, "a gamma from 1 to 4, got 0.5"),
        ({"white": float("nan")}, "4 black levels"),
        ({"cfa": "RGBG"}, "one of RGGB"),
    ],
)
def test_numbers_that_no_frame_has_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ContractError, match=says):
        replace(Recipe("GBRG", (1.0, 2.0, 3.0, 4.0), 1000.0, (0.5, 1.0, 0.25), 2.2), **changes)
