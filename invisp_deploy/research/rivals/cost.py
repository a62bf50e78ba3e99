"""What a direction of a method costs."""

from __future__ import annotations

import itertools
from typing import Final

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from invisp_deploy.graph_card import Direction

_EDGE: Final = 128


def macs_per_pixel(network: nn.Module, direction: Direction) -> float:
    """Multiply-accumulates of convolutions and matrix products for one image pixel.

    Counted by PyTorch's FLOP counter on a picture of 128x128, where what is done once a picture (channel attention)
    is spread over its pixels.
    """
    like = next(itertools.chain(network.parameters(), network.buffers()))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        getattr(network, direction.value)(torch.full((1, 3, _EDGE, _EDGE), 0.5, device=like.device))
    return float(counter.get_total_flops()) / 2 / _EDGE**2
