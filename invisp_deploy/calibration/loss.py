"""What an arithmetic costs, on tiles that no range was measured on, through real JPEG."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from invisp_deploy.calibration.codec import JpegCodec, codes_of, planes_of
from invisp_deploy.calibration.content import check_content
from invisp_deploy.calibration.tiles import Place, TileSource, check_tiles
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import CalibrationError
from invisp_deploy.evaluation.metrics import paper_domain
from invisp_deploy.formats.raw import render_libraw
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.isp.steps import Float
from invisp_deploy.network.invisp import InvISP


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


@dataclass(frozen=True)
class HeldOutTile:
    """raw (3, H, W) float32 of the network's domain; libraw (H, W, 3) uint8; recipe of the frame."""

    path: Path
    raw: npt.NDArray[np.float32]
    libraw: npt.NDArray[np.uint8]
    recipe: Recipe


def held_out_tiles(
    paths: Sequence[Path],
    contract: CameraContract,
    *,
    size: int,
    per_file: int,
    seed: int,
    avoid: Mapping[Path, Sequence[Place]],
    on_file: Callable[[int], object] = lambda count: None,
) -> list[HeldOutTile]:
    """Tiles that share no pixel with those to avoid. Raises what `TileSource` and `check_content` raise."""
    check_tiles(paths, size, per_file)
    found = []
    for index, path in enumerate(paths):
        source = TileSource.open(path, contract)
        check_content(source.mosaic, source.recipe, path)
        alignment = source.alignment
        around = ((alignment.top, alignment.bottom), (alignment.left, alignment.right), (0, 0))
        target = np.pad(render_libraw(path), around, mode="reflect")
        rng = np.random.default_rng((seed, index, 1))
        for tile in source.tiles(per_file, size, rng, avoid=avoid.get(path, ())):
            window = (slice(tile.row, tile.row + size), slice(tile.column, tile.column + size))
            found.append(HeldOutTile(path, tile.raw[0], target[window].copy(), source.recipe))
        on_file(1)
    return found


class Bench:
    """Measures networks on the same tiles. network: the fp32 one."""

    def __init__(self, network: InvISP, tiles: Sequence[HeldOutTile], codec: JpegCodec) -> None:
        if not tiles:
            raise CalibrationError("There are no held-out tiles to measure a loss on.")
        self.network = network.eval()
        self.tiles = tiles
        self.codec = codec
        with torch.inference_mode():
            self.exact = [_array(network(torch.from_numpy(tile.raw)[None])) for tile in tiles]

    @torch.inference_mode()
    def measure(self, network: InvISP, on_tile: Callable[[int], object] = lambda count: None) -> Figures:
        """Figures of a network as `lowered` or `naive_half` make it."""
        rows = []
        for tile, exact in zip(self.tiles, self.exact, strict=True):
            srgb = _call(network, network, torch.from_numpy(tile.raw)[None])
            decoded = self.codec(srgb)
            back, back8, there = (
                _call(network, network.inverse, picture) for picture in (decoded, planes_of(codes_of(srgb)), srgb)
            )
            rows.append(
                Figures(
                    forward=psnr(_array(srgb), exact, 1),
                    rgb=psnr(codes_of(decoded)[0], tile.libraw, 255),
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
            decoded = self.codec(_call(network, network, torch.from_numpy(tile.raw)[None]))
            figures.append(_raw_psnr(_call(network, network.inverse, decoded), tile))
        return float(np.mean(figures))


def naive_half(network: InvISP) -> InvISP:
    """Weights, tensors, couplings, inputs and outputs all fp16: what a converter makes of a whole graph.

    Convolutions sum in fp32 and round once, as tensor cores do.
    """
    result = copy.deepcopy(network).half()
    for block in result.blocks():
        for dense in block.functions():
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


def _raw_psnr(back: Tensor, tile: HeldOutTile) -> float:
    return psnr(paper_domain(_array(back), tile.recipe), paper_domain(tile.raw, tile.recipe), 1)


def _array(tensor: Tensor) -> Float:
    array: Float = tensor[0].numpy()
    return array
