"""Frames through tiles and back: tiled equals whole, borders come off again, contracts are enforced."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CFA_PATTERNS, CameraContract
from invisp_deploy.errors import ContractError, EngineError, ImageFileError, RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.alignment import Alignment
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.recover import recover
from invisp_deploy.rendering.render import AlignedFrame, render
from invisp_deploy.rendering.tiled import plan_for, run_tiles, seam_error
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.torch_ import TorchRuntime
from invisp_deploy.tolerances import TOLERANCES
from tests.callable_runtime import computing
from tests.graphs import CANON_30D, Graphs, write_graphs

HALF = NetworkConfig(2, 8, 2)


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("half"), HALF, CANON_30D)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("full"), NetworkConfig(2, 8, 1), CameraContract())


def crop(frame: RawFrame, height: int, width: int) -> RawFrame:
    return replace(frame, mosaic=np.ascontiguousarray(frame.mosaic[:height, :width]))


@pytest.mark.parametrize(("height", "width", "tiles"), [(256, 256, 4), (230, 171, 2), (255, 97, 2), (30, 20, 1)])
@pytest.mark.parametrize("name", ["half", "full"])
def test_tiled_equals_whole(
    request: pytest.FixtureRequest, small_frame: RawFrame, name: str, height: int, width: int, tiles: int
) -> None:
    graphs: Graphs = request.getfixturevalue(name)
    config = graphs.checkpoint.config
    source_frame = crop(small_frame, height, width)
    with OnnxRuntime(graphs.forward) as runtime:
        aligned = AlignedFrame(source_frame, runtime)
        height, width = aligned.mosaic.shape
        results = []
        for memory in (1000, 3 if config.squeeze == 2 else 6):
            tiling = plan_for(runtime, height, width, memory)
            result = np.zeros((height, width, 3), np.uint8)
            run_tiles(runtime, tiling, aligned.mosaic, aligned.recipe.numbers(), result)
            results.append(result.astype(int))
        assert len(tiling) >= tiles
    assert np.abs(results[0] - results[1]).max() <= TOLERANCES["step-codes-8"].limit
    assert (results[0] != results[1]).mean() < 1e-3


def test_a_smaller_halo_shows_its_cost(half: Graphs, small_frame: RawFrame) -> None:
    with OnnxRuntime(half.forward) as runtime:
        aligned = AlignedFrame(small_frame, runtime)
        costs = [
            seam_error(runtime, plan_for(runtime, 256, 256, 3, halo), aligned.mosaic, aligned.recipe.numbers())
            for halo in (0, 12, None)
        ]
    assert 0.5 > costs[0] > costs[1] >= costs[2] == 0


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("shape", [(64, 80), (63, 81)])
def test_every_phase_and_odd_sizes_come_back(
    half: Graphs, small_frame: RawFrame, cfa: str, shape: tuple[int, int]
) -> None:
    row, column = next((r, c) for r in (0, 1) for c in (0, 1) if "RGGB GRBG GBRG BGGR".split()[r * 2 + c] == cfa)
    mosaic = np.ascontiguousarray(small_frame.mosaic[row : row + shape[0], column : column + shape[1]])
    frame = replace(small_frame, mosaic=mosaic, cfa=cfa, black=(128.0,) * 4)
    # a network that stays within [0, 1], so that nothing but rounding to 16 bits is lost
    cards = [replace(TorchRuntime(half.checkpoint, direction).card, bits=16) for direction in Direction]
    forward = computing(lambda x: x * np.float32(0.75) + np.float32(0.1), cards[0])
    inverse = computing(lambda y: (y - np.float32(0.1)) / np.float32(0.75), cards[1])
    picture = render(frame, forward)
    assert picture.pixels.dtype == np.uint16
    assert picture.pixels.shape[0] % 2 == picture.pixels.shape[1] % 2 == 0
    back = recover(picture, inverse)
    assert (back.cfa, back.mosaic.shape, back.black, back.white) == (cfa, shape, frame.black, frame.white)
    assert (back.orientation, back.color_matrix, back.make, back.model) == (
        frame.orientation,
        frame.color_matrix,
        frame.make,
        frame.model,
    )
    clean = np.clip(frame.mosaic.astype(int), 128, None)
    assert np.abs(back.mosaic.astype(int) - clean).max() <= 1


def test_even_rggb_frames_have_no_border(half: Graphs, small_frame: RawFrame) -> None:
    with OnnxRuntime(half.forward) as forward:
        record = render(small_frame, forward).record
    assert record is not None
    assert record.alignment == Alignment()
    assert not record.forced


def test_a_known_network_renders_known_values(half: Graphs, small_frame: RawFrame) -> None:
    """The identity in place of a network: the picture is the gamma-compressed demosaiced RAW, rounded."""
    card = TorchRuntime(half.checkpoint, Direction.FORWARD).card
    picture = render(small_frame, computing(lambda x: x, card))
    assert picture.record is not None
    green = small_frame.mosaic[0, 1]
    expected = round(((green - 128.0) / (picture.record.recipe.white - 128.0)) ** (1 / 2.2) * 255)
    assert picture.pixels[0, 1, 1] == expected


def test_another_camera_is_refused_by_name(half: Graphs, small_frame: RawFrame) -> None:
    foreign = replace(small_frame, make="NIKON CORPORATION", model="NIKON D5000")
    with OnnxRuntime(half.forward) as forward:
        with pytest.raises(ContractError, match="from NIKON CORPORATION NIKON D5000, .* for Canon EOS 30D"):
            render(foreign, forward)
        record = render(foreign, forward, RunOptions(force=True)).record
    assert record is not None
    assert record.forced
    assert record.facts.camera == "NIKON CORPORATION NIKON D5000"


def test_a_forced_picture_goes_back_without_force(half: Graphs, small_frame: RawFrame) -> None:
    foreign = replace(small_frame, make="Maker", model="Other", gains=(1.5, 1.0, 2.0))
    with OnnxRuntime(half.forward) as forward, OnnxRuntime(half.inverse) as inverse:
        back = recover(render(foreign, forward, RunOptions(force=True)), inverse)
    assert (back.camera, back.gains) == ("Maker Other", (1.5, 1.0, 2.0))


def test_other_weights_are_refused(half: Graphs, small_frame: RawFrame, tmp_path: Path) -> None:
    other = write_graphs(tmp_path, HALF, CANON_30D, seed=5)
    with OnnxRuntime(half.forward) as forward, OnnxRuntime(other.inverse) as inverse:
        picture = render(small_frame, forward)
        with pytest.raises(ContractError, match=f"weights {half.checkpoint.weights[:12]}, this model has"):
            recover(picture, inverse)
        assert recover(picture, inverse, RunOptions(force=True)).mosaic.shape == small_frame.mosaic.shape


def test_wrong_direction_and_missing_record(half: Graphs, small_frame: RawFrame) -> None:
    with OnnxRuntime(half.forward) as forward, OnnxRuntime(half.inverse) as inverse:
        picture = render(small_frame, forward)
        with pytest.raises(ContractError, match="pass the inverse graph"):
            recover(picture, forward)
        with pytest.raises(ContractError, match="pass the forward graph"):
            render(small_frame, inverse)
        with pytest.raises(ImageFileError, match="carries no way back"):
            recover(replace(picture, record=None), inverse)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["half", "full"])
def test_values_that_are_not_finite_stop_the_run(
    request: pytest.FixtureRequest, name: str, small_frame: RawFrame, value: float, tmp_path: Path
) -> None:
    """Rounded codes would not show them: the graph's mean does, in a runtime that we did not write."""
    graphs: Graphs = request.getfixturevalue(name)
    model = onnx.load(graphs.forward)
    bias = next(one for one in model.graph.initializer if one.name == "block1.F.conv5.bias")
    broken = numpy_helper.to_array(bias).copy()
    broken[0] = value
    bias.CopyFrom(numpy_helper.from_array(broken, bias.name))
    onnx.save(model, tmp_path / "broken.onnx")
    with (
        OnnxRuntime(tmp_path / "broken.onnx") as runtime,
        pytest.raises(EngineError, match="computed values that are not finite"),
    ):
        render(small_frame, runtime)


def test_a_picture_of_another_depth_is_refused(half: Graphs, small_frame: RawFrame) -> None:
    with OnnxRuntime(half.forward) as forward, OnnxRuntime(half.inverse) as inverse:
        picture = render(small_frame, forward)
        deep = replace(picture, pixels=picture.pixels.astype(np.uint16) * 257)
        with pytest.raises(RequestError, match="has codes of 16 bits, the graph takes 8"):
            recover(deep, inverse)


def test_another_curve_than_the_graphs_is_refused(half: Graphs, small_frame: RawFrame) -> None:
    with OnnxRuntime(half.forward) as forward, OnnxRuntime(half.inverse) as inverse:
        picture = render(small_frame, forward)
        assert picture.record is not None
        record = replace(picture.record, recipe=replace(picture.record.recipe, curve=1.8))
        with pytest.raises(
            ContractError, match=r"in camera RGB with the curve 1\.8, this model .* with the curve 2\.2"
        ):
            recover(replace(picture, record=record), inverse)
