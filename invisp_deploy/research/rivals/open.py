"""The rivals by name, what a direction of them costs, and their checkpoints.

A checkpoint is safetensors with name, sizes, camera contract and card in the header.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import CheckpointError, MissingFileError, RequestError
from invisp_deploy.files import write_whole
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.graph_card import Direction
from invisp_deploy.network.checkpoint import fill, read_safetensors, weights_hash
from invisp_deploy.plain_json import parse_json
from invisp_deploy.research.rivals.cycleisp import CycleIsp
from invisp_deploy.research.rivals.grayscale import InvertibleGrayscale
from invisp_deploy.research.rivals.unet import UnetPair
from invisp_deploy.research.rivals.upi import Upi

RIVALS: Final = ("upi", "cycleisp", "grayscale", "unet")
"""Every rival; all but `upi` are trained."""

RIVAL_FORMAT: Final = "invisp-rival-1"
"""The header's `format` of a rival's checkpoint; InvISP's is another."""

_EDGE: Final = 128
_UNET_WIDTH: Final = 52

_TRAINED: Final[dict[str, type[nn.Module]]] = {
    "cycleisp": CycleIsp,
    "grayscale": InvertibleGrayscale,
    "unet": UnetPair,
}


@dataclass(frozen=True)
class Rival:
    """A trained rival with what it means. `card` holds facts of the training."""

    name: str
    network: nn.Module
    contract: CameraContract
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def weights(self) -> str:
        return weights_hash(self.network)


def build_rival(name: str, frame: RawFrame, contract: CameraContract, width: int | None = None) -> nn.Module:
    """A new method: `forward` RAW -> sRGB, `inverse` sRGB -> RAW, both (B, 3, H, W) float32; `renders`, `multiple`.

    frame: of the camera; only `upi` reads it. width: channels, instead of those that cost what `edge` costs. Initial
    weights follow PyTorch's generator. Raises RequestError for an unknown name, for a width that is none, for `unet`
    without a CFA phase in the contract, and as `Upi`.
    """
    if width is not None and width < 1:
        raise RequestError(f"`width` must be at least 1, got {width}.")
    if name == "upi":
        return Upi(frame, contract)
    if name == "unet":
        return UnetPair(contract.cfa, width or _UNET_WIDTH, 4 if contract.color == "camera" else 12)
    if name not in _TRAINED:
        raise RequestError(f"There is no rival {name!r}: choose one of {', '.join(RIVALS)}.")
    if width is None:
        return _TRAINED[name]()
    return CycleIsp(width) if name == "cycleisp" else InvertibleGrayscale(width, -(-width * 26 // 24))


def save_rival(path: Path, network: nn.Module, contract: CameraContract, card: dict[str, Any]) -> None:
    """Write a trained rival, whole or not at all. Raises OutputError; RequestError for what is no trained rival."""
    name = next((name for name, kind in _TRAINED.items() if type(network) is kind), None)
    if name is None:
        raise RequestError(f"{type(network).__name__} has no weights of a rival to save: {', '.join(_TRAINED)} have.")
    header = {
        "format": RIVAL_FORMAT,
        "rival": name,
        "facts": json.dumps(network.facts, sort_keys=True),
        "contract": json.dumps(contract.to_dict(), sort_keys=True),
        "card": json.dumps(card, sort_keys=True),
    }
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in network.state_dict().items()}
    write_whole(path, save(tensors, metadata=header))


def load_rival(path: Path) -> Rival:
    """Load a rival's checkpoint, strictly, in eval mode.

    Raises RequestError if there is no such file, CheckpointError for a foreign or damaged file and for missing,
    unexpected, misshapen or not finite values, each named.
    """
    if not path.is_file():
        raise MissingFileError(f"There is no checkpoint {path}.")
    header, state = read_safetensors(path, RIVAL_FORMAT, "it holds no trained rival")
    try:
        name = header["rival"]
        contract = CameraContract.from_dict(parse_json(header["contract"]))
        network = _TRAINED[name](**parse_json(header["facts"]))
        card = parse_json(header["card"])
    except (KeyError, ValueError, TypeError, RequestError) as error:
        raise CheckpointError(f"{path} has a damaged header: {error}") from error
    fill(network, state, path, f"{name} of {header['facts']}")
    return Rival(name, network.eval(), contract, card)


def macs_per_pixel(network: nn.Module, direction: Direction) -> float:
    """Multiply-accumulates of convolutions and matrix products for one image pixel.

    Counted by PyTorch's FLOP counter on a picture of 128x128, where what is done once a picture (channel attention)
    is spread over its pixels.
    """
    like = next(itertools.chain(network.parameters(), network.buffers()), torch.empty(0))  # the closed form has none
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        getattr(network, direction.value)(torch.full((1, 3, _EDGE, _EDGE), 0.5, device=like.device))
    return float(counter.get_total_flops()) / 2 / _EDGE**2
