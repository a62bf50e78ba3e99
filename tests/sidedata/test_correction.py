from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.errors import ImageFileError
from invisp_deploy.evaluation.metrics import raw_psnr
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.graph_card import Direction
from invisp_deploy.rendering.model import Model, load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.render import render
from invisp_deploy.sidedata.correction import NEIGHBOURS, corrected
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.sidedata.predictor import PREDICTOR_LAYER, Predictor
from tests.graphs import write_graphs
from tests.sidedata.frames import blown_frame, dark_frame

ALONE = RunOptions(raw_budget=RawBudget(0))
UNCHANGED = np.zeros((4, NEIGHBOURS), np.int32)
UNCHANGED[:, NEIGHBOURS // 2 - 1] = 1 << 24


def grey(size: tuple[int, int]) -> np.ndarray:
    return np.full((*size, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Model:
    contract = replace(UNIVERSAL, look="night", white="file", clips=False)
    return write_graphs(tmp_path_factory.mktemp("night"), NetworkConfig(1, 4, 2), contract).model()


def darker_frame(height: int = 200, width: int = 260) -> RawFrame:
    """The look brightens: half of what LibRaw's does not clip."""
    frame = dark_frame(height, width)
    return replace(frame, mosaic=(128 + (frame.mosaic.astype(int) - 128).clip(0) // 2).astype(np.uint16))


@pytest.mark.parametrize("size", [(200, 260), (201, 259), (60, 62), (700, 640)])
def test_what_a_look_carries_brings_its_raw_nearer(look: Model, size: tuple[int, int], tmp_path: Path) -> None:
    frame = darker_frame(*size)
    look.render(frame).save(tmp_path / "a.jpg")
    picture = read_picture(tmp_path / "a.jpg")
    assert picture.record is not None
    assert len(picture.layers[PREDICTOR_LAYER]) < 450
    recipe = picture.record.recipe
    alone, found = (
        raw_psnr(look.recover(tmp_path / "a.jpg", options).mosaic, frame.mosaic, recipe)
        for options in (ALONE, RunOptions())
    )
    assert found > alone + 0.3


def test_without_the_inverse_at_hand_nothing_is_fitted(look: Model, tmp_path: Path) -> None:
    frame = darker_frame()
    render(frame, look.runtime(Direction.FORWARD)).save(tmp_path / "a.jpg")
    assert PREDICTOR_LAYER not in read_picture(tmp_path / "a.jpg").layers
    with load(look.files()[Direction.FORWARD].parent) as again:
        assert np.array_equal(again.recover(tmp_path / "a.jpg").mosaic, again.recover(tmp_path / "a.jpg", ALONE).mosaic)


def test_highlights_go_on_top(look: Model, tmp_path: Path) -> None:
    look.render(blown_frame()).save(tmp_path / "a.jpg")
    predictor = Predictor.from_bytes(read_picture(tmp_path / "a.jpg").layers[PREDICTOR_LAYER], "a.jpg")
    assert predictor.open is None
    assert predictor.network is not None
    truth = blown_frame()
    alone, found = (look.recover(tmp_path / "a.jpg", options).mosaic for options in (ALONE, RunOptions()))
    errors = [float(((each.astype(np.float64) - truth.mosaic) ** 2).mean()) for each in (alone, found)]
    assert errors[1] < errors[0]


def test_filters_that_change_nothing_change_nothing() -> None:
    for size in ((2, 4), (130, 66)):
        mosaic = np.random.default_rng(0).integers(0, 4096, size).astype(np.uint16)
        assert np.array_equal(corrected(mosaic, grey(size), UNCHANGED, 4095), mosaic)
        assert corrected(mosaic, grey(size), UNCHANGED, 1000).max() <= 1000


def test_where_a_picture_is_black_nothing_is_filtered() -> None:
    mosaic = np.random.default_rng(0).integers(0, 4096, (130, 66)).astype(np.uint16)
    pixels = grey(mosaic.shape)
    pixels[:50, :, 2] = 0
    found = corrected(mosaic, pixels, UNCHANGED // 2, 4095)
    assert np.array_equal(found[:50], mosaic[:50])
    assert abs(found[50:].astype(int) - mosaic[50:] / 2).max() <= 0.5


def test_each_site_is_the_sum_of_its_neighbours() -> None:
    random = np.random.default_rng(1)
    mosaic = random.integers(0, 4096, (10, 14)).astype(np.uint16)
    filters = random.integers(-(1 << 21), 1 << 21, (4, NEIGHBOURS)).astype(np.int32)
    found = corrected(mosaic, grey(mosaic.shape), filters, 65535)
    for row, column in ((3, 4), (4, 5), (6, 8), (5, 9)):
        around = mosaic[row - 2 : row + 3, column - 2 : column + 3].ravel().tolist()
        taps = filters[row % 2 * 2 + column % 2].tolist()
        total = sum(each * tap for each, tap in zip([*around, 256], taps, strict=True))
        assert found[row, column] == min(max((total + (1 << 23)) >> 24, 0), 65535)


def test_a_layer_cut_short_is_said(look: Model, tmp_path: Path) -> None:
    look.render(darker_frame()).save(tmp_path / "a.jpg")
    layer = read_picture(tmp_path / "a.jpg").layers[PREDICTOR_LAYER]
    for damaged in (layer[:-4], layer + b"1234", layer[:60]):
        with pytest.raises(ImageFileError, match="a.jpg carries is damaged"):
            Predictor.from_bytes(damaged, "a.jpg")
