from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.formats import jpeg
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.gain_map import GainMap
from invisp_deploy.formats.picture import Picture
from invisp_deploy.formats.pixels import clipped_pixels
from invisp_deploy.rendering.model import load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.sidedata.highlights import Brighter, brighter, fitted_gain_map, highlights_of
from invisp_deploy.sidedata.options import RawBudget
from tests.sidedata.frames import blown_frame, dark_frame


@pytest.fixture(scope="module")
def frame() -> RawFrame:
    return blown_frame()


@pytest.fixture(scope="module")
def rendered(frame: RawFrame) -> Picture:
    with load("closed-form") as model:
        return model.render(frame, RunOptions(raw_budget=RawBudget(0)))


def test_the_map_is_what_the_scene_has_above_the_picture(frame: RawFrame, rendered: Picture) -> None:
    """Against the frame itself, where the sensor is not saturated: linear sRGB of each 2x2 square."""
    record = rendered.record
    assert record is not None
    found = brighter(frame.mosaic, record.recipe, rendered.pixels)
    assert found is not None
    clipped = clipped_pixels(rendered.pixels)
    np.testing.assert_array_equal(found.count, clipped.reshape(100, 2, 130, 2).sum(axis=(1, 3)))
    assert (found.stops[found.count == 0] == 0).all()
    share = (frame.mosaic - 128.0) / (4095 - 128)
    camera = np.stack([share[::2, ::2] * 2.0, (share[::2, 1::2] + share[1::2, ::2]) / 2, share[1::2, 1::2] * 1.6], -1)
    scene = camera @ np.array(record.recipe.matrix).T
    y = rendered.pixels.astype(float) / 255
    shown = np.where(y < 0.081, y / 4.5, ((y + 0.099) / 1.099) ** (1 / 0.45)).reshape(100, 2, 130, 2, 3).mean((1, 3))
    below = frame.mosaic.reshape(100, 2, 130, 2).max(axis=(1, 3)) < 3900
    where = below & (found.count == 4)
    assert where.sum() > 200
    expected = np.maximum(np.log2((scene + 1 / 64) / (shown + 1 / 64)), 0)
    np.testing.assert_allclose(found.stops[where] / 4096, expected[where], atol=0.01)


def test_a_blown_sky_is_white_on_a_screen_of_high_range(frame: RawFrame, rendered: Picture) -> None:
    record = rendered.record
    assert record is not None
    found = brighter(frame.mosaic, record.recipe, rendered.pixels)
    assert found is not None
    saturated = (frame.mosaic.reshape(100, 2, 130, 2).min(axis=(1, 3)) == 4095) & (found.count == 4)
    assert saturated.sum() > 100
    there = 2.0 ** (found.stops[saturated] / 4096)
    assert there.min() == pytest.approx(2.0, rel=0.02), "as bright as the colour with the largest gain"
    assert np.ptp(there, axis=1).max() < 0.02, "and of no colour"


def test_where_green_alone_is_saturated_it_is_no_less_than_the_others(frame: RawFrame, rendered: Picture) -> None:
    """Magenta skies are what a screen of high range would show otherwise."""
    record = rendered.record
    assert record is not None
    found = brighter(frame.mosaic, record.recipe, rendered.pixels)
    assert found is not None
    sites = [frame.mosaic[row::2, column::2] for row in (0, 1) for column in (0, 1)]
    green_alone = (sites[1] == 4095) & (sites[2] == 4095) & (sites[0] < 3900) & (sites[3] < 3900) & (found.count == 4)
    assert green_alone.sum() > 100
    y = rendered.pixels.astype(float) / 255
    shown = np.where(y < 0.081, y / 4.5, ((y + 0.099) / 1.099) ** (1 / 0.45)).reshape(100, 2, 130, 2, 3).mean((1, 3))
    scene = (shown + 1 / 64) * 2.0 ** (found.stops / 4096) - 1 / 64
    red, green, blue = (scene @ np.linalg.inv(np.array(record.recipe.matrix)).T)[green_alone].T
    both = (red + blue) / 2
    brighter_than_white = both > 1.1
    assert brighter_than_white.sum() > 50
    assert (green / both)[brighter_than_white].min() > 0.93


@pytest.mark.parametrize("most", [64_000, 2_500, 1_000, 900])
def test_the_finest_map_that_fits_is_taken(frame: RawFrame, rendered: Picture, most: int) -> None:
    record = rendered.record
    assert record is not None
    found = brighter(frame.mosaic, record.recipe, rendered.pixels)
    assert found is not None
    made = fitted_gain_map(found, most)
    assert made is not None
    assert len(made.image) <= most
    height = Image.open(io.BytesIO(made.image)).height
    assert height == (100 if most == 64_000 else height)
    assert (height < 100) == (most < 2_500), "quality goes before resolution"
    back = highlights_of(made, 200, 260)
    assert back is not None
    assert back.scale == 200 // height


def test_none_fits_into_nothing_and_none_is_made_of_what_does_not_clip(frame: RawFrame, rendered: Picture) -> None:
    record = rendered.record
    assert record is not None
    found = brighter(frame.mosaic, record.recipe, rendered.pixels)
    assert found is not None
    assert fitted_gain_map(found, 100) is None
    with load("closed-form") as model:
        dark = dark_frame()
        picture = model.render(dark, RunOptions(raw_budget=RawBudget(0)))
        assert picture.record is not None
        assert brighter(dark.mosaic, picture.record.recipe, picture.pixels) is None
        assert model.render(dark).gain_map is None


def jpeg_of_size(width: int, height: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (width, height)).save(stream, "JPEG", subsampling="4:4:4")
    return stream.getvalue()


def test_a_map_of_another_size_is_none_of_ours() -> None:
    assert highlights_of(GainMap(jpeg_of_size(37, 20), 16), 200, 260) is None


def test_neither_is_one_whose_pixels_are_cut_off() -> None:
    """Two bytes of the scan's header are those of the end."""
    image = jpeg_of_size(130, 100)
    scan = jpeg.start_of_scan(image)
    size = int.from_bytes(image[scan + 2 : scan + 4], "big")
    assert highlights_of(GainMap(image, 16), 200, 260) is not None
    assert highlights_of(GainMap(image[: scan + size] + jpeg.END, 16), 200, 260) is None


def test_a_coarser_map_has_the_mean_of_what_clips() -> None:
    rng = np.random.default_rng(2)
    stops = rng.integers(0, 2 * 4096, (128, 160, 3)).astype(np.uint16)
    count = rng.integers(0, 5, (128, 160)).astype(np.uint8)
    made = fitted_gain_map(Brighter(stops * (count > 0)[..., None], count, np.ones(3)), 12_000)
    assert made is not None
    shown = highlights_of(made, 256, 320)
    assert shown is not None
    assert shown.scale > 2
    step = shown.scale // 2
    weight = count.reshape(128 // step, step, 160 // step, step, 1).astype(float)
    mean = (stops.reshape(128 // step, step, 160 // step, step, 3) * weight).sum((1, 3)) / np.maximum(
        weight.sum((1, 3)), 1
    )
    off = shown.codes * (made.stops / 255) - mean / 4096
    assert abs(off.mean()) < 0.01
    assert off.std() < 0.75 * (mean / 4096).std(), "what is left is the map's JPEG"
