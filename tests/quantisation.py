"""Scales for small networks in tests: the largest magnitudes of one pass each way, found without our observers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from invisp_deploy.arithmetic import FULL_SCALE, Arithmetic, block_input
from invisp_deploy.network.invisp import InvISP


def maxima(network: InvISP, raw: Tensor) -> dict[str, float]:
    """Largest magnitude of every quantised tensor when `raw` goes forward and back."""
    found: dict[str, float] = {}
    hooks = []
    for index, block in enumerate(network.blocks()):
        for part in network.config.functions:
            dense = f"block{index}.{part}"
            names = [block_input(dense), *(f"{dense}.relu{number}" for number in range(1, network.config.depth))]
            convolutions = [layer for layer in getattr(block, part).children() if isinstance(layer, nn.Conv2d)]
            for name, convolution in zip(names, convolutions, strict=True):

                def note(module: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
                    new = inputs[0] if ".relu" not in name else inputs[0][:, -network.config.growth :]
                    found[name] = max(found.get(name, 0.0), float(new.abs().max()))

                hooks.append(convolution.register_forward_pre_hook(note))
    with torch.no_grad():
        network.inverse(network(raw))
    for hook in hooks:
        hook.remove()
    return found


def arithmetic_of(network: InvISP, raw: Tensor, precision: str, kept: frozenset[str] = frozenset()) -> Arithmetic:
    if precision not in FULL_SCALE:
        return Arithmetic(precision)
    return Arithmetic(
        precision, {name: top / FULL_SCALE[precision] for name, top in maxima(network, raw).items()}, kept
    )
