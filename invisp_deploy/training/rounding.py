"""Rounding to whole numbers with a gradient, for the quantisation of a JPEG simulator."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

FOURIER_TERMS: Final = 10
"""K of eq. 9. Even, so that the gradient at whole numbers is +1 (nine terms give -1)."""

DSQ_ALPHA: Final = 0.2
"""The temperature of DSQ: how far the curve without its scale s stays below full height, of half a bin.

Near 0 the curve is true rounding and its gradient vanishes but at halves, at 1 it is the identity. With 0.2 the slope
is 0.49 at whole numbers and 1.37 at halves. Gong et al. learn it for each layer; a JPEG has no parameters to learn.
"""


def fourier_round(x: Tensor, terms: int = FOURIER_TERMS) -> Tensor:
    """Q(x) = x - 1/pi sum_{k=1..K} (-1)^(k+1)/k sin(2 pi k x), InvISP eq. 9; any shape."""
    total = torch.zeros_like(x)
    for k in range(1, terms + 1):
        total = total + ((-1) ** (k + 1) / k) * torch.sin(2 * math.pi * k * x)
    return x - total / math.pi


def dsq_curve(x: Tensor, alpha: float = DSQ_ALPHA) -> Tensor:
    """Differentiable soft quantisation with bins of width 1 (Gong et al., ICCV 2019, section 3.1); any shape.

    Within the bin from i to i + 1, whose middle m = i + 1/2 is where rounding decides:

        Q(x) = i + (phi(x) + 1) / 2     phi(x) = s tanh(k (x - m))     s = 1 / (1 - alpha)     k = ln(2 / alpha - 1)

    k follows from phi(m + 1/2) = 1, so that whole numbers stay and neighbouring bins join: tanh(k / 2) = 1 - alpha.
    """
    scale, steepness = 1 / (1 - alpha), math.log(2 / alpha - 1)
    low = torch.floor(x).detach()
    return low + 0.5 * (scale * torch.tanh(steepness * (x - low - 0.5)) + 1)


def dsq_round(x: Tensor, alpha: float = DSQ_ALPHA) -> Tensor:
    """True rounding with the gradient of `dsq_curve`: as DSQ trains, where the sign of phi decides the value."""
    curve = dsq_curve(x, alpha)
    return curve + (torch.round(x) - curve).detach()


def straight_through_round(x: Tensor) -> Tensor:
    """True rounding, ties to even; the gradient is 1 (Bengio et al., 2013)."""
    return x + (torch.round(x) - x).detach()


ROUND: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "fourier": fourier_round,
    "dsq": dsq_round,
    "straight-through": straight_through_round,
}
