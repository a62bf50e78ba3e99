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
