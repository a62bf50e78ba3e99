"""Which layers stay fp16: the search against trying every level, costs against networks lowered by hand."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from invisp_deploy.arithmetic import Arithmetic, coupling_functions, quantised_tensors
from invisp_deploy.calibration.codec import JpegCodec
from invisp_deploy.calibration.loss import Bench, held_out_tiles
from invisp_deploy.calibration.sensitivity import fewest_kept, keeping, kept_for_export, kept_share, sensitivities
from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import CalibrationError, ParityError
from invisp_deploy.export.write import export_onnx
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.network.lowered import LoweredFunction
from tests.graphs import CANON_30D, gentle_network

RANKED = ["block1.G", "block0.F", "block1.H"]


def test_ends_go_first_and_whole_blocks_after_all_ends() -> None:
    assert keeping(RANKED, 0, 5) == ()
    assert keeping(RANKED, 1, 5) == ("block1.G.conv1", "block1.G.conv5")
    assert keeping(RANKED, 4, 5) == ("block0.F.conv1", "block0.F.conv5", "block1.G", "block1.H.conv1", "block1.H.conv5")
    assert keeping(RANKED, 6, 5) == ("block0.F", "block1.G", "block1.H")


@pytest.mark.parametrize("wanted", range(7))
def test_the_search_finds_the_lowest_level_that_will_do(wanted: int) -> None:
    drops = {keeping(RANKED, level, 5): 0.5 if level < wanted else 0.1 for level in range(7)}
    search = fewest_kept(drops.__getitem__, RANKED, 0.2, 5)
    assert (search.kept, search.drop) == (keeping(RANKED, wanted, 5), 0.1)
    assert all(search.tried[level] == drops[keeping(RANKED, level, 5)] for level in search.tried)


def test_a_limit_that_not_even_fp16_meets_keeps_everything() -> None:
    search = fewest_kept(lambda kept: 0.3, RANKED, 0.2, 5)
    assert search.kept == tuple(sorted(RANKED))
    assert search.drop == 0.3


def test_the_share_is_that_of_the_configuration() -> None:
    config = NetworkConfig(8, 16, 2)
    network = InvISP(config)
    ends = keeping(coupling_functions(config), 24, 5)
    work = config.convolution_weights - config.blocks * config.channels**2
    first = 9 * 6 * config.growth
    last = 9 * (6 + 4 * config.growth) * 6
    assert kept_share(network, ends) == pytest.approx(24 * (first + last) / work)
    assert kept_share(network, coupling_functions(config)) == 1
    assert kept_share(network, ()) == 0


def test_costs_are_those_of_one_block_lowered_alone(small_dng: Path) -> None:
    network = gentle_network(NetworkConfig(2, 4, 2), spread=0.1)
    with torch.no_grad():  # a block of zeros has nothing to lose
        network.blocks()[1].G.get_submodule("conv5").weight.zero_()
        network.blocks()[1].G.get_submodule("conv5").bias.zero_()
    tiles = held_out_tiles([small_dng], CANON_30D, size=32, per_file=3, seed=0, avoid={})
    bench = Bench(network, tiles, JpegCodec())
    exact = bench.raw(network)
    scales = dict.fromkeys(quantised_tensors(network.config), 3 / 127)
    costs = sensitivities(bench, Arithmetic("int8", scales), exact)
    assert list(costs) == coupling_functions(network.config)
    assert costs["block1.G"] == 0
    assert max(abs(cost) for cost in costs.values()) > 1e-3
    by_hand = copy.deepcopy(network)
    block = by_hand.blocks()[0]
    block.add_module("G", LoweredFunction(block.G, "block0.G", Arithmetic("int8", scales)))
    assert costs["block0.G"] == pytest.approx(exact - bench.raw(by_hand), abs=1e-6)


def narrow(network: InvISP) -> Arithmetic:
    """Ranges below what pictures have, as those of too few files are."""
    return Arithmetic("int8", dict.fromkeys(quantised_tensors(network.config), 0.5 / 127))


def test_whole_functions_stay_until_export_takes_the_graphs(tmp_path: Path) -> None:
    network = gentle_network(NetworkConfig(2, 4, 2), spread=0.1)
    arithmetic = narrow(network)
    kept = kept_for_export(network, arithmetic)
    assert 0 < len(kept) < 6
    for names, passes in ((kept, True), ((), False)):
        lowered = replace(arithmetic, kept=frozenset(names))
        with nullcontext() if passes else pytest.raises(ParityError, match="int8 must reach 35 dB"):
            export_onnx(Checkpoint(network, CANON_30D), tmp_path / str(len(names)), arithmetic=lowered)
    assert kept_for_export(network, replace(arithmetic, kept=frozenset(kept))) == (), "nothing beside what is kept"


def test_weights_that_export_would_refuse_in_any_case_are_an_error() -> None:
    """Between these convolutions fp16 overflows, so no function can be kept."""
    network = gentle_network(NetworkConfig(2, 4, 2), spread=0.1)
    with torch.no_grad():
        for block in network.blocks():
            for function in (block.F, block.G, block.H):
                function.get_submodule("conv1").weight.mul_(1e6)
                function.get_submodule("conv5").weight.mul_(1e-6)
    with pytest.raises(CalibrationError, match="refuse these weights in int8, even with every layer in fp16"):
        kept_for_export(network, narrow(network))
