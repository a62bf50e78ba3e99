"""Calibration tiles: what the network would see of a RAW file, at places that a seed decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.calibration.tiles import CalibrationTile, check_tiles
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CFA_PATTERNS, CameraContract
from invisp_deploy.errors import ContractError, RawFileError, RequestError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.rendering.render import AlignedFrame
from tests.calibration.cutting import calibration_tiles
from tests.callable_runtime import computing
from tests.graphs import CANON_30D


def tiles(paths: list[Path], contract: CameraContract = CANON_30D, **options: int) -> list[CalibrationTile]:
    return list(calibration_tiles(paths, contract, **options))


def test_equal_seeds_give_equal_tiles(small_dng: Path) -> None:
    one, two, other = (tiles([small_dng], size=32, per_file=5, seed=seed) for seed in (4, 4, 5))
    places = [[(tile.row, tile.column) for tile in run] for run in (one, two, other)]
    assert places[0] == places[1] != places[2]
    assert len(set(places[0])) == 5
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.raw, b.raw)


def test_tiles_are_the_forward_graphs_input(small_dng: Path, small_frame: RawFrame) -> None:
    """A tile has its real neighbours around it, as in rendering; alone, its edge would come out differently."""
    card = GraphCard(Direction.FORWARD, NetworkConfig(1, 4, 2), CANON_30D, "0" * 64)
    seen: list[np.ndarray] = []
    aligned = AlignedFrame(small_frame, runtime := computing(lambda x: seen.append(x) or x, card))
    runtime.apply(aligned.mosaic, aligned.recipe.numbers())
    (whole,) = seen
    for tile in tiles([small_dng], size=48, per_file=6):
        assert tile.path == small_dng
        assert tile.raw.shape == (1, 3, 48, 48)
        assert tile.raw.dtype == np.float32
        assert tile.row % 2 == tile.column % 2 == 0
        window = (slice(tile.row, tile.row + 48), slice(tile.column, tile.column + 48))
        expected = whole[0][:, window[0], window[1]]
        np.testing.assert_allclose(tile.raw[0], expected, atol=2e-6)  # gains pass the DNG's rationals


def test_tiles_reach_every_edge(small_frame: RawFrame, tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    write_dng(path, replace(small_frame, mosaic=np.ascontiguousarray(small_frame.mosaic[:36, :38])))
    found = tiles([path], size=32, per_file=200)
    assert {tile.row for tile in found} == {0, 2, 4}
    assert {tile.column for tile in found} == {0, 2, 4, 6}


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_every_phase_comes_as_the_contract_has_it(cfa: str, small_frame: RawFrame, tmp_path: Path) -> None:
    """Light of one colour at a time: in an RGGB tile, the sites that measured it are where RGGB has them."""
    rows, columns = np.indices((70, 70))
    colours = np.array(list(cfa))[rows % 2 * 2 + columns % 2]
    noise = np.random.default_rng(0).integers(1000, 4000, (70, 70))
    for channel, colour in enumerate("RGB"):
        mosaic = np.where(colours == colour, noise, 200).astype(np.uint16)
        path = tmp_path / f"{colour}.dng"
        write_dng(path, replace(small_frame, mosaic=mosaic, cfa=cfa, black=(128.0,) * 4, gains=(1.0, 1.0, 1.0)))
        for tile in tiles([path], replace(CANON_30D, white="file", curve=1.0), size=16, per_file=3):
            digital = tile.raw[0] * (4095 - 128) + 128
            sites = np.tile(np.array(list("RGGB")).reshape(2, 2) == colour, (8, 8))
            # a measured site holds a number of the mosaic; one filled in between holds a mean of several
            assert np.isin(np.rint(digital[channel][sites]), mosaic[colours == colour]).all()
            np.testing.assert_allclose(digital[channel][sites], np.rint(digital[channel][sites]), atol=0.01)
            assert np.ptp(digital[channel][sites]) > 500
            np.testing.assert_allclose(np.delete(digital, channel, 0), 200, atol=0.01)


@pytest.mark.parametrize(("size", "count", "words"), [(31, 8, "got 31 and 8"), (0, 8, "got 0"), (32, 0, "and 0")])
def test_impossible_tiles_are_refused(size: int, count: int, words: str, small_dng: Path) -> None:
    with pytest.raises(RequestError, match=words):
        check_tiles([small_dng], size, count)


def test_no_files_are_refused() -> None:
    with pytest.raises(RequestError, match="needs RAW files"):
        check_tiles([], 32, 1)


def test_a_file_smaller_than_a_tile_is_refused_by_name(small_dng: Path) -> None:
    with pytest.raises(RequestError, match=r"small\.dng is smaller than a tile of 258 pixels"):
        tiles([small_dng], size=258)


def test_another_camera_is_refused_by_name(small_dng: Path) -> None:
    with pytest.raises(ContractError, match=r"small\.dng is from Canon EOS 30D, these weights are for NIKON D700"):
        tiles([small_dng], replace(CANON_30D, make="Nikon", model="NIKON D700"))


def test_a_file_that_does_not_open_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "bad.dng").write_text("nothing" * 300)
    with pytest.raises(RawFileError, match=r"bad\.dng"):
        tiles([tmp_path / "bad.dng"])
