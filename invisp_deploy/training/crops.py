"""Crops that stay the same over a run: how good the weights are on them, through real JPEG files in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from invisp_deploy.calibration.codec import JpegCodec
from invisp_deploy.contract import CameraContract
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.steps import Array
from invisp_deploy.report.crops import crop_sheet
from invisp_deploy.training.data import Pair, sample_batch

_SEED: Final = 1_000_003


@dataclass(frozen=True)
class Crops:
    """raw, target: (N, 3, patch, patch) float32. label: what they are crops of: `held-out` or `training` files."""

    raw: Tensor
    target: Tensor
    label: str

    @classmethod
    def of(
        cls, pairs: Sequence[Pair], contract: CameraContract, patch: int, *, label: str = "held-out", count: int = 16
    ) -> Crops:
        """Crops of a seed that no step draws from, the same for every run on the same files."""
        raw, target = sample_batch(pairs, contract, patch, count, np.random.default_rng((_SEED, 0)))
        return cls(raw, target, label)


@dataclass(frozen=True)
class Measured:
    """Figures over all pixels of all crops, dB with peak 1 in the network's domain; None where there is no such pixel.

    rgb_psnr: the decoded JPEG against the target; None for a method that renders nothing.
    raw_psnr: what the inverse makes of the JPEG against the RAW; raw_psnr_clipped, raw_psnr_unclipped: the same where
    any channel of the rendering leaves [0, 1], and elsewhere.
    crops: their label. picture: of the first ones, by `report.crops.crop_sheet`.
    """

    step: int
    seconds: float
    rgb_psnr: float | None
    raw_psnr: float | None
    raw_psnr_clipped: float | None
    raw_psnr_unclipped: float | None
    crops: str
    picture: npt.NDArray[np.uint8]

    def to_dict(self) -> dict[str, Any]:
        """For the log: all but the picture."""
        return {name: value for name, value in vars(self).items() if name != "picture"}


@torch.no_grad()
def measure_crops(network: nn.Module, crops: Crops, codec: JpegCodec, step: int = 0, seconds: float = 0.0) -> Measured:
    """Render, compress with libjpeg, recover, compare. The network is put into eval mode.

    A method that renders nothing recovers from the target, which is of a JPEG file already.
    """
    network.eval()  # this, too, makes a network forget the matrices of earlier weights
    device = next(network.parameters()).device
    rendered, recovered, clipped = [], [], []
    for raw, target in zip(crops.raw, crops.target, strict=True):
        made = network(raw[None].to(device))[0].cpu() if network.renders else target
        clipped.append(((made < 0) | (made > 1)).any(0).numpy())
        picture = codec(made[None])[0] if network.renders else target
        rendered.append(picture)
        recovered.append(network.inverse(picture[None].to(device))[0].cpu())  # type: ignore[operator]
    raw, target = crops.raw.numpy(), crops.target.numpy()
    shown, found, mask = torch.stack(rendered).numpy(), torch.stack(recovered).numpy(), np.stack(clipped)
    ours, true = found.transpose(0, 2, 3, 1), raw.transpose(0, 2, 3, 1)
    return Measured(
        step,
        seconds,
        _psnr(shown, target) if network.renders else None,
        _psnr(ours, true),
        _psnr(ours[mask], true[mask]),
        _psnr(ours[~mask], true[~mask]),
        crops.label,
        crop_sheet(raw, shown, target, found),
    )


def _psnr(ours: Array, true: Array) -> float | None:
    return psnr(ours, true, 1) if ours.size else None
