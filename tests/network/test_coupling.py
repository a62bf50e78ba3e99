"""The enhanced affine coupling: written-out equations, inverse, bound of s, dense blocks."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from invisp_deploy.config import KINDS, SCALE_BOUND, NetworkConfig
from invisp_deploy.network.coupling import Coupling, CouplingFunction
from invisp_deploy.tolerances import TOLERANCES

CONFIGS = [
    NetworkConfig(growth=4),
    NetworkConfig(growth=4, squeeze=2),
    NetworkConfig(growth=4, squeeze=3),
    NetworkConfig(growth=4, squeeze=2, depth=3, first=4, kind="chain"),
]


@pytest.fixture(params=CONFIGS, ids=str)
def coupling(request: pytest.FixtureRequest) -> Coupling:
    torch.manual_seed(0)
    module = Coupling(request.param)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.3)
    return module.double().eval()


def test_equations_of_the_paper(coupling: Coupling) -> None:
    first, second = coupling.parts
    x = torch.randn(2, first + second, 5, 6, dtype=torch.float64)
    x1, x2 = x[:, :first], x[:, first:]
    y1 = x1 + coupling.F(x2)
    y2 = x2 * torch.exp(0.8 * (2 / (1 + torch.exp(-coupling.H(y1))) - 1)) + coupling.G(y1)
    torch.testing.assert_close(coupling(x), torch.cat((y1, y2), 1))


def test_inverse_undoes_forward_and_the_other_way_round(coupling: Coupling) -> None:
    x = torch.randn(2, sum(coupling.parts), 7, 5, dtype=torch.float64)
    torch.testing.assert_close(coupling.inverse(coupling(x)), x, atol=1e-10, rtol=0)
    torch.testing.assert_close(coupling(coupling.inverse(x)), x, atol=1e-10, rtol=0)


@pytest.mark.parametrize("size", [1.0, 1e3, 1e8])
def test_s_keeps_its_bound_whatever_comes_in(coupling: Coupling, size: float) -> None:
    coupling.float()
    first, second = coupling.parts
    y1 = size * torch.randn(2, first, 8, 8)
    s = coupling.scale(coupling.H(y1))
    assert s.shape == (2, second, 8, 8)
    assert s.abs().max() <= SCALE_BOUND + TOLERANCES["scale-bound"].limit
    if size > 1:
        assert s.abs().max() > 0.79  # the bound is reached, not merely respected


def test_an_additive_coupling_adds_and_nothing_else() -> None:
    torch.manual_seed(0)
    additive = Coupling(NetworkConfig(growth=4, squeeze=2, depth=3, kind="chain", coupling="additive")).double()
    with torch.no_grad():
        for parameter in additive.parameters():
            parameter.normal_(0, 0.3)
    assert not [name for name, _ in additive.named_parameters() if name.startswith("H")]
    x = torch.randn(2, 12, 7, 5, dtype=torch.float64)
    y1 = x[:, :6] + additive.F(x[:, 6:])
    torch.testing.assert_close(additive(x), torch.cat((y1, x[:, 6:] + additive.G(y1)), 1))
    torch.testing.assert_close(additive.inverse(additive(x)), x, atol=1e-12, rtol=0)


def test_dense_block_is_five_convolutions_that_see_everything_before() -> None:
    torch.manual_seed(0)
    block = CouplingFunction(2, 3, NetworkConfig(growth=4)).double()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.normal_(0, 0.3)
    weights = dict(block.named_parameters())
    x = torch.randn(1, 2, 6, 6, dtype=torch.float64)
    seen = x
    for index in range(1, 6):
        result = functional.conv2d(seen, weights[f"conv{index}.weight"], weights[f"conv{index}.bias"], padding=1)
        if index < 5:
            seen = torch.cat((seen, torch.where(result > 0, result, 0.2 * result)), 1)
    torch.testing.assert_close(block(x), result)


def test_chain_is_convolutions_one_after_the_other_narrow_ones_between() -> None:
    torch.manual_seed(0)
    chain = CouplingFunction(2, 3, NetworkConfig(growth=4, depth=4, kind="chain")).double()
    with torch.no_grad():
        for parameter in chain.parameters():
            parameter.normal_(0, 0.3)
    weights = dict(chain.named_parameters())
    assert [tuple(weights[f"conv{index}.weight"].shape) for index in range(1, 5)] == [
        (4, 2, 3, 3), (4, 4, 1, 1), (4, 4, 1, 1), (3, 4, 3, 3),
    ]  # fmt: skip
    x = result = torch.randn(1, 2, 6, 6, dtype=torch.float64)
    for index, padding in ((1, 1), (2, 0), (3, 0), (4, 1)):
        inner = result if index == 1 else torch.where(result > 0, result, 0.2 * result)
        result = functional.conv2d(inner, weights[f"conv{index}.weight"], weights[f"conv{index}.bias"], padding=padding)
    torch.testing.assert_close(chain(x), result)


def test_untrained_it_changes_nothing() -> None:
    x = torch.randn(1, 3, 9, 9)
    for kind in KINDS:
        torch.testing.assert_close(Coupling(NetworkConfig(growth=8, kind=kind))(x), x, atol=0, rtol=0)


def test_autocast_is_for_the_dense_blocks_and_gives_float32_back() -> None:
    torch.manual_seed(0)
    block, x = CouplingFunction(3, 2, NetworkConfig(growth=4)), torch.rand(1, 3, 8, 8)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3)
    plain = block(x)
    block.autocast = torch.bfloat16
    half = block(x)
    assert half.dtype == torch.float32
    assert torch.equal(half, half.bfloat16().float()), "values of the last convolution in bf16"
    torch.testing.assert_close(half, plain, atol=0.05, rtol=0.05)
    assert not torch.equal(half, plain)
