"""Frames through tiles and back: tiled equals whole, borders come off again, contracts are enforced."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CFA_PATTERNS, CameraContract
from invisp_deploy.errors import ContractError, EngineError, ImageFileError
from invisp_deploy.formats.picture import Picture
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.alignment import Border
from invisp_deploy.isp.frame import RawFrame
from invisp_deploy.isp.levels import Levels
from invisp_deploy.rendering.camera import InNumpy
from invisp_deploy.rendering.recover import PictureSource, recover
from invisp_deploy.rendering.render import FrameSource, render
from invisp_deploy.rendering.tiled import run_tiles, seam_error
from invisp_deploy.rendering.tiles import plan_tiles
from invisp_deploy.runtimes.callable_ import CallableRuntime
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.runtimes.torch_ import TorchRuntime
from invisp_deploy.tolerances import TOLERANCES
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
        source = FrameSource(source_frame, runtime)
        height, width = source.mosaic.shape
        results = []
        for memory in (1000, 3 if config.squeeze == 2 else 6):
            plan = plan_tiles(height, width, config, memory)
            result = np.full((3, height, width), np.nan, np.float32)

            def write(core: tuple[slice, slice], part: np.ndarray, result: np.ndarray = result) -> None:
                result[(slice(None), *core)] = part

            run_tiles(runtime, plan, source.read, write)
            results.append(result)
        assert len(plan) >= tiles
    assert np.abs(results[0] - results[1]).max() <= TOLERANCES["tiled"].limit


def test_a_smaller_halo_shows_its_cost(half: Graphs, small_frame: RawFrame) -> None:
    with OnnxRuntime(half.forward) as runtime:
        source = FrameSource(small_frame, runtime)
        costs = [
            seam_error(runtime, plan_tiles(256, 256, HALF, 3, halo), source.read)
            for halo in (0, 8, HALF.halo - 2, None)
        ]
    assert costs[0] > costs[1] >= costs[2] > 0
    assert costs[3] == 0


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("shape", [(64, 80), (63, 81)])
def test_every_phase_and_odd_sizes_come_back(
    half: Graphs, small_frame: RawFrame, cfa: str, shape: tuple[int, int]
) -> None:
    row, column = next((r, c) for r in (0, 1) for c in (0, 1) if "RGGB GRBG GBRG BGGR".split()[r * 2 + c] == cfa)
    mosaic = np.ascontiguousarray(small_frame.mosaic[row : row + shape[0], column : column + shape[1]])
    frame = replace(small_frame, mosaic=mosaic, cfa=cfa, black=(128.0,) * 4)
    # a network that stays within [0, 1], so that nothing but rounding to 16 bits is lost
    cards = [TorchRuntime(half.checkpoint, direction).card for direction in Direction]
    forward = CallableRuntime(lambda x: x * np.float32(0.75) + np.float32(0.1), cards[0])
    inverse = CallableRuntime(lambda y: (y - np.float32(0.1)) / np.float32(0.75), cards[1])
    pixels, record = render(frame, forward, bits=16)
    assert pixels.shape[0] % 2 == pixels.shape[1] % 2 == 0
    back = recover(Picture(pixels, record, frame.exif), inverse)
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
        _, record = render(small_frame, forward)
    assert record.border == Border()
    assert not record.forced


def test_a_known_network_renders_known_values(half: Graphs, small_frame: RawFrame) -> None:
    """The identity in place of a network: the picture is the gamma-compressed demosaiced RAW, rounded."""
    card = TorchRuntime(half.checkpoint, Direction.FORWARD).card
    pixels, record = render(small_frame, CallableRuntime(lambda x: x, card))
    levels = record.levels
    green = small_frame.mosaic[0, 1]
    expected = round(((green - 128.0) / (levels.white - 128.0)) ** (1 / 2.2) * 255)
    assert pixels[0, 1, 1] == expected


def test_another_camera_is_refused_by_name(half: Graphs, small_frame: RawFrame) -> None:
    foreign = replace(small_frame, make="NIKON CORPORATION", model="NIKON D5000")
    with OnnxRuntime(half.forward) as forward:
        with pytest.raises(ContractError, match="from NIKON CORPORATION NIKON D5000, .* for Canon EOS 30D"):
            render(foreign, forward)
        _, record = render(foreign, forward, force=True)
    assert record.forced
    assert record.camera == "NIKON CORPORATION NIKON D5000"


def test_a_forced_picture_goes_back_without_force(half: Graphs, small_frame: RawFrame) -> None:
    foreign = replace(small_frame, make="Maker", model="Other", gains=(1.5, 1.0, 2.0))
    with OnnxRuntime(half.forward) as forward, OnnxRuntime(half.inverse) as inverse:
        pixels, record = render(foreign, forward, force=True)
        back = recover(Picture(pixels, record), inverse)
    assert (back.camera, back.gains) == ("Maker Other", (1.5, 1.0, 2.0))


def test_other_weights_are_refused(half: Graphs, small_frame: RawFrame, tmp_path: Path) -> None:
    other = write_graphs(tmp_path, HALF, CANON_30D, seed=5)
    with OnnxRuntime(half.forward) as forward, OnnxRuntime(other.inverse) as inverse:
        pixels, record = render(small_frame, forward)
        with pytest.raises(ContractError, match=f"weights {half.checkpoint.weights[:12]}, this engine has"):
            recover(Picture(pixels, record), inverse)
        assert recover(Picture(pixels, record), inverse, force=True).mosaic.shape == small_frame.mosaic.shape


def test_wrong_direction_and_missing_record(half: Graphs, small_frame: RawFrame) -> None:
    with OnnxRuntime(half.forward) as forward, OnnxRuntime(half.inverse) as inverse:
        pixels, record = render(small_frame, forward)
        with pytest.raises(ContractError, match="pass the inverse graph"):
            recover(Picture(pixels, record), forward)
        with pytest.raises(ContractError, match="pass the forward graph"):
            render(small_frame, inverse)
        with pytest.raises(ImageFileError, match="carries no way back"):
            recover(Picture(pixels, None), inverse)


def test_values_that_are_not_finite_stop_the_run(half: Graphs, small_frame: RawFrame) -> None:
    card = TorchRuntime(half.checkpoint, Direction.FORWARD).card
    with pytest.raises(EngineError, match="not finite in rows 0 to 256"):
        render(small_frame, CallableRuntime(lambda x: x * np.float32(np.nan), card))


def test_the_inverse_sees_the_picture_in_its_own_depth() -> None:
    camera = InNumpy(Levels("RGGB", (0.0,) * 4, 1.0, (1.0,) * 3, 2.2))
    eight = PictureSource(Picture(np.full((2, 2, 3), 255, np.uint8), None), camera)
    sixteen = PictureSource(Picture(np.full((2, 2, 3), 65535, np.uint16), None), camera)
    window = (slice(0, 2), slice(0, 2))
    for source in (eight, sixteen):
        tensor = source.read(window)
        assert tensor.dtype == np.float32
        assert (tensor == 1).all()
