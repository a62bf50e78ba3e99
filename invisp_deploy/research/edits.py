"""Edits of the Exposure paper as differentiable operators, and the fixed set of edits that retouching is measured by.

Y. Hu, H. He, C. Xu, B. Wang, S. Lin, "Exposure: A White-Box Photo Post-Processing Framework", ACM Transactions on
Graphics 37 (2018). All operators work on linear RGB of a RAW file, as there; the paper's primaries are those of
ProPhoto, ours are sRGB's, in which our pictures are. A tensor holds R, G and B along its first axis, any shape behind
it, 1.0 is white. All are differentiable in the planes and in their parameters, almost everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from invisp_deploy.isp.colour import SRGB_TO_XYZ
from invisp_deploy.training.illuminants import chromaticity

_LUMINANCE: Final = (0.27, 0.67, 0.06)
"""The paper's weights of R, G and B."""

_DARKEST: Final = 0.001
"""What a gamma takes darker values for: its slope has no bound at 0."""

_ENHANCED: Final = 0.8


def exposure(planes: Tensor, stops: Tensor) -> Tensor:
    """x 2^stops; what exceeds 1 stays."""
    return planes * torch.exp2(stops)


def gamma(planes: Tensor, power: Tensor) -> Tensor:
    """x^power, power above 0; values below 0.001 count as that."""
    return planes.clamp(min=_DARKEST) ** power


def white_balance(planes: Tensor, gains: Tensor) -> Tensor:
    """Each colour times its gain, (3,); what exceeds 1 stays."""
    return planes * _per_colour(gains, planes)


def contrast(planes: Tensor, amount: Tensor) -> Tensor:
    """Towards the colour whose luminance is (1 - cos(pi L)) / 2, by `amount`; below 0 away from it. L is taken within
    [0, 1].
    """
    luminance = _luminance(planes).clamp(0, 1)
    enhanced = (1 - torch.cos(math.pi * luminance)) / 2
    return torch.lerp(planes, planes * (enhanced / luminance.clamp(min=1e-6)), amount)


def saturation(planes: Tensor, amount: Tensor) -> Tensor:
    """Towards the HSV saturation s + (1 - s) (0.5 - |0.5 - v|) 0.8 at the same hue and value, by `amount`.

    Planes are taken within [0, 1]. A pixel without any colour keeps none, while the slightest colour of a middle grey
    is raised to 0.4: next to grey the operator magnifies whatever is there.
    """
    planes = planes.clamp(0, 1)
    value = planes.amax(0, keepdim=True)
    chroma = value - planes.amin(0, keepdim=True)
    share = (value - planes) / chroma.clamp(min=1e-12)  # 0 for the largest colour, 1 for the smallest: the hue
    old = chroma / value.clamp(min=1e-12)
    new = old + (1 - old) * (0.5 - (0.5 - value).abs()) * _ENHANCED
    return torch.lerp(planes, value * (1 - new * share), amount)


def tone_curve(planes: Tensor, slopes: Tensor) -> Tensor:
    """One monotone curve for all colours, of equally wide pieces with slopes in these proportions, (L,), none negative.

    It leads from 0 to 1 and ends there: values beyond [0, 1] are clipped.
    """
    return _curved(planes, slopes.expand(3, -1))


def colour_curve(planes: Tensor, slopes: Tensor) -> Tensor:
    """The same with a curve for each colour: (3, L)."""
    return _curved(planes, slopes)


def black_and_white(planes: Tensor, amount: Tensor) -> Tensor:
    """Towards the luminance, by `amount`."""
    return torch.lerp(planes, _luminance(planes).expand_as(planes), amount)


Operator = Callable[[Tensor, Tensor], Tensor]

OPERATORS: Final[Mapping[str, Operator]] = {
    "exposure": exposure,
    "gamma": gamma,
    "white balance": white_balance,
    "contrast": contrast,
    "saturation": saturation,
    "tone curve": tone_curve,
    "colour curve": colour_curve,
    "black and white": black_and_white,
}
"""The eight of the paper: name -> function of planes and parameters."""


def gains_for(kelvin: float) -> tuple[float, float, float]:
    """Gains of linear sRGB that make a light of that temperature white, with luminance 1 by the paper's weights.

    The picture is already balanced for its light, which shows as that of 6,504 K; a slider at fewer kelvin makes it
    bluer.
    """
    light, white = (np.linalg.solve(SRGB_TO_XYZ, _xyz(temperature)) for temperature in (kelvin, 6504))
    gains = white / light
    red, green, blue = (gains / (gains @ _LUMINANCE)).tolist()
    return red, green, blue


@dataclass(frozen=True)
class Edit:
    """What a retoucher does: operators of `OPERATORS` with their parameters, one after the other."""

    label: str
    steps: tuple[tuple[str, Any], ...] = ()

    def apply(self, planes: Tensor) -> Tensor:
        """Linear RGB, (3, ...), to linear RGB, not clipped."""
        for name, parameters in self.steps:
            planes = OPERATORS[name](planes, torch.as_tensor(parameters, dtype=planes.dtype))
        return planes


def _curved(planes: Tensor, slopes: Tensor) -> Tensor:
    pieces = slopes.shape[1]
    total = torch.zeros_like(planes)
    for piece in range(pieces):
        within = (planes * pieces - piece).clamp(0, 1)
        total = total + within * _per_colour(slopes[:, piece], planes)
    return total / _per_colour(slopes.sum(1), planes)


def _luminance(planes: Tensor) -> Tensor:
    """(3, ...) -> (1, ...)."""
    weights = torch.tensor(_LUMINANCE, dtype=planes.dtype)
    return (planes * _per_colour(weights, planes)).sum(0, keepdim=True)


def _per_colour(values: Tensor, planes: Tensor) -> Tensor:
    return values.reshape(3, *[1] * (planes.ndim - 1))


def _xyz(kelvin: float) -> tuple[float, float, float]:
    x, y = chromaticity(kelvin)
    return x / y, 1.0, (1 - x - y) / y


_LIFTED: Final = (4.0, 2.0, 1.2, 0.8, 0.6, 0.5, 0.5, 0.4)
_STEEP: Final = (0.3, 0.6, 1.2, 2.0, 2.0, 1.2, 0.6, 0.3)

EDITS: Final = (
    Edit("none"),
    Edit("-2 EV", (("exposure", -2.0),)),
    Edit("-1 EV", (("exposure", -1.0),)),
    Edit("+1 EV", (("exposure", 1.0),)),
    Edit("+2 EV", (("exposure", 2.0),)),
    Edit("+3 EV", (("exposure", 3.0),)),
    Edit("3,000 K", (("white balance", gains_for(3000)),)),
    Edit("4,500 K", (("white balance", gains_for(4500)),)),
    Edit("7,500 K", (("white balance", gains_for(7500)),)),
    Edit("gamma 0.5", (("gamma", 0.5),)),
    Edit("gamma 2", (("gamma", 2.0),)),
    Edit("contrast +0.8", (("contrast", 0.8),)),
    Edit("contrast -0.5", (("contrast", -0.5),)),
    Edit("saturation +0.5", (("saturation", 0.5),)),
    Edit("tone curve, shadows lifted", (("tone curve", _LIFTED),)),
    Edit("tone curve, steep", (("tone curve", _STEEP),)),
    Edit("colour curve", (("colour curve", (_STEEP, (1.0,) * 8, _LIFTED)),)),
    Edit("black and white", (("black and white", 1.0),)),
    Edit("-2 EV, 3,000 K, contrast +0.8", (("exposure", -2.0), ("white balance", gains_for(3000)), ("contrast", 0.8))),
    Edit("+2 EV, 7,500 K, shadows lifted", (
        ("exposure", 2.0), ("white balance", gains_for(7500)), ("tone curve", _LIFTED),
    )),
)  # fmt: skip
"""The fixed set, in the order of the tables. `none` is how far apart the pictures are before anybody edits them."""
