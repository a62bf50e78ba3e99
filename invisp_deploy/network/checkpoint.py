"""Checkpoints: the authors' .pth, and safetensors of ours with configuration and camera contract in the header."""

from __future__ import annotations

import hashlib
import json
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
from invisp_deploy.errors import CheckpointError, RequestError
from invisp_deploy.files import write_whole
from invisp_deploy.network.invisp import InvISP

__all__ = ["Checkpoint", "fill", "load_checkpoint", "read_safetensors", "save_checkpoint", "weights_hash"]

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


def load_checkpoint(
    path: Path, *, config: NetworkConfig | None = None, contract: CameraContract | None = None
) -> Checkpoint:
    """Load a checkpoint, strictly.

    config, contract: for the authors' .pth files, which say neither (default: the paper's network, the
    default contract). For safetensors of ours they must agree with the header if given.
    Raises CheckpointError for foreign files and for missing, unexpected or misshapen keys, each named.
    """
    if not path.is_file():
        raise RequestError(f"There is no checkpoint {path}.")
    if path.suffix == ".safetensors":
        return _load_own(path, config, contract)
    return _load_authors(path, config or NetworkConfig(), contract or CameraContract())


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


def _load_own(path: Path, config: NetworkConfig | None, contract: CameraContract | None) -> Checkpoint:
    header, state = read_safetensors(path, _FORMAT, "it was not written by invisp-train")
    try:
        own_config = NetworkConfig.from_dict(json.loads(header["config"]))
        own_contract = CameraContract.from_dict(json.loads(header["contract"]))
        card = json.loads(header.get("card", "{}"))
    except (KeyError, ValueError, RequestError) as error:
        raise CheckpointError(f"{path} has a damaged header: {error}") from error
    for name, asked, found in (("configuration", config, own_config), ("camera contract", contract, own_contract)):
        if asked is not None and asked != found:
            raise CheckpointError(f"{path} holds the {name} {found}, but {asked} was asked for.")
    return Checkpoint(_filled(InvISP(own_config), state, path), own_contract, card)


def _load_authors(path: Path, config: NetworkConfig, contract: CameraContract) -> Checkpoint:
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
    return Checkpoint(_filled(InvISP(config), state, path), contract)


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
            f"{path} does not fit a network of {what} ({'; '.join(faults)}): name the configuration it was "
            "trained with."
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
