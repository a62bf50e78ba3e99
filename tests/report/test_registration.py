"""The sheet of a registration: what agrees is green, and lines lead to where it was found."""

from __future__ import annotations

import numpy as np

from invisp_deploy.report.registration import MAGNIFIED, ComparedPlace, registration_sheet

GREEN, RED, GREY = (64, 200, 96), (230, 60, 50), (150, 150, 150)


def places_of(sheet: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """(n, 2) rows and columns of the pixels of a colour."""
    return np.argwhere((sheet == colour).all(-1))


def test_windows_and_lines_stand_where_they_were_found() -> None:
    """A mosaic of 960x1280 is drawn at a half, a picture of 480x640 as it is; 12 pixels lie around and between."""
    reference = np.full((960, 1280, 3), 200, np.uint8)
    picture = np.full((480, 640, 3), 220, np.uint8)
    places = [
        ComparedPlace((0.25, 0.25), (0.25, 0.25), (0.2, 0.2), (0.0, 0.1), True),
        ComparedPlace((0.75, 0.75), (0.75, 0.75), (0.2, 0.2), (-0.3, 0.0), False),
        ComparedPlace((0.5, 0.1), (0.5, 0.1), (0.1, 0.1), None, False),
    ]
    sheet = registration_sheet(reference, picture, places, "as it was, residual 0.10 pixels")
    assert sheet.dtype == np.uint8
    assert sheet.shape[1] == 3 * 12 + 2 * 640
    assert sheet.shape[0] > 480 + 3 * 12
    drawn = places_of(sheet, GREEN)
    window = drawn[drawn[:, 1] < 12 + 640]
    np.testing.assert_allclose(window.min(0), (12 + 120 - 48, 12 + 160 - 64), atol=1)
    np.testing.assert_allclose(window.max(0), (12 + 120 + 48, 12 + 160 + 64), atol=1)
    line = drawn[drawn[:, 1] > 12 + 640]
    np.testing.assert_allclose(line[:, 1].max(), 2 * 12 + 640 + 160 + 0.1 * MAGNIFIED, atol=2)
    red = places_of(sheet, RED)
    assert red[red[:, 1] > 12 + 640][:, 0].min() <= 12 + 360 - 0.3 * MAGNIFIED + 2
    grey = places_of(sheet, GREY)
    assert len(grey[grey[:, 1] < 12 + 640])
    assert (sheet[-30:] < 60).any()  # the caption


def test_a_sheet_without_places_has_both_pictures_and_the_whole_reason() -> None:
    reference = np.full((30, 40, 3), 10, np.uint8)
    picture = np.full((500, 20, 3), 240, np.uint8)
    short, long = (registration_sheet(reference, picture, [], "no pair " * count) for count in (1, 60))
    assert long.shape[0] > short.shape[0]
    assert (short == 10).all(-1).sum() == 640 * 480
    assert (short == 240).all(-1).sum() >= 640 * 25
