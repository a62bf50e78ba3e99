"""Roundings with a gradient: their values beside true rounding, their slopes beside the derivatives on paper."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from invisp_deploy.training.rounding import (
    DSQ_ALPHA,
    FOURIER_TERMS,
    ROUND,
    dsq_curve,
    dsq_round,
    fourier_round,
    straight_through_round,
)


def slope(name: str, x: Tensor) -> Tensor:
    return torch.autograd.grad(ROUND[name](x.requires_grad_()).sum(), x)[0]


def test_fourier_rounding_has_slope_one_at_whole_numbers() -> None:
    x = torch.arange(-5, 6, dtype=torch.float64)
    torch.testing.assert_close(fourier_round(x), x, atol=1e-12, rtol=0)
    torch.testing.assert_close(slope("fourier", x), torch.ones_like(x))


def test_nine_terms_would_turn_the_slope() -> None:
    x = torch.arange(-5, 6, dtype=torch.float64, requires_grad=True)
    fourier_round(x, 9).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, -torch.ones_like(x))
    assert FOURIER_TERMS % 2 == 0


def test_fourier_rounding_comes_close_to_rounding() -> None:
    x = torch.linspace(-4, 4, 8001, dtype=torch.float64)
    away = (x - x.floor() - 0.5).abs() > 0.1
    assert (fourier_round(x) - x.round())[away].abs().max() < 0.1
    assert (fourier_round(x, 200) - x.round())[away].abs().max() < 0.01


def test_the_slope_of_fourier_rounding_is_its_derivative() -> None:
    """1 - 2 sum_k (-1)^(k+1) cos(2 pi k x)."""
    x = torch.linspace(-2.3, 2.3, 301, dtype=torch.float64)
    expected = 1 - 2 * sum((-1) ** (k + 1) * torch.cos(2 * math.pi * k * x) for k in range(1, FOURIER_TERMS + 1))
    torch.testing.assert_close(slope("fourier", x), expected)


def test_the_curve_of_dsq_keeps_whole_numbers_and_halves_and_joins_its_bins() -> None:
    whole = torch.arange(-5, 6, dtype=torch.float64)
    torch.testing.assert_close(dsq_curve(whole), whole, atol=1e-12, rtol=0)
    torch.testing.assert_close(dsq_curve(whole + 0.5), whole + 0.5, atol=1e-12, rtol=0)
    torch.testing.assert_close(dsq_curve(whole - 1e-9), dsq_curve(whole + 1e-9), atol=1e-8, rtol=0)
    x = torch.linspace(-4, 4, 8001, dtype=torch.float64)
    assert (dsq_curve(x).diff() > 0).all()


def test_the_slope_of_dsq_is_its_derivative() -> None:
    """s k / 2 / cosh^2(k (x - m)) with m the middle of the bin; 0.49 at whole numbers, 1.37 at halves."""
    x = torch.linspace(-2.3, 2.3, 301, dtype=torch.float64)
    k, s = math.log(2 / DSQ_ALPHA - 1), 1 / (1 - DSQ_ALPHA)
    expected = s * k / 2 / torch.cosh(k * (x - x.floor() - 0.5)) ** 2
    torch.testing.assert_close(slope("dsq", x), expected)
    ends = slope("dsq", torch.tensor([0.0, 0.5], dtype=torch.float64))
    torch.testing.assert_close(ends, torch.tensor([0.494, 1.373], dtype=torch.float64), atol=1e-3, rtol=0)


def test_the_curve_of_dsq_goes_from_the_identity_to_true_rounding() -> None:
    x = torch.linspace(-4, 4, 8001, dtype=torch.float64)
    away = (x - x.floor() - 0.5).abs() > 0.1
    distance = [float((dsq_curve(x, alpha) - x.round())[away].abs().max()) for alpha in (0.9, 0.5, 0.2, 1e-2, 1e-8)]
    assert distance == sorted(distance, reverse=True)
    assert distance[-1] < 0.03
    torch.testing.assert_close(dsq_curve(x, 1 - 1e-9), x, atol=1e-6, rtol=0)


def test_dsq_rounds_truly() -> None:
    x = torch.linspace(-4, 4, 801, dtype=torch.float64)
    torch.testing.assert_close(dsq_round(x), x.round(), atol=1e-12, rtol=0)


def test_straight_through_rounds_truly_and_passes_the_gradient() -> None:
    x = torch.linspace(-4, 4, 801, dtype=torch.float64)
    torch.testing.assert_close(straight_through_round(x), x.round(), atol=1e-12, rtol=0)
    torch.testing.assert_close(slope("straight-through", x), torch.ones_like(x))


@pytest.mark.parametrize("name", list(ROUND))
def test_all_are_near_true_rounding_and_odd(name: str) -> None:
    x = torch.linspace(-4, 4, 8000, dtype=torch.float64)
    torch.testing.assert_close(ROUND[name](-x), -ROUND[name](x), atol=1e-9, rtol=0)
    assert (ROUND[name](x) - x.round()).abs().mean() < (x - x.round()).abs().mean()
