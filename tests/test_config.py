"""Configurations: what is refused, what follows from them. Their sizes are counted in network/test_invisp.py."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from invisp_deploy.config import CONFIGURATIONS, COUPLINGS, SCALE_BOUND, NetworkConfig
from invisp_deploy.errors import RequestError


@pytest.mark.parametrize("name", ["blocks", "growth", "squeeze", "depth"])
@pytest.mark.parametrize("value", [-1, 1000, 2.0, "2", True, None])
def test_values_out_of_range_are_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(RequestError, match=f"`{name}`"):
        NetworkConfig(**{name: value})


@pytest.mark.parametrize("name", ["growth", "squeeze", "depth"])
def test_no_blocks_are_no_network_and_nothing_else_may_be_0(name: str) -> None:
    nothing = CONFIGURATIONS["closed-form"]
    assert (nothing.blocks, nothing.macs_per_pixel, nothing.halo) == (0, 0, 0)
    with pytest.raises(RequestError, match=f"`{name}`"):
        NetworkConfig(**{name: 0})


@pytest.mark.parametrize(
    ("squeeze", "channels", "split"), [(1, 3, (1, 2)), (2, 12, (6, 6)), (3, 27, (13, 14)), (4, 48, (24, 24))]
)
def test_channels_and_split(squeeze: int, channels: int, split: tuple[int, int]) -> None:
    config = NetworkConfig(squeeze=squeeze)
    assert config.channels == channels
    assert config.split == split


def test_the_split_is_free_within_the_channels() -> None:
    assert NetworkConfig(squeeze=2, first=3).split == (3, 9)
    for first in (12, -1, 1.0, True):
        with pytest.raises(RequestError, match="`first`"):
            NetworkConfig(squeeze=2, first=first)  # type: ignore[arg-type]


def test_a_kind_that_is_not_known_is_a_sentence() -> None:
    for kind in ("resnet", "", None, 3):
        with pytest.raises(RequestError, match="`kind` must be one of dense, chain, got"):
            NetworkConfig(kind=kind)  # type: ignore[arg-type]


def test_a_coupling_that_is_not_known_is_a_sentence() -> None:
    for coupling in ("multiplicative", "", None, 3):
        with pytest.raises(RequestError, match="`coupling` must be one of affine, additive, got"):
            NetworkConfig(coupling=coupling)  # type: ignore[arg-type]


def test_an_additive_coupling_saves_a_function_of_three() -> None:
    affine, additive = (NetworkConfig(2, 16, 2, depth=3, kind="chain", coupling=each) for each in COUPLINGS)
    assert (affine.macs_per_pixel, additive.macs_per_pixel) == (3048, 2056)
    assert (affine.functions, additive.functions) == ("FGH", "FG")


def test_published_figures_of_the_paper_network() -> None:
    paper = CONFIGURATIONS["paper"]
    assert paper.macs_per_pixel == 1_410_552
    assert paper.halo == 80


def test_named_configurations_keep_to_their_limits() -> None:
    edge, nano = CONFIGURATIONS["edge"], CONFIGURATIONS["nano"]
    assert (edge.macs_per_pixel, nano.macs_per_pixel) == (126_648, 27_168)
    assert edge.macs_per_pixel < 0.13e6
    assert nano.macs_per_pixel < 0.03e6
    assert (edge.halo, nano.halo) == (160, 64)


def test_scale_bound_is_the_published_range() -> None:
    assert math.exp(-SCALE_BOUND) == pytest.approx(0.449, abs=5e-4)
    assert math.exp(SCALE_BOUND) == pytest.approx(2.226, abs=5e-4)


@pytest.mark.parametrize(
    "config",
    [*CONFIGURATIONS.values(), NetworkConfig(3, 7, 4), NetworkConfig(2, 8, 2, 3, 4), NetworkConfig(kind="chain")],
)
def test_json_round_trip(config: NetworkConfig) -> None:
    assert NetworkConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("change", [{"extra": 1}, {"blocks": None}])
def test_missing_and_unknown_fields_are_refused(change: dict[str, Any]) -> None:
    data: dict[str, Any] = NetworkConfig().to_dict() | change
    if data["blocks"] is None:
        del data["blocks"]
    with pytest.raises(RequestError, match="has the fields"):
        NetworkConfig.from_dict(data)


def test_text_names_a_configuration_or_spells_it_out() -> None:
    assert str(NetworkConfig()) == "paper"
    assert str(NetworkConfig(2, 8, 1)) == "2 blocks, growth 8, squeeze 1"
    assert str(NetworkConfig(2, 8, 2, depth=3, first=4)) == "2 blocks, growth 8, squeeze 2, depth 3, first 4"
