from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.isp.steps import Array
from invisp_deploy.rendering.tiled import plan_for, run_tiles, seam_error
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY, Tiling, bytes_per_pixel, plan_tiles, plan_windows
from invisp_deploy.runtimes.base import Runtime, Size
from invisp_deploy.runtimes.onnxruntime_ import OnnxRuntime
from invisp_deploy.tolerances import TOLERANCES
from tests.graphs import write_graphs

EDGE, PAPER = CONFIGURATIONS["edge"], CONFIGURATIONS["paper"]


@pytest.mark.parametrize(
    ("height", "width", "config", "memory"),
    [
        (2348, 3522, EDGE, DEFAULT_MEMORY),
        (4000, 6000, EDGE, DEFAULT_MEMORY),
        (46, 1000, EDGE, 20),
        (301, 517, PAPER, 200),
        (2, 2, EDGE, 16),
        (1, 1, PAPER, 16),
    ],
)
def test_cores_cover_the_picture_once(height: int, width: int, config: NetworkConfig, memory: int) -> None:
    tiling = plan_tiles(height, width, config, memory)
    seen = np.zeros((height, width), np.uint8)
    for tile in tiling:
        seen[tile.rows.core, tile.columns.core] += 1
        for span, size in ((tile.rows, height), (tile.columns, width)):
            assert span.start == max(span.core_start - config.halo, 0)
            assert span.stop == min(span.core_stop + config.halo, size)
            assert span.start % config.squeeze == 0
            assert span.size % config.squeeze == 0
    assert (seen == 1).all()
    assert tiling.largest * bytes_per_pixel(config) <= memory * 1e6


def test_eight_megapixels_compute_at_most_1_4_times_the_pixels() -> None:
    tiling = plan_tiles(2348, 3522, EDGE)
    assert tiling.computed / (2348 * 3522) <= 1.4


def test_strips_where_they_compute_less() -> None:
    assert len(plan_tiles(6000, 500, EDGE, memory=200).columns) == 1
    assert len(plan_tiles(500, 6000, EDGE, memory=200).rows) == 1


def test_the_plan_is_the_cheapest_grid() -> None:
    tiling = plan_tiles(600, 900, EDGE, memory=60)
    limit = 60e6 / bytes_per_pixel(EDGE)
    for rows in range(1, 40):
        for columns in range(1, 40):
            core = (-(-600 // rows), -(-900 // columns))
            spans = [
                [min(start + c + 160, size) - max(start - 160, 0) for start in range(0, size, c)]
                for c, size in zip((core[0] + core[0] % 2, core[1] + core[1] % 2), (600, 900), strict=True)
            ]
            if max(spans[0]) * max(spans[1]) <= limit:
                assert tiling.computed <= sum(spans[0]) * sum(spans[1])


@pytest.mark.parametrize("name", ["closed-form", "universal"])
def test_tiles_of_a_small_network_stay_in_the_cache(name: str) -> None:
    config = CONFIGURATIONS[name]
    tiling = plan_tiles(5478, 8216, config)
    assert 16e6 < tiling.largest * bytes_per_pixel(config) <= 32e6
    assert tiling.computed / (5478 * 8216) < 1.15


@pytest.mark.parametrize("name", ["edge", "nano", "paper"])
def test_a_wide_halo_costs_more_than_the_cache_gives(name: str) -> None:
    config = CONFIGURATIONS[name]
    tiling, cached = plan_tiles(5478, 8216, config), plan_tiles(5478, 8216, config, memory=64)
    assert tiling.largest * bytes_per_pixel(config) > 200e6
    assert tiling.computed * 1.3 < cached.computed


def test_too_little_memory_says_how_much() -> None:
    with pytest.raises(RequestError, match=r"needs about \d+ MB, `memory` allows 16"):
        plan_tiles(3000, 4000, PAPER, memory=16)


def test_halo_beyond_the_receptive_radius_is_refused() -> None:
    with pytest.raises(RequestError, match="`halo` must be 0 to 160"):
        plan_tiles(500, 500, EDGE, halo=161)
    assert plan_tiles(500, 500, EDGE, memory=20, halo=19).halo == 20


def check(tiling: Tiling, height: int, width: int, config: NetworkConfig, low: int, high: int) -> None:
    """Cores cover once; windows have an engine's size, end at true borders, and reach a halo around their core."""
    reach = tiling.halo
    for spans, size in ((tiling.rows, height), (tiling.columns, width)):
        assert [span.core_start for span in spans[1:]] == [span.core_stop for span in spans[:-1]]
        assert (spans[0].core_start, spans[-1].core_stop) == (0, size)
        for span in spans:
            assert low <= span.size <= high
            assert span.size == spans[0].size, "one size: an engine is not reshaped between tiles"
            assert 0 <= span.start <= span.core_start < span.core_stop <= span.stop <= size
            assert span.start % config.squeeze == 0
            assert span.size % config.squeeze == 0
            assert span.start == 0 or span.start <= span.core_start - reach
            assert span.stop == size or span.stop >= span.core_stop + reach


@pytest.mark.parametrize(("config", "tile"), [(EDGE, 322), (EDGE, 512), (PAPER, 161), (PAPER, 256)], ids=str)
@pytest.mark.parametrize("fixed", [True, False])
def test_windows_of_an_engine_at_every_size(config: NetworkConfig, tile: int, fixed: bool) -> None:
    step = config.squeeze
    tile += tile % step
    low = tile if fixed else 2 * step
    for size in range(low, 4 * tile, 7 * step):
        tiling = plan_windows(size, tile, config, (low, low), (tile, tile))
        check(tiling, size, tile, config, low, tile)
        room = tile - 2 * config.halo
        fewest = 1 if size <= tile else -(-(size - 2 * config.halo) // room)
        assert len(tiling.rows) == fewest, "ends keep one halo less, so n tiles reach 2 halos further than n cores"
        assert len(tiling.columns) == 1


def test_a_profile_computes_less_than_its_largest_tile_would() -> None:
    fixed = plan_windows(1100, 1100, EDGE, (1024, 1024), (1024, 1024))
    free = plan_windows(1100, 1100, EDGE, (256, 256), (1024, 1024))
    assert len(fixed) == len(free) == 4
    assert free.computed == (1100 + 320) ** 2 < fixed.computed == (2 * 1024) ** 2


def test_sides_of_an_engine_differ() -> None:
    tiling = plan_windows(1200, 2000, EDGE, (384, 768), (384, 768))
    assert {span.size for span in tiling.rows} == {384}
    assert {span.size for span in tiling.columns} == {768}


@pytest.mark.parametrize(
    ("height", "width", "low", "high", "words"),
    [
        (500, 2000, 512, 512, "500x2000.*no less than 512x512.*smaller tile.*profile"),
        (100, 100, 128, 512, "no less than 128x128"),
        (2000, 2000, 320, 320, "at most 320 pixels.*halo of 160.*a tile above 320"),
        (2000, 2000, 64, 321, "at most 320 pixels"),
    ],
)
def test_what_an_engine_has_no_window_for(height: int, width: int, low: int, high: int, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        plan_windows(height, width, EDGE, (low, low), (high, high))


NUMBERS = Recipe("RGGB", (128.0,) * 4, 4095.0, (1.0, 0.5, 0.75), 2.2).numbers()


class Bounded(Runtime):
    """A graph in ONNX Runtime that takes only the sizes that an engine would."""

    def __init__(self, graph: Path, side: Size) -> None:
        self._inner = OnnxRuntime(graph)
        self.name, self.card = "bounded", self._inner.card
        mosaic, *numbers = self._inner.inputs
        self.inputs = (replace(mosaic, shape=(1, side, side, 2)), *numbers)
        self.outputs = self._inner.outputs

    def _run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return self._inner.run(feeds)


def tiled(runtime: Runtime, mosaic: Array, tiling: Tiling) -> Array:
    result = np.zeros((*mosaic.shape, 3), np.uint8)
    run_tiles(runtime, tiling, mosaic, NUMBERS, result)
    return result.astype(int)


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).integers(128, 4096, shape).astype(np.uint16)


@pytest.fixture(scope="module", params=[1, 2], ids=["full", "half"])
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = NetworkConfig(2, 4, request.param)
    return write_graphs(tmp_path_factory.mktemp("graphs"), config, CameraContract()).forward


@pytest.mark.parametrize("side", [100, (8, 100)], ids=["fixed", "profile"])
@pytest.mark.parametrize("size", [(100, 100), (102, 250), (130, 168), (202, 100), (118, 318)], ids=str)
def test_an_engine_s_tiles_equal_the_whole(graph: Path, side: Size, size: tuple[int, int]) -> None:
    runtime, mosaic = Bounded(graph, side), noise(*size)
    tiling = plan_for(runtime, *size)
    whole = OnnxRuntime(graph).apply(mosaic, NUMBERS).astype(int)
    made = tiled(runtime, mosaic, tiling)
    assert np.abs(made - whole).max() <= TOLERANCES["step-codes-8"].limit
    assert (made != whole).mean() < 1e-3
    assert whole.std() > 10


@pytest.mark.parametrize("side", [100, (8, 100)], ids=["fixed", "profile"])
def test_an_engine_s_reduced_halo_is_measured_in_its_own_windows(graph: Path, side: Size) -> None:
    runtime, mosaic = Bounded(graph, side), noise(130, 250)
    error = seam_error(runtime, plan_for(runtime, 130, 250, halo=2), mosaic, NUMBERS)
    assert 1 / 255 <= error < 1
    assert seam_error(runtime, plan_for(runtime, 130, 250), mosaic, NUMBERS) == 0
    reduced = tiled(runtime, mosaic, plan_for(runtime, 130, 250, halo=2))
    whole = OnnxRuntime(graph).apply(mosaic, NUMBERS).astype(int)
    assert np.abs(reduced - whole).max() >= round(error * 255) - 1


def test_memory_does_not_bound_an_engine_s_tile(graph: Path) -> None:
    runtime = Bounded(graph, 100)
    assert plan_for(runtime, 300, 300, memory=16) == plan_for(runtime, 300, 300, memory=10_000)
