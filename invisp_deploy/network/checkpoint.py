"""Checkpoints: the authors' .pth, and safetensors of ours with configuration and camera contract in the header."""

from __future__ import annotations

import hashlib
import json
import math
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import safetensors
import torch
from safetensors.torch import save
from torch import Tensor, nn

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import CheckpointError, MissingFileError, RequestError
from invisp_deploy.files import write_whole
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.plain_json import parse_json

_FORMAT: Final = "invisp-weights-1"


@dataclass(frozen=True)
class Checkpoint:
    """Weights with what they mean. `card` holds facts of the training (steps, data, metrics)."""

    network: InvISP
    contract: CameraContract
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> NetworkConfig:
        return self.network.config

    @property
    def weights(self) -> str:
        return weights_hash(self.network)


def weights_hash(network: nn.Module) -> str:
    """SHA-256 over names, shapes and little-endian float32 values in name order; the file format plays no part."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().float().numpy(), "<f4").tobytes())
    return digest.hexdigest()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write safetensors, whole or not at all. Raises OutputError."""
    header = {
        "format": _FORMAT,
        "config": json.dumps(checkpoint.config.to_dict(), sort_keys=True),
        "contract": json.dumps(checkpoint.contract.to_dict(), sort_keys=True),
        "card": json.dumps(checkpoint.card, sort_keys=True),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.network.state_dict().items()}
    write_whole(path, save(tensors, metadata=header))


def load_checkpoint(path: Path) -> Checkpoint:
    """Load weights of ours, strictly.

    Raises MissingFileError, and CheckpointError for foreign files and for missing, unexpected or misshapen keys, each
    named.
    """
    if not path.is_file():
        raise MissingFileError(f"There is no checkpoint {path}.")
    if path.suffix != ".safetensors":
        raise CheckpointError(
            f"{path} is no .safetensors file, so it does not say what network and what camera it is of. Weights of the "
            "authors' code are converted once: `invisp export checkpoint WEIGHTS.pth --contract CONTRACT.json -o "
            "WEIGHTS.safetensors`."
        )
    header, state = read_safetensors(path, _FORMAT, "it was not written by `invisp train`")
    try:
        config = NetworkConfig.from_dict(parse_json(header["config"]))
        contract = CameraContract.from_dict(parse_json(header["contract"]))
        card = parse_json(header.get("card", "{}"))
    except (KeyError, ValueError, RequestError) as error:
        raise CheckpointError(f"{path} has a damaged header: {error}") from error
    return Checkpoint(_filled(InvISP(config), state, path), contract, card)


def load_authors(path: Path, contract: CameraContract) -> Checkpoint:
    """Load a .pth of the authors' code, strictly: its tensors tell the network, the contract is for whoever trained it.

    Raises MissingFileError, and CheckpointError as `load_checkpoint`.
    """
    if not path.is_file():
        raise MissingFileError(f"There is no checkpoint {path}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on pickle protocols; what matters follows as an error
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes make the unpickler raise IndexError, AssertionError, struct.error, ...
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is not a checkpoint of plain weights: {reason}") from error
    plain = isinstance(state, dict) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in state.items())
    if not plain:
        raise CheckpointError(f"{path} does not hold a state dict (names to tensors).")
    return Checkpoint(_filled(InvISP(_config_of(state, path)), state, path), contract)


def _config_of(state: dict[str, Tensor], path: Path) -> NetworkConfig:
    """The network that the shapes of a state dict are of. Raises CheckpointError where they are of none."""
    first = "operations.0"
    names = (f"{first}.invconv.log_s", f"{first}.F.conv1.weight", f"{first}.F.conv2.weight", f"{first}.G.conv1.weight")
    shapes = [tuple(state[name].shape) if name in state else () for name in names]
    channels, (f1, f2, g1) = shapes[0], shapes[1:]
    squeeze = math.isqrt(math.prod(channels) // 3)
    if len(channels) != 1 or {len(f1), len(f2), len(g1)} != {4} or 3 * squeeze**2 != channels[0]:
        found = ", ".join(f"{name} {shape or 'missing'}" for name, shape in zip(names, shapes, strict=True))
        raise CheckpointError(
            f"{path} is not of an InvISP, whose `log_s` has 3 squeeze^2 values and whose convolutions have 4 "
            f"dimensions, got {found}."
        )
    blocks = 1 + max(int(name.split(".")[1]) for name in state if re.match(r"operations\.\d{1,4}\.", name))
    depth = sum(re.fullmatch(rf"{first}\.F\.conv\d+\.weight", name) is not None for name in state)
    split = g1[1]
    try:
        return NetworkConfig(
            blocks=blocks,
            growth=f1[0],
            squeeze=squeeze,
            depth=depth,
            first=0 if split == channels[0] // 2 else split,
            kind="chain" if f2[1] == f1[0] else "dense",
            coupling="affine" if f"{first}.H.conv1.weight" in state else "additive",
        )
    except RequestError as error:
        raise CheckpointError(f"{path} is not of an InvISP that this package knows: {error}") from error


def read_safetensors(path: Path, expected: str, otherwise: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors of a safetensors file of the format `expected`.

    Raises CheckpointError for a damaged file, and for one of another format, with what it then is: `otherwise`.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as stream:
            header = stream.metadata() or {}
            state = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}.") from error
    if header.get("format") != expected:
        raise CheckpointError(f"{path} has the format {header.get('format')!r}, expected {expected!r}: {otherwise}.")
    return header, state


def fill(network: nn.Module, state: dict[str, Tensor], path: Path, what: str) -> None:
    """Put the weights of a file into a network, strictly. what: the configuration, for the message.

    Raises CheckpointError for missing, unexpected or misshapen keys and for values that are not finite, each named.
    """
    expected = network.state_dict()
    faults = []
    if missing := sorted(set(expected) - set(state)):
        faults.append(f"missing: {_some(missing)}")
    if unexpected := sorted(set(state) - set(expected)):
        faults.append(f"unexpected: {_some(unexpected)}")
    for name in sorted(set(expected) & set(state)):
        if expected[name].shape != state[name].shape:
            faults.append(f"{name} has shape {tuple(state[name].shape)}, expected {tuple(expected[name].shape)}")
            break
    if faults:
        raise CheckpointError(
            f"{path} does not fit a network of {what} ({'; '.join(faults)}): it is damaged, or of other weights."
        )
    bad = [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise CheckpointError(f"{path} holds values that are not finite in {_some(bad)}.")
    network.load_state_dict(state, strict=True)


def _filled(network: InvISP, state: dict[str, Tensor], path: Path) -> InvISP:
    fill(network, state, path, str(network.config))
    return network.eval()


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
