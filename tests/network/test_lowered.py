"""Dense blocks in low precision: gains change nothing, grids are grids, errors are as large as they must be."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from invisp_deploy.arithmetic import REMAINDER, Arithmetic, quantised_tensors
from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import RequestError
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.network.lowered import GainedConvolution, gained_convolutions, lowered, round_weight, weight_scales
from invisp_deploy.runtimes.golden import natural_planes
from tests.quantisation import arithmetic_of

CONFIG = NetworkConfig(blocks=2, growth=8, squeeze=2)
CHAIN = NetworkConfig(blocks=2, growth=8, squeeze=2, depth=3, kind="chain")


@pytest.fixture(scope="module", params=[CONFIG, CHAIN], ids=["dense", "chain"])
def network(request: pytest.FixtureRequest, random_network: Callable[..., InvISP]) -> InvISP:
    return random_network(request.param, spread=0.05)


@pytest.fixture(scope="module")
def raw() -> Tensor:
    return torch.from_numpy(natural_planes((1, 3, 48, 64), 3))


def test_fp32_is_the_network_itself(network: InvISP, raw: Tensor) -> None:
    with torch.no_grad():
        assert torch.equal(lowered(network, Arithmetic())(raw), network(raw))


def convolved(layer: GainedConvolution, seen: list[Tensor], kind: str) -> Tensor:
    """Of all tensors so far, value and remainder first; in a chain of the last, which is both of them at first."""
    read = seen if kind == "dense" or len(seen) == 2 else seen[-1:]
    padding = layer.weight.shape[-1] // 2
    return torch.nn.functional.conv2d(torch.cat(read, 1), layer.weight, layer.bias, padding=padding)


def test_gains_and_remainder_alone_change_no_value(network: InvISP) -> None:
    """Without rounding, what the gains and the remainder do must cancel: scales differ by tensor and channel here."""
    names = quantised_tensors(network.config)
    scales = {name: 0.01 * (1 + index % 5) for index, name in enumerate(names)}
    shares = tuple(1 / (1 + index) for index in range(CONFIG.growth))
    channels = {name: shares for name in names if ".relu" in name}
    dense = network.blocks()[0].F
    x2 = torch.rand(1, CONFIG.split[1], 8, 8)
    value = x2.mul(10).round().div(10)
    seen = [value, (x2 - value) * REMAINDER]
    layers = gained_convolutions(dense, "block0.F", Arithmetic("int8", scales, channels=channels))
    with torch.no_grad():
        for layer in layers[:-1]:
            made = convolved(layer, seen, network.config.kind)
            seen.append(torch.nn.functional.leaky_relu(made, 0.2))
        result = convolved(layers[-1], seen, network.config.kind)
        assert torch.allclose(result, dense(x2), atol=1e-5)
        plain = torch.nn.functional.leaky_relu(dense.conv1(x2), 0.2)
        gain = scales["block0.x2"] / (scales["block0.F.relu1"] * torch.tensor(shares))
        assert torch.allclose(seen[2], plain * gain[None, :, None, None], atol=1e-4)


def test_the_remainder_carries_what_the_grid_of_the_input_cannot(network: InvISP) -> None:
    """Inner tensors and weights nearly exact, the input on 8 bits: its remainder is worth about four more."""
    dense = network.blocks()[0].F
    x2 = torch.rand(1, CONFIG.split[1], 16, 16, generator=torch.Generator().manual_seed(1))
    step = 1 / 127
    with torch.no_grad():
        exact = dense(x2).numpy()
        value = (x2 / step).round() * step
        remainder = ((x2 - value) * REMAINDER / step).round() * step / REMAINDER
        assert psnr(dense(value + remainder).numpy(), exact) > psnr(dense(value).numpy(), exact) + 18
    arithmetic = arithmetic_of(network, torch.rand(1, 3, 32, 32), "int8")
    assert gained_convolutions(dense, "block0.F", arithmetic)[0].weight.shape[1] == 2 * CONFIG.split[1]


def test_quiet_channels_are_raised_to_use_their_grid(network: InvISP, raw: Tensor) -> None:
    """Channels a hundred times quieter than their tensor vanish on its grid, and do not with gains of their own."""
    quiet = copy.deepcopy(network)
    with torch.no_grad():
        for block in quiet.blocks():
            for part in (block.F, block.G, block.H):
                part.conv1.weight[::2] /= 100
                part.conv1.bias[::2] /= 100
                chain = network.config.kind == "chain"
                first = 0 if chain else block.parts[1 if part is block.F else 0]
                for later in list(part.children())[1 : 2 if chain else None]:
                    later.weight[:, first : first + CONFIG.growth : 2] *= 100
        assert torch.allclose(quiet(raw), network(raw), atol=1e-4)
        plain = arithmetic_of(quiet, raw, "int8")
        shares = (0.01, 1.0) * (CONFIG.growth // 2)
        channels = {name: shares for name in plain.scales if name.endswith("relu1")}
        raised = Arithmetic("int8", plain.scales, channels=channels)
        exact = network(raw).numpy()
        decibels = [psnr(lowered(quiet, arithmetic)(raw).numpy(), exact) for arithmetic in (plain, raised)]
    assert decibels[1] > decibels[0] + 3


@pytest.mark.parametrize(("precision", "least", "most"), [("fp16", 60, 110), ("int8", 35, 80), ("fp8", 25, 65)])
def test_each_precision_errs_about_as_much_as_its_bits(
    network: InvISP, raw: Tensor, precision: str, least: float, most: float
) -> None:
    low = lowered(network, arithmetic_of(network, raw, precision))
    with torch.no_grad():
        srgb, exact = low(raw), network(raw)
        back = low.inverse(srgb)
    assert least < psnr(srgb.numpy(), exact.numpy()) < most
    assert psnr(back.numpy(), raw.numpy()) > psnr(srgb.numpy(), exact.numpy())  # the same rounding both ways cancels


def test_kept_layers_lose_less(network: InvISP, raw: Tensor) -> None:
    def decibels(kept: frozenset[str]) -> float:
        with torch.no_grad():
            made = lowered(network, arithmetic_of(network, raw, "int8", kept))(raw)
            return psnr(made.numpy(), network(raw).numpy())

    everything = frozenset(f"block{index}.{part}" for index in range(2) for part in "FGH")
    assert decibels(frozenset()) < decibels(frozenset({"block0.F", "block0.G", "block0.H"})) < decibels(everything)


def test_weights_land_on_the_grid_that_numpy_finds() -> None:
    weight = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    scales = weight_scales(weight, "int8").numpy()
    codes = round_weight(weight, "int8").numpy() / scales[:, None, None, None]
    assert np.allclose(codes, np.rint(weight.numpy() / scales[:, None, None, None]), atol=1e-4)
    assert np.allclose(np.abs(codes).max(axis=(1, 2, 3)), 127)


def test_a_channel_of_zeros_stays_zero() -> None:
    weight = torch.zeros(2, 1, 3, 3)
    weight[1] = 1.0
    assert torch.equal(round_weight(weight, "int8"), weight)


def test_parameters_are_shared_and_keep_their_names(network: InvISP, raw: Tensor) -> None:
    low = lowered(network, arithmetic_of(network, raw, "int8"))
    assert list(low.state_dict()) == list(network.state_dict())
    mine, theirs = dict(low.named_parameters()), dict(network.named_parameters())
    assert all(mine[name] is theirs[name] for name in theirs)
    assert type(network.blocks()[0].F).__name__ == "CouplingFunction"  # the original computes as before


def test_gradients_pass_the_rounding(network: InvISP, raw: Tensor) -> None:
    low = lowered(network, arithmetic_of(network, raw, "int8"))
    low(raw).square().mean().backward()
    inexact = network.blocks()[0].F.conv1.weight.grad  # type: ignore[union-attr]
    assert inexact is not None
    inexact = inexact.clone()
    network.zero_grad()
    network(raw).square().mean().backward()
    exact = network.blocks()[0].F.conv1.weight.grad  # type: ignore[union-attr]
    network.zero_grad()
    cosine = torch.nn.functional.cosine_similarity(inexact.flatten(), exact.flatten(), 0)
    assert cosine > 0.95


def test_scales_of_another_network_are_refused(network: InvISP, raw: Tensor) -> None:
    with pytest.raises(RequestError, match="There is no scale for"):
        lowered(network, Arithmetic("int8", {"block0.x2": 1.0}))
