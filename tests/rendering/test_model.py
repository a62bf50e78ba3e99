"""A model by name, folder or file: both directions of one export, opened when they are needed, closed once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import ContractError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.graph_card import Direction
from invisp_deploy.rendering.model import Model, load, model_that_rendered
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.sidedata.options import RawBudget
from tests.graphs import CANON_30D, write_graphs

ALONE = RunOptions(raw_budget=RawBudget(0))

CONFIG = NetworkConfig(2, 8, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of 8 and of 16 bits."""
    made = tmp_path_factory.mktemp("export")
    for bits in (8, 16):
        write_graphs(made, CONFIG, CANON_30D, bits=bits)
    return made


def test_a_folder_renders_and_takes_back_in_both_depths(folder: Path, small_dng: Path, tmp_path: Path) -> None:
    with load(folder) as model:
        assert model.opened == (), "nothing is opened before it is needed"
        model.render(small_dng).save(tmp_path / "a.jpg")
        assert len(model.opened) == 1
        model.render(small_dng, bits=16).save(tmp_path / "a.tif")
        for name in ("a.jpg", "a.tif"):
            frame = model.recover(tmp_path / name, ALONE)
            assert frame.camera == "Canon EOS 30D"
            frame.save(tmp_path / "a.dng")
        assert len(model.opened) == 4
    assert model.opened == ()


def test_a_picture_in_memory_goes_back_like_its_file(folder: Path, small_frame: RawFrame, tmp_path: Path) -> None:
    with load(folder) as model:
        picture = model.render(small_frame)
        picture.save(tmp_path / "a.png")
        np.testing.assert_array_equal(
            model.recover(picture).mosaic, model.recover(read_picture(tmp_path / "a.png"), ALONE).mosaic
        )


@pytest.mark.parametrize("name", ["forward", "inverse", "forward16"])
def test_a_file_finds_the_other_direction_beside_it(folder: Path, small_frame: RawFrame, name: str) -> None:
    with load(folder / f"{name}.onnx") as model:
        assert model.only is Direction(name.removesuffix("16"))
        assert model.recover(model.render(small_frame)).mosaic.shape == small_frame.mosaic.shape


def test_a_lone_file_of_any_name_goes_one_way(folder: Path, small_frame: RawFrame, tmp_path: Path) -> None:
    shutil.copy(folder / "forward.onnx", tmp_path / "mine.onnx")
    with load(tmp_path / "mine.onnx") as model:
        picture = model.render(small_frame)
        with pytest.raises(RequestError, match=r"mine\.onnx has no inverse graph"):
            model.recover(picture)


def test_a_depth_that_the_export_lacks_is_said(folder: Path, small_frame: RawFrame, tmp_path: Path) -> None:
    shutil.copy(folder / "forward.onnx", tmp_path / "forward.onnx")
    with load(tmp_path) as model, pytest.raises(RequestError, match="codes of 8 bits, a file of 16 was asked for"):
        model.render(small_frame, bits=16)


def test_directions_of_other_weights_or_contracts_are_no_model(folder: Path, tmp_path: Path) -> None:
    other = write_graphs(tmp_path, CONFIG, CANON_30D, seed=5)
    with pytest.raises(ContractError, match="has the weights .*, the other direction .*take one export whole"):
        Model.of("mixed", OnnxRuntime(folder / "forward.onnx"), OnnxRuntime(other.inverse))
    bound = write_graphs(tmp_path, CONFIG, replace(CANON_30D, white="file"))
    with pytest.raises(ContractError, match="another camera contract"):
        Model.of("mixed", OnnxRuntime(folder / "forward.onnx"), OnnxRuntime(bound.inverse))


def test_what_is_no_model_is_refused_with_what_there_is(tmp_path: Path) -> None:
    shipped = r"\(universal, natural, vivid, closed-form\)"
    with pytest.raises(RequestError, match=f"There is no model nona: name a shipped one {shipped}"):
        load("nona")
    with pytest.raises(RequestError, match="holds no model: expected forward.onnx and inverse.onnx"):
        load(tmp_path)


def test_a_shipped_model_knows_its_pictures(small_dng: Path) -> None:
    with load("closed-form") as model:
        assert model_that_rendered(model.render(small_dng).record) == "closed-form"
    assert model_that_rendered(None) == "universal"
