import numpy as np
import pytest

from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.errors import RequestError
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY, bytes_per_pixel, plan_tiles

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
    plan = plan_tiles(height, width, config, memory)
    seen = np.zeros((height, width), np.uint8)
    for tile in plan:
        seen[tile.rows.core, tile.columns.core] += 1
        for span, size in ((tile.rows, height), (tile.columns, width)):
            assert span.start == max(span.core_start - config.halo, 0)
            assert span.stop == min(span.core_stop + config.halo, size)
            assert span.start % config.squeeze == 0
            assert span.size % config.squeeze == 0
    assert (seen == 1).all()
    assert plan.largest * bytes_per_pixel(config) <= memory * 1e6


def test_eight_megapixels_compute_at_most_1_4_times_the_pixels() -> None:
    plan = plan_tiles(2348, 3522, EDGE)
    assert plan.computed / (2348 * 3522) <= 1.4


def test_strips_where_they_compute_less() -> None:
    assert len(plan_tiles(6000, 500, EDGE, memory=200).columns) == 1
    assert len(plan_tiles(500, 6000, EDGE, memory=200).rows) == 1


def test_the_plan_is_the_cheapest_grid() -> None:
    plan = plan_tiles(600, 900, EDGE, memory=60)
    limit = 60e6 / bytes_per_pixel(EDGE)
    for rows in range(1, 40):
        for columns in range(1, 40):
            core = (-(-600 // rows), -(-900 // columns))
            spans = [
                [min(start + c + 160, size) - max(start - 160, 0) for start in range(0, size, c)]
                for c, size in zip((core[0] + core[0] % 2, core[1] + core[1] % 2), (600, 900), strict=True)
            ]
            if max(spans[0]) * max(spans[1]) <= limit:
                assert plan.computed <= sum(spans[0]) * sum(spans[1])


def test_too_little_memory_says_how_much() -> None:
    with pytest.raises(RequestError, match=r"needs about \d+ MB, --memory allows 16"):
        plan_tiles(3000, 4000, PAPER, memory=16)


def test_halo_beyond_the_receptive_radius_is_refused() -> None:
    with pytest.raises(RequestError, match="--halo must be 0 to 160"):
        plan_tiles(500, 500, EDGE, halo=161)
    assert plan_tiles(500, 500, EDGE, memory=20, halo=19).halo == 20
