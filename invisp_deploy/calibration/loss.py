"""What an arithmetic costs, on tiles that no range was measured on, through real JPEG."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from invisp_deploy.calibration.held_out import HeldOut
from invisp_deploy.calibration.observe import Jpeg, rounded8
from invisp_deploy.errors import CalibrationError
from invisp_deploy.evaluation.metrics import paper_domain
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.network.invisp import InvISP

__all__ = ["MEASURES", "Bench", "Figures", "naive_half"]

Float = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Figures:
    """Mean over tiles, in dB; `MEASURES` says what each is. forward is infinite for fp32 itself."""

    forward: float
    rgb: float
    raw: float
    raw8: float
    round_trip: float


MEASURES: Final = {
    "forward": "peak 1: sRGB against that of fp32 PyTorch, neither clamped",
    "rgb": "peak 255: the decoded JPEG against LibRaw's rendering, both 8 bit (rgb-psnr)",
    "raw": "peak 1: RAW recovered from the JPEG, in the paper's domain, clipped (raw-psnr-paper, a tile for a patch)",
    "raw8": "the same from sRGB rounded to 8 bit, without JPEG",
    "round_trip": "peak 1: RAW recovered from sRGB as it is, in the network's domain",
}


class Bench:
    """Measures networks on the same tiles. network: the fp32 one."""

    def __init__(self, network: InvISP, tiles: Sequence[HeldOut], jpeg: Jpeg) -> None:
        if not tiles:
            raise CalibrationError("There are no held-out tiles to measure a loss on.")
        self.network = network.eval()
        self.tiles = tiles
        self.jpeg = jpeg
        with torch.inference_mode():
            self.exact = [_array(network(torch.from_numpy(tile.raw)[None])) for tile in tiles]

    @torch.inference_mode()
    def measure(self, network: InvISP, on_tile: Callable[[int], object] = lambda count: None) -> Figures:
        """Figures of a network as `lowered` or `naive_half` make it."""
        rows = []
        for tile, exact in zip(self.tiles, self.exact, strict=True):
            srgb = _call(network, network, torch.from_numpy(tile.raw)[None])
            decoded = self.jpeg(srgb)
            back, back8, there = (
                _call(network, network.inverse, picture) for picture in (decoded, rounded8(srgb).float() / 255, srgb)
            )
            rows.append(
                Figures(
                    forward=psnr(_array(srgb), exact, 1),
                    rgb=psnr(rounded8(decoded)[0].permute(1, 2, 0).numpy(), tile.libraw, 255),
                    raw=_raw_psnr(back, tile),
                    raw8=_raw_psnr(back8, tile),
                    round_trip=psnr(_array(there), tile.raw, 1),
                )
            )
            on_tile(1)
        names = [each.name for each in fields(Figures)]
        return Figures(**{name: float(np.mean([getattr(row, name) for row in rows])) for name in names})

    @torch.inference_mode()
    def raw(self, network: InvISP) -> float:
        """`Figures.raw` alone, for half the work."""
        figures = []
        for tile in self.tiles:
            decoded = self.jpeg(_call(network, network, torch.from_numpy(tile.raw)[None]))
            figures.append(_raw_psnr(_call(network, network.inverse, decoded), tile))
        return float(np.mean(figures))


def naive_half(network: InvISP) -> InvISP:
    """Weights, tensors, couplings, inputs and outputs all fp16: what a converter makes of a whole graph.

    Convolutions sum in fp32 and round once, as tensor cores do.
    """
    result = copy.deepcopy(network).half()
    for block in result.blocks():
        for dense in (block.F, block.G, block.H):
            for name, layer in list(dense.named_children()):
                if isinstance(layer, nn.Conv2d):
                    dense.add_module(name, _HalfConvolution(layer))
    return result


class _HalfConvolution(nn.Module):
    """PyTorch's own of this type takes 40 times as long on a CPU."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.layer.bias is None else self.layer.bias.float()
        return functional.conv2d(x.float(), self.layer.weight.float(), bias, padding=self.layer.padding).half()


def _call(network: InvISP, apply: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    kind = next(network.parameters()).dtype
    return apply(x.to(kind)).float()


def _raw_psnr(back: Tensor, tile: HeldOut) -> float:
    return psnr(paper_domain(_array(back), tile.levels), paper_domain(tile.raw, tile.levels), 1)


def _array(tensor: Tensor) -> Float:
    array: Float = tensor[0].numpy()
    return array
