"""Sizes: the default, what people type, and a sentence for what cannot be."""

from __future__ import annotations

import pytest

from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.engines.profiles import check_profile, make_profile, parse_size
from invisp_deploy.errors import RequestError
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.runtimes.tensorrt.engine_card import Profile


def card_of(config: NetworkConfig, form: str = "tensor") -> GraphCard:
    return GraphCard(Direction.FORWARD, config, CameraContract(), "a" * 64, form=form)


PAPER, EDGE = (card_of(CONFIGURATIONS[name]) for name in ("paper", "edge"))


def square(edge: int) -> tuple[int, int]:
    return edge, edge


def test_one_fixed_tile_is_the_default() -> None:
    profile = make_profile(PAPER)
    assert profile == Profile(square(1024), square(1024), square(1024))
    assert profile.fixed
    assert str(profile) == "1024x1024"


def test_height_comes_before_width() -> None:
    assert make_profile(EDGE, "768x1024").optimal == (768, 1024)
    assert parse_size("512", "`tile`") == (512, 512)


def test_a_range_has_three_sizes() -> None:
    profile = make_profile(EDGE, sizes=("64", "1024x1024", "2048x3072"))
    assert (profile.smallest, profile.optimal, profile.largest) == ((64, 64), (1024, 1024), (2048, 3072))
    assert not profile.fixed
    assert str(profile) == "64x64 to 2048x3072, best at 1024x1024"


@pytest.mark.parametrize("text", ["", "0", "-4", "x", "12x", "1024X1024", "1e3", "1024x0", "1024.0", "1x2x3", " 8"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(RequestError, match=r"`tile` takes a height and width in pixels such as 1024.*got"):
        parse_size(text, "`tile`")


@pytest.mark.parametrize(
    ("card", "tile", "sizes", "message"),
    [
        (EDGE, "1023", None, "multiples of 2 for edge, got 1023x1023: pass 1024x1024"),
        (EDGE, None, ("64", "513x512", "1024"), "multiples of 2.*got 513x512: pass 514x512"),
        (PAPER, "160", None, "160x160 leaves no core: paper needs a halo of 80.*larger than 160"),
        (EDGE, "1024x320", None, "1024x320 leaves no core: edge needs a halo of 160"),
        (PAPER, None, ("64", "128", "160"), "`sizes` 160x160 leaves no core"),
        (PAPER, None, ("256", "128", "512"), "smallest to the largest.*got 256x256 128x128 512x512: sort them"),
        (PAPER, None, ("128", "256x600", "512"), "got 128x128 256x600 512x512"),
        (PAPER, "512", ("128", "256", "512"), "`tile` fixes one size and `sizes` give a range"),
        (PAPER, "4096", None, "makes a tensor of 2181038080 elements.*at most 4064x4064"),
        (card_of(CONFIGURATIONS["paper"], "mosaic"), "4096", None, "of 2181038080 elements.*at most 4064x4064"),
    ],
)
def test_what_cannot_be_built_or_tiled(
    card: GraphCard, tile: str | None, sizes: tuple[str, str, str] | None, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        make_profile(card, tile, sizes)


def test_one_step_inside_each_limit_passes() -> None:
    for card, edge in ((PAPER, 161), (EDGE, 322), (PAPER, 4064)):
        check_profile(Profile(square(edge), square(edge), square(edge)), card)
    check_profile(Profile(square(2), square(2), square(322)), EDGE)


def test_a_mosaic_graph_has_even_sides_and_sees_two_pixels_further() -> None:
    camera = card_of(CONFIGURATIONS["paper"], "mosaic")
    for edge, message in ((163, "multiples of 2 for paper, got 163x163: pass 164x164"), (164, "needs a halo of 82")):
        with pytest.raises(RequestError, match=message):
            check_profile(Profile(square(edge), square(edge), square(edge)), camera)
    check_profile(Profile(square(166), square(166), square(166)), camera)
