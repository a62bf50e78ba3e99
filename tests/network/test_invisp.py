"""The whole network: the authors' numbers, counted sizes, exact reach, and forward against inverse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.network.checkpoint import load_authors
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.tolerances import TOLERANCES

Build = Callable[..., InvISP]
SMALL = [
    NetworkConfig(1, 4, 1),
    NetworkConfig(2, 4, 1),
    NetworkConfig(1, 4, 2),
    NetworkConfig(2, 3, 2),
    NetworkConfig(1, 2, 3),
    NetworkConfig(1, 3, 2, depth=3, first=4),
    NetworkConfig(2, 5, 2, depth=3, kind="chain"),
    NetworkConfig(1, 4, 1, depth=4, kind="chain"),
]


@pytest.fixture(scope="module")
def golden(golden_checkpoint: Path) -> InvISP:
    return load_authors(golden_checkpoint, CameraContract()).network


@torch.no_grad()
@pytest.mark.parametrize(
    ("direction", "given", "expected"),
    [("forward", "raw", "rgb"), ("inverse", "rgb", "raw_from_rgb"), ("inverse", "rgb8", "raw_from_rgb8")],
)
def test_numbers_of_the_authors_code(
    golden: InvISP, golden_arrays: dict[str, np.ndarray], direction: str, given: str, expected: str
) -> None:
    output = getattr(golden, direction)(torch.from_numpy(golden_arrays[given])).numpy()
    assert np.ptp(golden_arrays[expected]) > 0.5
    assert np.abs(output - golden_arrays[expected]).max() <= TOLERANCES["golden"].limit


def test_the_paper_network_has_the_counted_parameters() -> None:
    network = InvISP(CONFIGURATIONS["paper"])
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_413_760


@torch.no_grad()
@pytest.mark.parametrize("config", [*CONFIGURATIONS.values(), *SMALL], ids=str)
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_computed_work_is_the_work_that_torch_counts(config: NetworkConfig, direction: str) -> None:
    network = InvISP(config).eval()
    edge = 4 * config.squeeze
    with FlopCounterMode(display=False) as counter:
        getattr(network, direction)(torch.zeros(1, 3, edge, edge))
    counts = counter.get_flop_counts().get("Global", {})  # without blocks, torch has nothing to count
    convolutions = sum(count for operator, count in counts.items() if "conv" in str(operator))
    assert convolutions == 2 * config.macs_per_pixel * edge**2  # a multiply-accumulate is two operations


@torch.no_grad()
@pytest.mark.parametrize("config", SMALL, ids=str)
@pytest.mark.parametrize("direction", ["forward", "inverse"])
@pytest.mark.parametrize("corner", ["first", "last"])
def test_a_change_reaches_exactly_as_far_as_the_halo(
    config: NetworkConfig, direction: str, corner: str, random_network: Build
) -> None:
    """Everything within the halo of the pixel's own square moves; nothing beyond does, not by one bit."""
    network = random_network(config, spread=0.5).double()
    run = getattr(network, direction)
    square, halo = config.squeeze, config.halo
    start = -(-(halo + 3) // square) * square
    edge = 2 * start + square
    at = start if corner == "first" else start + square - 1
    x = torch.randn(1, 3, edge, edge, dtype=torch.float64)
    changed = x.clone()
    changed[0, :, at, at] += 1
    moved = (run(changed) != run(x))[0].any(0)
    expected = torch.zeros_like(moved)
    expected[start - halo : start + square + halo, start - halo : start + square + halo] = True
    assert (moved == expected).all()


@torch.no_grad()
@pytest.mark.parametrize("config", [*CONFIGURATIONS.values(), *SMALL], ids=str)
def test_inverse_undoes_forward_with_random_weights(config: NetworkConfig, random_network: Build) -> None:
    network = random_network(config, spread=0.02 if config.growth > 8 else 0.15).double()
    x = torch.rand(2, 3, 4 * config.squeeze, 6 * config.squeeze, dtype=torch.float64)
    rgb = network(x)
    assert (rgb - x).abs().mean() > 0.01 or not config.blocks
    torch.testing.assert_close(network.inverse(rgb), x, atol=1e-9, rtol=0)
    torch.testing.assert_close(network(network.inverse(x)), x, atol=1e-9, rtol=0)


@torch.no_grad()
def test_inverse_undoes_forward_in_float32(golden: InvISP, golden_arrays: dict[str, np.ndarray]) -> None:
    raw = torch.from_numpy(golden_arrays["raw"])
    assert (golden.inverse(golden(raw)) - raw).abs().max() <= TOLERANCES["round-trip"].limit


@torch.no_grad()
@pytest.mark.parametrize("config", [*CONFIGURATIONS.values(), *SMALL], ids=str)
def test_untrained_it_is_the_identity(config: NetworkConfig) -> None:
    torch.manual_seed(0)
    network = InvISP(config).eval()
    x = torch.rand(1, 3, 4 * config.squeeze, 4 * config.squeeze)
    torch.testing.assert_close(network(x), x, atol=1e-5, rtol=0)
    torch.testing.assert_close(network.inverse(x), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("squeeze", [1, 2, 3, 4])
def test_fold_is_lossless(squeeze: int) -> None:
    network = InvISP(NetworkConfig(1, 1, squeeze))
    x = torch.rand(2, 3, 2 * squeeze, 5 * squeeze)
    folded = network.fold(x)
    assert folded.shape == (2, network.config.channels, 2, 5)
    torch.testing.assert_close(network.unfold(folded), x, atol=0, rtol=0)


@pytest.mark.parametrize("shape", [(5, 4), (4, 5)])
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_sizes_that_do_not_fold_are_refused(shape: tuple[int, int], direction: str) -> None:
    network = InvISP(NetworkConfig(1, 1, 2))
    with pytest.raises(RequestError, match=f"multiples of 2, got {shape[0]}x{shape[1]}"):
        getattr(network, direction)(torch.zeros(1, 3, *shape))


def test_autocast_leaves_the_spine_in_float32() -> None:
    """The inverse repeats F, G and H on the same inputs, so the round trip stays that of fp32."""
    torch.manual_seed(0)
    network = InvISP(NetworkConfig(2, 8, 2))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".conv" in name:
                parameter.normal_(0, 0.1)
    x = torch.rand(1, 3, 16, 16)
    plain = network(x)
    network.autocast(torch.bfloat16)
    rendered = network(x)
    assert rendered.dtype == torch.float32
    assert 1e-5 < (rendered - plain).abs().max() < 0.1
    assert (network.inverse(rendered) - x).abs().mean() < 0.2 * (rendered - plain).abs().mean()
    network.autocast(None)
    assert torch.equal(network(x), plain)
    assert (network.renders, network.multiple) == (True, 2)
