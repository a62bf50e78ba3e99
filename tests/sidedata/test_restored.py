from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.errors import ImageFileError
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.rendering.model import Model, load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.sidedata.predictor import PREDICTOR_LAYER
from invisp_deploy.sidedata.residual import RESIDUAL_LAYER
from invisp_deploy.sidedata.restored import restoring
from tests.sidedata.frames import blown_frame, dark_frame

ALONE = RunOptions(raw_budget=RawBudget(0))


@pytest.fixture(scope="module")
def model() -> Model:
    return load("closed-form")


@pytest.fixture(scope="module")
def photo(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "a.jpg"
    model.render(blown_frame()).save(path)
    return path


def test_layers_of_another_picture_are_refused(model: Model, photo: Path, tmp_path: Path) -> None:
    model.render(dark_frame()).save(tmp_path / "b.jpg")
    other = read_picture(tmp_path / "b.jpg").layers
    mixed = replace(read_picture(photo), layers=other)
    with pytest.raises(ImageFileError, match="another picture's"):
        model.recover(mixed)
    alone = model.recover(photo, ALONE).mosaic
    np.testing.assert_array_equal(model.recover(mixed, ALONE).mosaic, alone)
    np.testing.assert_array_equal(model.recover(mixed, RunOptions(force=True)).mosaic, alone)


def test_damaged_layers_are_refused(model: Model, photo: Path) -> None:
    whole = read_picture(photo)
    with pytest.raises(ImageFileError, match="damaged"):
        model.recover(replace(whole, layers={PREDICTOR_LAYER: whole.layers[PREDICTOR_LAYER][:-3]}))


def test_a_picture_whose_layers_were_stripped_goes_back_by_the_network(model: Model, photo: Path) -> None:
    stripped = replace(read_picture(photo), layers={}, gain_map=None)
    np.testing.assert_array_equal(model.recover(stripped).mosaic, model.recover(photo, ALONE).mosaic)


def test_without_its_gain_map_what_does_not_clip_is_the_same(model: Model, photo: Path) -> None:
    whole = read_picture(photo)
    there, gone = (model.recover(each).mosaic for each in (whole, replace(whole, gain_map=None)))
    dark = slice(150, None)
    np.testing.assert_array_equal(there[dark], gone[dark])
    assert (there != gone).mean() > 0.05


@pytest.fixture(scope="module")
def exact(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exact") / "a.jpg"
    model.render(blown_frame(), RunOptions(raw_budget=RawBudget(max_error=0))).save(path)
    return path


def test_the_means_say_how_far_off_a_raw_may_be(model: Model, photo: Path, exact: Path, tmp_path: Path) -> None:
    model.render(blown_frame(), RunOptions(raw_budget=RawBudget(max_error=7))).save(tmp_path / "b.jpg")
    said = [restoring(read_picture(path), "x").means for path in (photo, exact, tmp_path / "b.jpg")]  # type: ignore[union-attr]
    assert said == ["its predictor", "its residual, exact", "its residual, within 7 DN"]


def test_a_bound_by_noise_is_told_for_what_the_sensor_gives(model: Model, tmp_path: Path) -> None:
    """Not for DN above its white, where the noise would be several times that."""
    frame = blown_frame(600, 800)
    model.render(frame, RunOptions(raw_budget=RawBudget(max_noise=3))).save(tmp_path / "a.jpg")
    carried = restoring(read_picture(tmp_path / "a.jpg"), "x")
    assert carried is not None
    most = int(carried.means.split()[-2])
    off = np.abs(model.recover(tmp_path / "a.jpg").mosaic.astype(int) - frame.mosaic)
    assert off.max() <= most < 1.5 * 3 * np.sqrt(frame.white / 65536 * frame.white + 1)


def test_pixels_of_another_decoder_are_refused_where_it_matters(model: Model, exact: Path, photo: Path) -> None:
    """One code of one pixel, as a GPU's decoder gives it; the file is the one that was written."""
    for path in (exact, photo):
        picture = read_picture(path)
        pixels = picture.pixels.copy()
        pixels[100, 100, 1] ^= 1
        other = replace(picture, pixels=pixels)
        if path == exact:
            with pytest.raises(ImageFileError, match="decoded to other pixels than its residual was made for"):
                model.recover(other)
        else:
            near, there = (model.recover(each).mosaic.astype(int) for each in (other, picture))
            assert 0 < np.abs(near - there).max() < 60


def test_without_its_residual_or_gain_map_the_rest_is_used_and_told(model: Model, exact: Path) -> None:
    whole = read_picture(exact)
    layers = {name: data for name, data in whole.layers.items() if name != RESIDUAL_LAYER}
    for changed, words in (
        (replace(whole, layers=layers), "has lost its residual"),
        (replace(whole, gain_map=None), "has lost its gain map"),
        (replace(whole, layers=layers, gain_map=None), "its gain map and its residual"),
    ):
        carried = restoring(changed, "a.jpg")
        assert carried is not None
        assert words in carried.notes[0]
        assert "not within its bound" in carried.notes[0]
        assert carried.means == "its predictor"
        back = model.recover(changed)
        assert back.mosaic.shape == (200, 260)
        assert words in back.notes[0], "whoever has the frame is told"


def test_a_residual_of_another_picture_is_refused(model: Model, exact: Path, tmp_path: Path) -> None:
    options = RunOptions(raw_budget=RawBudget(max_error=0))
    model.render(blown_frame(seed=2), options).save(tmp_path / "b.jpg")
    layers = {**read_picture(exact).layers, RESIDUAL_LAYER: read_picture(tmp_path / "b.jpg").layers[RESIDUAL_LAYER]}
    with pytest.raises(ImageFileError, match="residual"):
        model.recover(replace(read_picture(exact), layers=layers))
