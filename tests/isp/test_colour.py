"""Colour against LibRaw's own rendering and the standard's numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from invisp_deploy.errors import ContractError
from invisp_deploy.formats.dng import SRGB_MATRIX, write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.colour import (
    SRGB_TO_XYZ,
    camera_to_srgb,
    color_matrix_of,
    daylight_gains,
    srgb_to_camera,
    srgb_to_linear,
)


def test_the_two_srgb_matrices_are_inverses() -> None:
    np.testing.assert_allclose(np.array(SRGB_TO_XYZ) @ np.array(SRGB_MATRIX), np.eye(3), atol=1e-6)


def test_white_stays_white(sample_frame: RawFrame) -> None:
    assert sample_frame.color_matrix is not None
    np.testing.assert_allclose(srgb_to_camera(sample_frame.color_matrix) @ np.ones(3), np.ones(3), atol=1e-12)


def test_a_camera_that_sees_srgb_needs_no_change() -> None:
    np.testing.assert_allclose(srgb_to_camera(SRGB_MATRIX), np.eye(3), atol=1e-6)


def test_the_matrix_is_the_one_libraw_renders_with(sample_frame: RawFrame, tmp_path: Path) -> None:
    import rawpy

    rng = np.random.default_rng(0)
    colours = rng.integers(1500, 2500, (16, 16, 3))  # near grey: nothing clips in sRGB
    blocks = np.repeat(np.repeat(colours, 8, 0), 8, 1).astype(np.uint16)
    mosaic = blocks[..., 1].copy()
    mosaic[::2, ::2] = blocks[::2, ::2, 0]
    mosaic[1::2, 1::2] = blocks[1::2, 1::2, 2]
    frame = RawFrame("RGGB", (0, 0, 0, 0), 4095, (1, 1, 1), color_matrix=sample_frame.color_matrix, mosaic=mosaic)
    write_dng(tmp_path / "a.dng", frame)

    def rendering(space: rawpy.ColorSpace) -> Any:
        with rawpy.imread(str(tmp_path / "a.dng")) as raw:
            return raw.postprocess(
                demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
                output_color=space,
                user_wb=[1, 1, 1, 1],
                gamma=(1, 1),
                no_auto_bright=True,
                adjust_maximum_thr=0,
                output_bps=16,
            ).astype(np.float64)

    srgb, camera = rendering(rawpy.ColorSpace.sRGB), rendering(rawpy.ColorSpace.raw)
    assert frame.color_matrix is not None
    inside = (srgb.min(-1) > 0) & (srgb.max(-1) < 65535)
    assert inside.mean() > 0.9
    predicted = srgb @ srgb_to_camera(frame.color_matrix).T
    assert np.abs(predicted - camera)[inside].max() < 4  # of 65535: two roundings


@pytest.mark.parametrize(
    ("encoded", "linear"), [(0, 0), (0.04045, 0.0031308), (0.5, 0.2140411), (188 / 255, 0.5028865), (1, 1)]
)
def test_known_points_of_the_srgb_curve(encoded: float, linear: float) -> None:
    assert srgb_to_linear(np.array([encoded], np.float32))[0] == pytest.approx(linear, abs=1e-6)


def test_the_curve_is_undone_over_all_bytes() -> None:
    encoded = np.arange(256, dtype=np.float32) / 255
    linear = srgb_to_linear(encoded).astype(np.float64)
    again = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(again, encoded, atol=1e-6)
    assert linear.dtype == np.float64
    assert (np.diff(linear) > 0).all()


def test_both_directions_undo_each_other(sample_frame: RawFrame) -> None:
    assert sample_frame.color_matrix is not None
    there, back = srgb_to_camera(sample_frame.color_matrix), camera_to_srgb(sample_frame.color_matrix)
    np.testing.assert_allclose(back @ there, np.eye(3), atol=1e-12)


@pytest.mark.parametrize(
    "matrix",
    [
        pytest.param(((0, 0, 0), (0, 1, 0), (0, 0, 1)), id="a row of zeros"),
        pytest.param(((0.6, 0, 0), (0.6, 0, 0), (0.1, 0.1, 0.9)), id="two rows alike"),
        pytest.param(((0.6, 0.1, 0.1), (0.6, 0.101, 0.1), (0.1, 0.1, 0.9)), id="two rows hardly apart"),
        pytest.param(((-1, 0, 0), (0, 1, 0), (0, 0, 1)), id="white darkens red"),
    ],
)
def test_a_matrix_that_cannot_be_undone_is_refused(matrix: Any) -> None:
    for asked in (srgb_to_camera, camera_to_srgb, daylight_gains):
        with pytest.raises(ContractError, match=r"colour matrix \(\(.* cannot be undone, expected .*`color_matrix`"):
            asked(matrix)


def test_daylight_needs_no_gains_where_the_camera_sees_srgb() -> None:
    assert daylight_gains(SRGB_MATRIX) == pytest.approx((1, 1, 1), abs=1e-6)


def test_daylight_gains_are_libraws(sample_raw: Path, sample_frame: RawFrame) -> None:
    import rawpy

    assert sample_frame.color_matrix is not None
    with rawpy.imread(str(sample_raw)) as raw:
        assert daylight_gains(sample_frame.color_matrix) == pytest.approx(raw.daylight_whitebalance[:3], rel=1e-6)


def test_a_colour_matrix_is_made_of_what_comes_out_of_it(sample_frame: RawFrame) -> None:
    assert sample_frame.color_matrix is not None
    again = color_matrix_of(camera_to_srgb(sample_frame.color_matrix), daylight_gains(sample_frame.color_matrix))
    np.testing.assert_allclose(np.array(again), np.array(sample_frame.color_matrix), atol=1e-12)
