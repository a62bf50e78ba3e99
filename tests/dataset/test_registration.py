"""Pictures through known maps are found to a tenth of a pixel, and those that are no pair are refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from invisp_deploy.dataset.registration import Registration, on_mosaic, register, shown_part
from invisp_deploy.errors import DatasetError
from invisp_deploy.tolerances import TOLERANCES
from tests.dataset.scenes import Map, Rgb8, developed, scene

SHAPE = (320, 400)
REFERENCE = scene(SHAPE)


def inverse(lines: Map) -> Map:
    """What `scene` takes of what `Registration` states: of the picture's pixel the place in the mosaic."""
    (a, b), (c, d) = lines
    return np.array([(-a / b, 1 / b, 0), (-c / d, 0, 1 / d)])


def off(found: Registration, truth: Map, picture: Rgb8) -> float:
    """How far the map is from the true one along an axis, pixels, at the corners of what the picture shows."""
    rows, columns = shown_part(found, SHAPE, picture.shape[:2])
    difference = np.array([found.rows, found.columns]) - truth
    return max(
        float(abs(first + step * at))
        for (first, step), part in zip(difference, (rows, columns), strict=True)
        for at in (part.start, part.stop - 1)
    )


MAPS = {
    "shifted": ((310, 392), [(-4.3, 1), (-6.7, 1)]),
    "as a camera corrects": ((312, 390), [(-5.0, 1.0007), (-9.0, 1.0005)]),
    "larger": ((352, 440), [(0.6, 1.1), (1.4, 1.1)]),
    "of half as many pixels": ((192, 240), [(-0.2, 0.6), (-0.2, 0.6)]),
    "cut to another shape": ((240, 400), [(-40.4, 1), (0.3, 1)]),
}


@pytest.mark.parametrize(("shape", "rows"), MAPS.values(), ids=MAPS)
def test_a_made_map_is_found_to_a_tenth_of_a_pixel(shape: tuple[int, int], rows: Any) -> None:
    truth = np.array(rows, np.float64)
    picture = developed(scene(shape, inverse(truth)))
    found = register(REFERENCE, picture)
    assert found.orientation == 1
    assert off(found, truth, picture) < TOLERANCES["registered"].limit
    assert found.residual < 3 * TOLERANCES["registered"].limit
    assert found.places >= found.tried / 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_of_the_eight_ways_to_lie_is_told(orientation: int) -> None:
    truth = np.array(MAPS["shifted"][1], np.float64)
    picture = developed(scene((310, 392), inverse(truth)), orientation)
    found = register(REFERENCE, picture)
    assert found.orientation == orientation
    assert off(found, truth, picture) < TOLERANCES["registered"].limit


def test_a_large_picture_is_found_by_way_of_smaller_ones() -> None:
    """A map that is twenty pixels off at the rim: more than windows of all pixels could tell at once."""
    shape = (1600, 2100)
    reference = np.kron(scene((400, 525)), np.ones((4, 4, 1), np.uint8))
    truth = np.array([(-11.0, 1.009), (7.0, 1.009)])
    places = [
        ((np.arange(length) - first) / step).round().astype(int).clip(0, length - 1)
        for length, (first, step) in zip(shape, truth, strict=True)
    ]
    found = register(reference, reference[np.ix_(*places)])
    error = np.array([found.rows, found.columns]) - truth
    assert abs(error @ [[1, 1], [0, 1599]]).max() < 0.5  # its pixels were taken whole


def test_the_picture_on_the_mosaic_is_what_the_mosaic_s_own_rendering_shows() -> None:
    truth = np.array(MAPS["as a camera corrects"][1], np.float64)
    picture = np.ascontiguousarray(scene((312, 390), inverse(truth))[:, ::-1])
    found = register(REFERENCE, picture)
    window = shown_part(found, SHAPE, picture.shape[:2])
    assert (window[0].start, window[1].start) == (8, 12)  # five and nine are not shown, two more are interpolated from
    assert all(part.start % 2 == part.stop % 2 == 0 for part in window)
    pixels = on_mosaic(picture, found, window)
    error = pixels.astype(float) - REFERENCE[window]
    assert 10 * np.log10(255**2 / (error**2).mean()) > TOLERANCES["registered-psnr"].limit


def refused(reference: Rgb8, picture: Rgb8, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        register(reference, picture)


def test_pictures_that_are_no_pair_are_refused() -> None:
    refused(REFERENCE, developed(scene(SHAPE, seed=7)), "nothing of what the RAW file does|another exposure")
    refused(REFERENCE, np.full((*SHAPE, 3), 90, np.uint8), "nothing of what the RAW file does|another exposure")
    refused(np.full((*SHAPE, 3), 90, np.uint8), REFERENCE, "nothing of what the RAW file does|another exposure")
    refused(REFERENCE, REFERENCE[:120, :160], "160x120, less than half of the mosaic's 400x320")
    refused(REFERENCE, scene((900, 900), np.array([(0, 0.45, 0), (0, 0, 0.45)])), "the picture")


def test_a_panorama_and_a_corrected_lens_are_refused() -> None:
    both = np.concatenate([REFERENCE[:, :200], developed(scene(SHAPE, seed=7))[:, :200]], axis=1)
    refused(REFERENCE, both, "agrees with the RAW file at")
    stitched = np.concatenate([REFERENCE[:, :200], REFERENCE[:, 208:]], axis=1)
    refused(REFERENCE, stitched, "agrees with the RAW file at")
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)
    radius = ((rows - 160) ** 2 + (columns - 200) ** 2) / 256**2
    bent = [(at - middle) * (1 + 0.06 * radius) + middle for at, middle in ((rows, 160), (columns, 200))]
    nearest = [at.round().astype(int).clip(0, side - 1) for at, side in zip(bent, SHAPE, strict=True)]
    refused(REFERENCE, REFERENCE[nearest[0], nearest[1]], "its lens was corrected")


def test_a_picture_that_was_levelled_is_refused() -> None:
    """By two degrees: nine pixels at the rim."""
    refused(REFERENCE, scene(SHAPE, np.array([(7.0, 1, -0.035), (-5.6, 0.035, 1)])), "agrees with the RAW file at")


def test_a_picture_of_less_than_half_of_the_frame_is_refused() -> None:
    part = Registration(1, (-200.0, 1.0), (-20.0, 1.0), 0.1, 40, 48)
    with pytest.raises(DatasetError, match="shows 366x106 of the mosaic's 400x320 pixels"):
        shown_part(part, SHAPE, (110, 370))


def test_a_registration_survives_json_and_a_damaged_one_is_no_registration() -> None:
    found = Registration(2, (-5.0, 1.0007), (-9.0, 1.0005), 0.08, 35, 48)
    data = json.loads(json.dumps(found.to_dict()))
    assert Registration.from_dict(data) == found
    assert str(found) == (
        "mirrored left to right, scale 1.0007 x 1.0005, shift -5.0 rows and -9.0 columns, residual 0.08 pixels at 35 "
        "of 48 places"
    )
    for name, wrong in (
        ("orientation", 9),
        ("rows", [1, 2, 3]),
        ("residual", float("nan")),
        ("places", -1),
        ("tried", 1.5),
    ):
        with pytest.raises(ValueError, match="registration"):
            Registration.from_dict({**data, name: wrong})
    with pytest.raises(ValueError, match="fields"):
        Registration.from_dict({"rows": [1, 2, 3]})
