"""Pictures through known maps are found to a tenth of a pixel, and those that are no pair are refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.ndimage

from invisp_deploy.dataset.registration import Registration, on_mosaic, register, shown_part
from invisp_deploy.errors import DatasetError
from invisp_deploy.report.registration import ComparedPlace
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


def test_a_panorama_is_refused() -> None:
    both = np.concatenate([REFERENCE[:, :200], developed(scene(SHAPE, seed=7))[:, :200]], axis=1)
    refused(REFERENCE, both, "agrees with the RAW file at")
    for overlap in (8, 3):
        stitched = np.concatenate([REFERENCE[:, :200], REFERENCE[:, 200 + overlap :]], axis=1)
        refused(REFERENCE, stitched, "agrees with the RAW file at")


BENT = {
    "barrel": (-0.03, 0.005, 0.0, (0, 0)),
    "cushion, off the middle": (0.04, 0.0, 0.0, (10, -8)),
    "barrel and levelled": (-0.03, 0.01, 0.5, (0, 0)),
    "levelled": (0.0, 0.0, 2.0, (0, 0)),
}
"""What places move by at a corner, of the distance to it, by its square and fourth power; degrees; its middle."""


def bent_picture(
    second: float, fourth: float, degrees: float, middle: tuple[int, int]
) -> tuple[Rgb8, npt.NDArray[np.float64]]:
    """`LARGE` as a lens correction shows it, and the place of `LARGE` that each pixel shows, (2, H, W)."""
    places = np.mgrid[: LARGE.shape[0], : LARGE.shape[1]].astype(float)
    centre = (np.array(LARGE.shape[:2]) / 2 + middle)[:, None, None]
    (y, x), turn = places - centre, np.deg2rad(degrees)
    y, x = y * np.cos(turn) + x * np.sin(turn), x * np.cos(turn) - y * np.sin(turn)
    square = (y**2 + x**2) / (np.hypot(*LARGE.shape[:2]) / 2) ** 2
    shown = centre + np.stack([y, x]) * (1 + second * square + fourth * square**2)
    planes = [
        scipy.ndimage.map_coordinates(LARGE[..., index].astype(float), shown, mode="nearest") for index in range(3)
    ]
    return developed(np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8)), shown


LARGE = scene((640, 800), extent=840)


@pytest.mark.parametrize(("second", "fourth", "degrees", "middle"), BENT.values(), ids=BENT)
def test_a_corrected_lens_is_found_with_its_bends(
    second: float, fourth: float, degrees: float, middle: tuple[int, int]
) -> None:
    picture, shown = bent_picture(second, fourth, degrees, middle)
    found = register(LARGE, picture)
    assert found.bends is not None
    assert f"bent by up to {found.bends.largest:.1f} pixels" in str(found)
    rows, columns = shown_part(found, LARGE.shape[:2], picture.shape[:2])
    places = np.stack(np.mgrid[rows.start : rows.stop : 20, columns.start : columns.stop : 20], -1).reshape(-1, 2)
    there = found.placement.at(places.astype(float))
    back = np.stack([scipy.ndimage.map_coordinates(plane, there.T, order=1) for plane in shown], axis=1)
    assert np.sqrt(((back - places) ** 2).sum(axis=1).mean()) < TOLERANCES["registered-bent"].limit
    error = on_mosaic(picture, found, (rows, columns)) - developed(LARGE)[rows, columns].astype(float)
    assert 10 * np.log10(255**2 / (error**2).mean()) > TOLERANCES["registered-bent-psnr"].limit
    assert Registration.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_bends_in_a_finer_picture_pass_no_pixel_over() -> None:
    """Of twice the resolution: what is taken is the mean of what lies there, not single pixels of it."""
    picture, _ = bent_picture(*BENT["barrel"])
    doubled = np.kron(picture, np.ones((2, 2, 1), np.uint8))
    noise = np.random.default_rng(0).choice([-40, 40], doubled.shape)
    finer = (doubled + noise).clip(0, 255).astype(np.uint8)
    found = register(LARGE, finer)
    assert found.bends is not None
    np.testing.assert_allclose(found.scale, 2, atol=0.01)
    window = shown_part(found, LARGE.shape[:2], finer.shape[:2])
    error = on_mosaic(finer, found, window) - developed(LARGE)[window].astype(float)
    assert error.std() < 30  # four pixels of 40 each


def test_what_no_lens_does_is_refused() -> None:
    """A wave along the rows, eight pixels high."""
    rows, columns = np.mgrid[: LARGE.shape[0], : LARGE.shape[1]].astype(float)
    waved = [rows + 8 * np.sin(columns / 40), columns]
    planes = [scipy.ndimage.map_coordinates(LARGE[..., index], waved, order=1, mode="nearest") for index in range(3)]
    refused(LARGE, np.stack(planes, axis=-1), "agrees with the RAW file at .* bent as no lens bends")


def test_places_are_told_also_of_what_is_refused() -> None:
    told: list[ComparedPlace] = []
    turned: list[int] = []

    def on_places(orientation: int, places: Sequence[ComparedPlace]) -> None:
        turned.append(orientation)
        told.extend(places)

    picture = developed(scene(SHAPE), orientation=6)
    found = register(REFERENCE, picture, on_places)
    assert turned == [6]
    assert sum(place.agrees for place in told) == found.places
    assert all(place.off is not None and max(map(abs, place.off)) < 0.5 for place in told if place.agrees)
    for place in told:
        np.testing.assert_allclose(place.here, place.there, atol=0.01)
    told.clear()
    stitched = np.concatenate([REFERENCE[:, :200], REFERENCE[:, 208:]], axis=1)
    with pytest.raises(DatasetError):
        register(REFERENCE, stitched, on_places)
    off = [place for place in told if place.off is not None and not place.agrees]
    assert off
    assert all(abs(place.off[1]) > 0.5 for place in off if place.off is not None)


def test_a_picture_of_less_than_half_of_the_frame_is_refused() -> None:
    part = Registration(1, (-200.0, 1.0), (-20.0, 1.0), None, 0.1, 40, 48)
    with pytest.raises(DatasetError, match="shows 366x106 of the mosaic's 400x320 pixels"):
        shown_part(part, SHAPE, (110, 370))


def test_a_registration_survives_json_and_a_damaged_one_is_no_registration() -> None:
    found = Registration(2, (-5.0, 1.0007), (-9.0, 1.0005), None, 0.08, 35, 48)
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
        ("bends", {"middle": [1, 2]}),
        ("bends", {"middle": [1, 2], "turn": [0, 0], "radial": [0, 0, 0], "decentering": [0, 0]}),
        ("bends", {"middle": [0, 0], "turn": [0, 0], "radial": [0, 0, 0, 0], "decentering": [0, 0]}),
    ):
        with pytest.raises(ValueError, match="registration|bends"):
            Registration.from_dict({**data, name: wrong})
    with pytest.raises(ValueError, match="fields"):
        Registration.from_dict({"rows": [1, 2, 3]})
