"""Operators of the Exposure paper against formulas and libraries of others, and their gradients against differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.color import hsv2rgb, rgb2hsv

from invisp_deploy.isp.colour import srgb_to_linear
from invisp_deploy.research.edits import EDITS, OPERATORS, Edit, gains_for

GENERIC: dict[str, object] = {
    "exposure": 0.7,
    "gamma": 0.6,
    "white balance": (1.2, 0.9, 1.4),
    "contrast": 0.6,
    "saturation": 0.4,
    "tone curve": (0.3, 1.2, 2.0, 0.6),
    "colour curve": ((0.3, 1.2, 2.0, 0.6), (1.0, 1.1, 0.9, 1.3), (2.0, 0.4, 0.3, 0.2)),
    "black and white": 0.3,
}


def planes(low: float = 0.05, high: float = 0.95) -> torch.Tensor:
    return torch.empty(3, 5, 7, dtype=torch.float64).uniform_(low, high, generator=torch.Generator().manual_seed(3))


def apply(name: str, parameters: object, given: torch.Tensor) -> np.ndarray:
    return OPERATORS[name](given, torch.as_tensor(parameters, dtype=given.dtype)).numpy()


@pytest.mark.parametrize("name", OPERATORS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    given = planes().requires_grad_()
    parameters = torch.as_tensor(GENERIC[name], dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(OPERATORS[name], (given, parameters))
    (to_parameters,) = torch.autograd.grad(OPERATORS[name](given, parameters).square().sum(), parameters)
    assert to_parameters.abs().min() > 0, "every parameter matters"


@pytest.mark.parametrize("name", OPERATORS)
def test_gradients_are_finite_at_black_grey_and_beyond_white(name: str) -> None:
    given = torch.tensor([0.0, 0.5, 1.0, 3.0, -0.1], dtype=torch.float64).expand(3, 5).clone().requires_grad_()
    parameters = torch.as_tensor(GENERIC[name], dtype=torch.float64).requires_grad_()
    made = OPERATORS[name](given, parameters)
    assert all(torch.isfinite(each).all() for each in torch.autograd.grad(made.sum(), (given, parameters)))


def test_saturation_is_that_of_hsv() -> None:
    given = planes()
    hsv = rgb2hsv(given.numpy(), channel_axis=0)
    saturation, value = hsv[1], hsv[2]
    hsv[1] = saturation + (1 - saturation) * (0.5 - np.abs(0.5 - value)) * 0.8
    assert apply("saturation", 1.0, given) == pytest.approx(hsv2rgb(hsv, channel_axis=0), abs=1e-12)
    half = (given.numpy() + hsv2rgb(hsv, channel_axis=0)) / 2
    assert apply("saturation", 0.5, given) == pytest.approx(half, abs=1e-12)


def test_grey_stays_grey_and_its_neighbours_leap() -> None:
    grey = torch.full((3, 1), 0.5, dtype=torch.float64)
    assert apply("saturation", 1.0, grey) == pytest.approx(grey.numpy())
    grey[0] += 1e-6
    made = apply("saturation", 1.0, grey)[:, 0]
    assert 1 - made.min() / made.max() == pytest.approx(0.4, abs=1e-5)


def test_curves_are_linear_interpolation() -> None:
    given = planes(-0.2, 1.2)
    slopes = np.array(GENERIC["colour curve"])
    ends = np.concatenate((np.zeros((3, 1)), slopes.cumsum(1) / slopes.sum(1, keepdims=True)), 1)
    expected = [np.interp(given[colour], np.linspace(0, 1, 5), ends[colour]) for colour in range(3)]
    assert apply("colour curve", slopes, given) == pytest.approx(np.array(expected), abs=1e-12)
    tone = [np.interp(given[colour], np.linspace(0, 1, 5), ends[0]) for colour in range(3)]
    assert apply("tone curve", slopes[0], given) == pytest.approx(np.array(tone), abs=1e-12)


def test_contrast_keeps_the_colour_and_bends_the_luminance() -> None:
    given = planes()
    made = apply("contrast", 1.0, given)
    weights = np.array((0.27, 0.67, 0.06))
    before, after = (np.tensordot(weights, each, 1) for each in (given.numpy(), made))
    assert after == pytest.approx(np.sin(math.pi * before / 2) ** 2)
    assert made / after == pytest.approx(given.numpy() / before)
    assert apply("contrast", 0.0, given) == pytest.approx(given.numpy())


def test_the_plain_ones() -> None:
    given = planes(0.0, 3.0)
    assert apply("exposure", -2.0, given) == pytest.approx(given.numpy() / 4)
    assert apply("white balance", (2.0, 1.0, 0.5), given)[0] == pytest.approx(given[0].numpy() * 2)
    assert apply("gamma", 0.5, given) == pytest.approx(np.sqrt(np.maximum(given.numpy(), 0.001)))
    grey = apply("black and white", 1.0, given)
    assert grey == pytest.approx(np.broadcast_to(np.tensordot((0.27, 0.67, 0.06), given.numpy(), 1), grey.shape))


# sRGB of a black body by Mitchell Charity's table (CIE 1931, 2 degrees): http://www.vendian.org/mncharity/dir3/blackbody
@pytest.mark.parametrize(("kelvin", "codes"), [(3000, (255, 180, 107)), (3500, (255, 196, 137))])
def test_a_light_becomes_white_at_its_temperature(kelvin: float, codes: tuple[int, int, int]) -> None:
    light = srgb_to_linear(np.array(codes, np.float32) / 255)
    white = light * gains_for(kelvin)
    assert white / white.mean() == pytest.approx(np.ones(3), abs=0.03), "within the table's codes"
    assert np.dot(gains_for(kelvin), (0.27, 0.67, 0.06)) == pytest.approx(1)
    assert gains_for(6504) == pytest.approx((1, 1, 1), abs=1e-9)
    assert gains_for(7500)[0] > gains_for(7500)[2], "a bluer light is made redder"


def test_the_set_has_every_operator_and_reaches_as_far_as_it_should() -> None:
    steps = [step for edit in EDITS for step in edit.steps]
    assert {name for name, _ in steps} == set(OPERATORS)
    stops = [parameters for name, parameters in steps if name == "exposure"]
    assert (min(stops), max(stops)) == (-2, 3)
    balances = [parameters for name, parameters in steps if name == "white balance"]
    assert {gains_for(3000), gains_for(7500)} <= set(balances)
    assert len({edit.label for edit in EDITS}) == len(EDITS)


@pytest.mark.parametrize("edit", EDITS[1:], ids=lambda edit: edit.label)
def test_an_edit_changes_the_picture_and_leaves_black_dark(edit: Edit) -> None:
    given = planes().float()
    made = edit.apply(given)
    assert made.dtype == torch.float32
    assert (made - given).abs().max() > 0.02
    assert EDITS[0].apply(given) is given
    assert edit.apply(torch.zeros(3, 2)).max() < 0.04
