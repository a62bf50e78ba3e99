"""What every rival promises: shapes, directions, what it costs, and that it can learn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from invisp_deploy.contract import UNIVERSAL, CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.graph_card import Direction
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.research.rivals.cycleisp import CycleIsp
from invisp_deploy.research.rivals.grayscale import InvertibleGrayscale
from invisp_deploy.research.rivals.open import RIVALS, build_rival, macs_per_pixel
from invisp_deploy.research.rivals.unet import UnetPair
from tests.graphs import CANON_30D

TRAINED = [name for name in RIVALS if name != "upi"]
RENDERING = ["grayscale", "unet"]


def tiny(name: str) -> nn.Module:
    torch.manual_seed(0)
    return {
        "cycleisp": lambda: CycleIsp(width=8, groups=1, blocks=2, reduction=2),
        "grayscale": lambda: InvertibleGrayscale(4, 4),
        "unet": lambda: UnetPair("RGGB", 4),
    }[name]()


def counted(network: nn.Module, direction: str, edge: int = 64) -> float:
    """Multiply-accumulates of convolutions for a pixel, by forward hooks: another way than the product's."""
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.ConvTranspose2d):
            total += module.weight.numel() * inputs[0].shape[-2] * inputs[0].shape[-1]
        elif isinstance(module, nn.Conv2d):
            total += module.weight.numel() * output.shape[-2] * output.shape[-1]

    handles = [module.register_forward_hook(count) for module in network.modules()]
    with torch.no_grad():
        getattr(network, direction)(torch.zeros(1, 3, edge, edge))
    for handle in handles:
        handle.remove()
    return total / edge**2


@pytest.mark.parametrize("name", RIVALS)
def test_every_rival_is_a_method(name: str, small_frame: RawFrame) -> None:
    network = build_rival(name, small_frame, CANON_30D)
    edge = 2 * network.multiple
    assert network.inverse(torch.rand(2, 3, edge, 2 * edge)).shape == (2, 3, edge, 2 * edge)
    if network.renders:
        assert network.forward(torch.rand(2, 3, edge, 2 * edge)).shape == (2, 3, edge, 2 * edge)
    else:
        with pytest.raises(RequestError, match="only goes from sRGB to RAW"):
            network(torch.rand(1, 3, edge, edge))
    assert network.renders == (name in RENDERING)
    assert any(parameter.requires_grad for parameter in network.parameters()) == (name != "upi")


def test_a_rival_that_does_not_exist(small_frame: RawFrame) -> None:
    with pytest.raises(RequestError, match=r"no rival 'esrgan': choose one of upi, cycleisp, grayscale, unet"):
        build_rival("esrgan", small_frame, CANON_30D)


@pytest.mark.parametrize("name", TRAINED)
def test_a_pixel_costs_what_it_costs_invisp_in_the_tables(name: str, small_frame: RawFrame) -> None:
    network = build_rival(name, small_frame, CANON_30D)
    ours = NetworkConfig(8, 16, 2).macs_per_pixel  # scripts/paper_experiments.py
    for direction in ("forward", "inverse") if network.renders else ("inverse",):
        assert 0.9 * ours < macs_per_pixel(network, Direction(direction)) < 1.05 * ours


@pytest.mark.parametrize("name", TRAINED)
def test_the_cost_is_that_of_the_layers(name: str) -> None:
    network = tiny(name)
    for direction in ("forward", "inverse") if network.renders else ("inverse",):
        # channel attention is a matter of the picture, not of its pixels
        assert macs_per_pixel(network, Direction(direction)) == pytest.approx(
            counted(network, direction, 128), rel=1e-6
        )


def test_the_cost_of_invisp_is_that_of_its_configuration() -> None:
    config = NetworkConfig(2, 4, 2)
    network = InvISP(config)
    for direction in Direction:
        assert macs_per_pixel(network, direction) == pytest.approx(config.macs_per_pixel, rel=0.01)


@pytest.mark.parametrize("name", TRAINED)
def test_every_weight_takes_part(name: str) -> None:
    network = tiny(name)
    raw, rgb = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    loss = network.inverse(rgb).square().mean()
    loss = loss + network(raw).square().mean() if network.renders else loss
    loss.backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


@pytest.mark.parametrize("name", TRAINED)
def test_it_learns_a_simple_relation(name: str) -> None:
    """RAW = 0.2 + 0.5 sRGB with the colours exchanged: a few steps must take most of the error away."""
    network = tiny(name)
    generator = torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(60):
        rgb = torch.rand(2, 3, 8, 8, generator=generator)
        rgb = nn.functional.interpolate(rgb, size=(64, 64), mode="bilinear")
        loss = (network.inverse(rgb) - (0.2 + 0.5 * rgb.flip(1))).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.35 * losses[0]


@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_the_unet_packs_the_samples_in_the_order_of_the_paper(cfa: str) -> None:
    """Each site of the pattern holds its own number; packed, they read R, G, G, B whatever the phase."""
    network = UnetPair(cfa, 2)
    raw = torch.full((1, 3, 32, 32), -1.0)
    values = {"R": [10.0], "G": [20.0, 21.0], "B": [30.0]}
    left = {colour: list(numbers) for colour, numbers in values.items()}
    for site, colour in enumerate(cfa):
        raw[0, "RGB".index(colour), site // 2 :: 2, site % 2 :: 2] = left[colour].pop(0)
    packed = network.packed(raw)
    assert packed.shape == (1, 4, 16, 16)
    assert packed.amin((0, 2, 3)).tolist() == packed.amax((0, 2, 3)).tolist() == [10, 20, 21, 30]


def test_the_unet_reads_nothing_but_samples() -> None:
    """What was interpolated between the samples does not reach it."""
    network = tiny("unet")
    raw = torch.rand(1, 3, 32, 32)
    other = raw.clone()
    other[0, 0, 1::2] = 0.9
    other[0, 2, 0::2] = 0.1
    assert torch.equal(network(raw), network(other))


@pytest.mark.parametrize(("name", "width"), [("cycleisp", 4), ("grayscale", 5), ("unet", 11)])
def test_rivals_of_a_look_cost_as_much(name: str, width: int, small_frame: RawFrame) -> None:
    network = build_rival(name, small_frame, UNIVERSAL, width)
    ours = CONFIGURATIONS["look"].macs_per_pixel  # scripts/look_table.py
    for direction in ("forward", "inverse") if network.renders else ("inverse",):
        assert 0.9 * ours < macs_per_pixel(network, Direction(direction)) < 1.11 * ours


def test_a_unet_behind_a_matrix_reads_all_that_it_mixed(small_frame: RawFrame) -> None:
    network = build_rival("unet", small_frame, UNIVERSAL, 4)
    raw = torch.rand(1, 3, 32, 32)
    other = raw.clone()
    other[0, 2, 0, 0] += 0.5  # blue where red was taken
    assert not torch.equal(network(raw), network(other))
    assert network.inverse(torch.rand(1, 3, 32, 64)).shape == (1, 3, 32, 64)


def test_the_unet_needs_a_phase(small_frame: RawFrame) -> None:
    with pytest.raises(RequestError, match=r"got 'any': pass `cfa` with one of RGGB"):
        build_rival("unet", small_frame, CameraContract())


@pytest.mark.parametrize(("name", "direction"), [("grayscale", "forward"), ("unet", "forward"), ("unet", "inverse")])
def test_sizes_that_do_not_fit_are_refused(name: str, direction: str) -> None:
    with pytest.raises(RequestError, match=r"multiples of (4|32), got 34x64: pad the frame"):
        getattr(tiny(name), direction)(torch.zeros(1, 3, 34, 64))
