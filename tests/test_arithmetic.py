"""Which tensors are quantised, and what an arithmetic refuses."""

from __future__ import annotations

import math

import pytest

from invisp_deploy.arithmetic import Arithmetic, block_input, coupling_functions, quantised_tensors
from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.errors import RequestError

SMALL = NetworkConfig(blocks=1, growth=4)
SCALES = {name: 0.01 for name in quantised_tensors(SMALL)}


@pytest.mark.parametrize("name", sorted(CONFIGURATIONS))
def test_a_block_has_two_inputs_and_the_inner_tensors_of_its_functions(name: str) -> None:
    config = CONFIGURATIONS[name]
    tensors = quantised_tensors(config)
    each = 2 + len(config.functions) * (config.depth - 1)  # x2, y1, and what each but the last convolution makes
    assert len(tensors) == len(set(tensors)) == each * config.blocks
    assert len(coupling_functions(config)) == len(config.functions) * config.blocks


def test_g_and_h_read_one_tensor_and_f_another() -> None:
    assert block_input("block3.G") == block_input("block3.H") == "block3.y1"
    assert block_input("block3.F") == "block3.x2"


def test_kept_dense_blocks_and_convolutions_are_fp16() -> None:
    arithmetic = Arithmetic("int8", SCALES, frozenset({"block0.F", "block0.G.conv5"}))
    arithmetic.check(SMALL)
    assert [arithmetic.of(f"block0.F.conv{index}") for index in (1, 5)] == ["fp16", "fp16"]
    assert [arithmetic.of(f"block0.G.conv{index}") for index in (1, 5)] == ["int8", "fp16"]


@pytest.mark.parametrize(
    ("scales", "kept", "words"),
    [
        ({}, set(), "no scale for block0.x2 and 13 others"),
        ({**SCALES, "block1.x2": 1.0}, set(), "block1.x2, which a network"),
        ({**SCALES, "block0.y1": 0.0}, set(), "block0.y1 must be a number above 0, got 0.0"),
        ({**SCALES, "block0.y1": math.nan}, set(), "block0.y1 must be"),
        (SCALES, {"block7.F"}, "block7.F cannot stay fp16"),
    ],
)
def test_what_does_not_fit_the_network_is_refused(scales: dict[str, float], kept: set[str], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        Arithmetic("int8", scales, frozenset(kept)).check(SMALL)


def test_unknown_precisions_and_idle_scales_are_refused() -> None:
    with pytest.raises(RequestError, match="one of fp32, fp16, int8, fp8, got 'int4'"):
        Arithmetic("int4")
    with pytest.raises(RequestError, match="not to fp16"):
        Arithmetic("fp16", SCALES)


def test_the_digest_tells_tables_apart_and_does_not_know_their_order() -> None:
    turned = dict(reversed(list(SCALES.items())))
    assert Arithmetic("int8", SCALES).digest == Arithmetic("int8", turned).digest
    assert Arithmetic("int8", {**SCALES, "block0.y1": 0.02}).digest != Arithmetic("int8", SCALES).digest
    assert Arithmetic("fp16").digest == ""
