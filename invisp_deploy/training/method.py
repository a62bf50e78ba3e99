"""What is trained: InvISP or a rival, new for a run, and how its weights are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.network.checkpoint import Checkpoint, save_checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.research.rivals.open import build_rival, save_rival
from invisp_deploy.training.run import Run

__all__ = ["Save", "new_method", "saver"]

Save = Callable[[Path, nn.Module, dict[str, Any]], None]
"""(path, network, card): writes weights with their card, whole or not at all."""


def new_method(run: Run, frame: RawFrame) -> nn.Module:
    """The method of a run with the initial weights of its seed. frame: of the camera, for rivals.

    Raises RequestError for a method without weights, or that does not fit the run's contract or crops.
    """
    if run.method == "upi":
        raise RequestError("There is nothing to train in upi: `invisp research table1` builds it from the data.")
    torch.manual_seed(run.optimiser.seed)
    network = InvISP(run.config) if run.config is not None else build_rival(run.method, frame, run.contract)
    multiple = int(getattr(network, "multiple", 1))
    if run.data.patch % multiple:
        what = "the squeeze" if run.config is not None else f"what {run.method} needs"
        raise RequestError(f"`patch` must be a multiple of {what}, {multiple}, got {run.data.patch}.")
    return network


def saver(contract: CameraContract) -> Save:
    """Writes InvISP as `network.checkpoint` does and a rival as `rivals.open` does."""

    def save(path: Path, network: nn.Module, card: dict[str, Any]) -> None:
        if isinstance(network, InvISP):
            save_checkpoint(path, Checkpoint(network, contract, card))
        else:
            save_rival(path, network, contract, card)

    return save
