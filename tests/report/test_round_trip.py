"""The page of a round trip from plain facts; the sheet and its error map on differences that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from invisp_deploy.contract import CFA_PATTERNS, CameraContract
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.report.round_trip import WHITE_DIFFERENCE, Sheet, draw_sheet, error_map, round_trip_page

RECIPE = Recipe("RGGB", (0.0,) * 4, 12_000.0, (1.0, 1.0, 1.0), 1.0)
STEP = round(12_000 * WHITE_DIFFERENCE / 3)
"""DN that fill one of the three colours of the map."""


def test_the_error_map_is_the_mean_difference_of_each_square() -> None:
    mosaic = np.full((4, 6), 5000, np.uint16)
    recovered = mosaic.copy()
    recovered[0:2, 2:4] += STEP  # one third of full scale: red is full, the others are not begun
    recovered[0:2, 4:6] -= 2 * STEP  # below counts as above: red and green
    recovered[2:4, 0:2] += 1000  # far beyond full scale: white
    recovered[2, 2] += 4 * STEP  # a fourth of the square: its mean is one step
    recovered[3, 5] += 2 * STEP  # half a step
    shown = error_map(recovered, mosaic, RECIPE)
    assert shown.dtype == np.uint8
    expected = [
        [(0, 0, 0), (255, 0, 0), (255, 255, 0)],
        [(255, 255, 255), (255, 0, 0), (128, 0, 0)],
    ]
    np.testing.assert_array_equal(shown, expected)


def test_the_error_map_counts_from_black_and_leaves_an_odd_edge_out() -> None:
    mosaic = np.full((5, 7), 200, np.uint16)
    recovered = mosaic + np.uint16(1)
    recovered[4], recovered[:, 6] = 9000, 9000
    shown = error_map(recovered, mosaic, replace(RECIPE, black=(100.0, 120.0, 120.0, 110.0), white=400.0))
    assert shown.shape == (2, 3, 3)
    heat = 1 / 300 / WHITE_DIFFERENCE
    assert (shown == [round(255 * min(3 * heat, 1)), 0, 0]).all()


@pytest.mark.parametrize(
    ("shape", "panel"), [((256, 256), (640, 640)), ((96, 256), (240, 640)), ((255, 128), (640, 321))]
)
def test_a_sheet_has_four_panels_of_the_pictures_shape(
    shape: tuple[int, int], panel: tuple[int, int], small_frame: RawFrame
) -> None:
    mosaic = np.ascontiguousarray(small_frame.mosaic[: shape[0], : shape[1]])
    recipe = small_frame.recipe(CameraContract())
    jpeg = np.full((*shape, 3), (10, 200, 30), np.uint8)
    page = draw_sheet(Sheet(mosaic, mosaic, recipe, jpeg, ("", "", "", "")))
    height, width = panel
    assert page.dtype == np.uint8
    assert page.shape == (2 * (height + 26) + 3 * 12, 2 * width + 3 * 12, 3)
    paper = (page == (250, 250, 248)).all(-1)
    filled = ~paper
    assert (filled.sum(1) >= 2 * width - 40).sum() == 2 * height  # rows of two panels; a developed pixel may be paper
    right, lower = 24 + width, 24 + 26 + height + 26
    top_right = page[38 : 38 + height, right : right + width]
    assert (top_right == (10, 200, 30)).all()
    lower_right = page[lower : lower + height, right : right + width]
    assert not lower_right.any(), "two equal mosaics differ nowhere"
    captions = draw_sheet(Sheet(mosaic, mosaic, recipe, jpeg, ("one", "two", "three", "four"))) != page
    ys, _ = np.nonzero(captions.any(-1))
    assert {12 <= y < 38 or lower - 26 <= y < lower for y in ys} == {True}


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_a_colour_is_developed_as_that_colour(cfa: str) -> None:
    """Red light alone lies on the red sites, wherever the pattern has them."""
    mosaic = np.full((8, 8), 100, np.uint16)
    row, column = divmod(cfa.index("R"), 2)
    mosaic[row::2, column::2] = 1100
    recipe = Recipe(cfa, (100.0,) * 4, 2100.0, (1.0, 1.0, 1.0), 1.0)
    page = draw_sheet(Sheet(mosaic, mosaic, recipe, np.zeros((8, 8, 3), np.uint8), ("", "", "", "")))
    for left, top in ((12, 38), (12, 38 + 640 + 12 + 26)):  # the RAW and the recovered RAW
        assert (page[top : top + 640, left : left + 640] == (128, 0, 0)).all()


def test_figures_stand_with_their_definitions() -> None:
    page = round_trip_page(
        {
            "file": "photo|1.CR2",
            "camera": "Canon EOS 30D",
            "size": [3522, 2348],
            "weights": "0123456789abcdef",
            "configuration": "edge",
            "quality": 90,
            "subsampling": "4:2:2",
            "jpeg_bytes": 1234567,
            "raw_bytes": 7654321,
            "clipped": 0.01234,
            "metrics": {"raw-psnr": 47.126, "raw-psnr-clipped": None},
            "definitions": {"raw-psnr": "dB, |difference|", "raw-psnr-clipped": "dB, where it clips"},
        }
    )
    assert "| raw-psnr | 47.13 | dB, \\|difference\\| |" in page
    assert "| raw-psnr-clipped | – | dB, where it clips |" in page
    assert "# Round trip of photo|1.CR2" in page
    assert "3522x2348; weights 0123456789ab (edge)." in page
    assert "1,234,567 bytes.\nThe RAW file has 7,654,321. 1.23% of the pixels clip" in page
