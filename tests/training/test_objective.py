"""The losses: the paper's, the other norm, the weight of clipped pixels, methods that render nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from invisp_deploy.config import NetworkConfig
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.training.jpeg_simulator import Compression, JpegSimulator
from invisp_deploy.training.objective import Objective
from invisp_deploy.training.options import JpegOptions, LossOptions

JPEGS = [Compression(90, "4:2:2"), Compression(60, "4:4:4")]


@pytest.fixture(scope="module")
def network() -> InvISP:
    torch.manual_seed(0)
    network = InvISP(NetworkConfig(1, 4, 2))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    return network


@pytest.fixture(scope="module")
def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)


def losses(network: nn.Module, batch: tuple[Tensor, Tensor], jpeg: JpegOptions | None = None, **loss: Any) -> Any:
    found = Objective(network, LossOptions(**loss), jpeg or JpegOptions())(*batch, JPEGS)
    return tuple(one.item() for one in found)


def test_the_losses_are_those_of_the_paper(network: InvISP, batch: tuple[Tensor, Tensor]) -> None:
    raw, target = batch
    rendered = network(raw)
    through_jpeg = JpegSimulator()(rendered.clip(0, 1), JPEGS)
    rgb_loss, raw_loss = losses(network, batch)
    assert rgb_loss == pytest.approx((rendered - target).abs().mean().item())
    assert raw_loss == pytest.approx((network.inverse(through_jpeg) - raw).abs().mean().item())


def test_what_clips_at_the_same_end_as_the_target_is_no_error() -> None:
    """Of an untrained network, the identity: codes are the same however far beyond; the other end counts."""
    raw = torch.full((1, 3, 8, 8), 0.5)
    raw[0, 0], raw[0, 1, :4], raw[0, 1, 4:] = 1.3, -0.2, 0.0
    target = raw.clip(0, 1)
    identity, given = InvISP(NetworkConfig(1, 4, 2)), JpegOptions(rounding="none")
    assert losses(identity, (raw, target), given)[0] == pytest.approx(0, abs=1e-6)
    target[0, 0, :4], target[0, 1, :4] = 0.9, 1.0
    expected = (0.4 + 1.2) * 32 / (3 * 64)
    assert losses(identity, (raw, target), given)[0] == pytest.approx(expected, rel=1e-5)


def test_l2_is_the_mean_of_squares(network: InvISP, batch: tuple[Tensor, Tensor]) -> None:
    raw, target = batch
    rendered = network(raw)
    recovered = network.inverse(JpegSimulator()(rendered.clip(0, 1), JPEGS))
    rgb_loss, raw_loss = losses(network, batch, norm="l2")
    assert rgb_loss == pytest.approx((rendered - target).square().mean().item())
    assert raw_loss == pytest.approx((recovered - raw).square().mean().item())


def test_without_a_jpeg_only_the_clamp_stands_between(network: InvISP, batch: tuple[Tensor, Tensor]) -> None:
    raw, _ = batch
    recovered = network.inverse(network(raw).clip(0, 1))
    _, raw_loss = losses(network, batch, JpegOptions("none"))
    assert raw_loss == pytest.approx((recovered - raw).abs().mean().item())
    assert raw_loss < losses(network, batch)[1]


def test_pixels_where_the_rendering_clips_weigh_more(network: InvISP, batch: tuple[Tensor, Tensor]) -> None:
    raw, _ = batch
    rendered = network(raw)
    clipped = ((rendered < 0) | (rendered > 1)).any(1, keepdim=True).expand_as(raw)
    assert 0.01 < clipped.float().mean() < 0.5
    error = (network.inverse(JpegSimulator()(rendered.clip(0, 1), JPEGS)) - raw).abs()
    expected = (error[clipped].sum() * 5 + error[~clipped].sum()) / error.numel()
    rgb_loss, raw_loss = losses(network, batch, clipped_weight=5.0)
    assert raw_loss == pytest.approx(expected.item())
    assert rgb_loss == losses(network, batch)[0], "the rendering is not weighted"


class Inverse(nn.Module):
    """A method that renders nothing; its inverse doubles."""

    renders = False

    def inverse(self, rgb: Tensor) -> Tensor:
        return 2 * rgb


def test_a_method_that_renders_nothing_inverts_the_target(batch: tuple[Tensor, Tensor]) -> None:
    raw, target = batch
    rgb_loss, raw_loss = losses(Inverse(), batch)
    assert rgb_loss == 0
    expected = (2 * JpegSimulator()(target, JPEGS) - raw).abs().mean()
    assert raw_loss == pytest.approx(expected.item())


def test_half_precision_is_for_the_method_alone(batch: tuple[Tensor, Tensor]) -> None:
    """The simulator and both losses stay float32: a method that computes nothing gives the same losses."""
    found = Objective(Inverse(), LossOptions(), JpegOptions(), torch.bfloat16)(*batch, JPEGS)
    assert all(one.dtype == torch.float32 for one in found)
    assert tuple(one.item() for one in found) == losses(Inverse(), batch)
