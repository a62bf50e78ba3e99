"""Small graphs for tests: two blocks, random weights that are not the identity but stay near it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
import torch

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.export.graph import build_graph
from invisp_deploy.export.views import ForwardView, InverseView
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.rendering.model import Model, load

CANON_30D = CameraContract("Canon", "Canon EOS 30D", white="adjusted", white_balance="min", cfa="RGGB")


@dataclass(frozen=True)
class Graphs:
    forward: Path
    inverse: Path
    checkpoint: Checkpoint

    def model(self) -> Model:
        return load(self.forward)


def gentle_network(config: NetworkConfig, seed: int = 0, spread: float = 0.02) -> InvISP:
    """Near the identity, so that a rendering stays a picture, but with every part at work."""
    torch.manual_seed(seed)
    network = InvISP(config)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if f"conv{config.depth}" in name:
                parameter.normal_(0, spread)
    return network.eval()


def write_graphs(
    folder: Path,
    config: NetworkConfig,
    contract: CameraContract,
    seed: int = 0,
    form: str = "mosaic",
    bits: int = 8,
) -> Graphs:
    checkpoint = Checkpoint(gentle_network(config, seed), contract)
    paths = {}
    for view in (ForwardView(checkpoint.network), InverseView(checkpoint.network)):
        card = GraphCard(view.direction, config, contract, checkpoint.weights, form=form, bits=bits)
        paths[view.direction] = folder / f"{view.direction.value}{'' if bits == 8 else bits}.onnx"
        onnx.save(build_graph(view, card), paths[view.direction])
    return Graphs(paths[Direction.FORWARD], paths[Direction.INVERSE], checkpoint)
