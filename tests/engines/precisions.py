"""Graphs of one network in each precision, with made weights and made scales."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from invisp_deploy.arithmetic import Arithmetic
from invisp_deploy.config import NetworkConfig
from invisp_deploy.export.graph import build_graph
from invisp_deploy.export.views import ForwardView, InverseView
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.runtimes.golden import natural_planes
from tests.graphs import CANON_30D
from tests.quantisation import arithmetic_of


def made(config: NetworkConfig, seed: int = 0) -> Checkpoint:
    """Every part at work: inner convolutions keep the size of what they read, biases are not zero, and channels of
    inner tensors differ in size, as those of trained weights do. The last convolution of a function is small.
    """
    torch.manual_seed(seed)
    network = InvISP(config)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".conv" not in name:
                continue
            last = f"conv{config.depth}" in name
            if parameter.dim() == 1:
                parameter.normal_(0, 0.02 if last else 0.1)
            else:
                parameter.normal_(0, (0.2 if last else 1.2) / parameter[0].numel() ** 0.5)
    return Checkpoint(network.eval(), CANON_30D)


def made_arithmetic(checkpoint: Checkpoint, precision: str, kept: frozenset[str] = frozenset()) -> Arithmetic:
    """With the largest magnitudes of one pass."""
    raw = torch.from_numpy(natural_planes((1, 3, 32, 48), 3))
    return arithmetic_of(checkpoint.network, raw, precision, kept)


def write_precise(
    folder: Path, checkpoint: Checkpoint, arithmetic: Arithmetic, form: str = "mosaic"
) -> dict[Direction, Path]:
    """Both directions of one network in `folder`."""
    paths = {}
    for view in (ForwardView(checkpoint.network), InverseView(checkpoint.network)):
        card = GraphCard(
            view.direction, checkpoint.config, checkpoint.contract, checkpoint.weights, arithmetic.precision,
            kept=tuple(sorted(arithmetic.kept)), scales=arithmetic.digest, form=form,
        )  # fmt: skip
        paths[view.direction] = folder / f"{view.direction.value}.onnx"
        onnx.save(build_graph(view, card, arithmetic=arithmetic), paths[view.direction])
    return paths
