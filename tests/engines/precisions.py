"""Graphs of one network in each precision, quantised by the largest magnitudes of one pass."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from invisp_deploy.config import NetworkConfig
from invisp_deploy.export.graph import build_graph
from invisp_deploy.export.views import ForwardView, InverseView
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.network.checkpoint import weights_hash
from invisp_deploy.runtimes.golden import natural_planes
from tests.graphs import CANON_30D, gentle_network
from tests.quantisation import arithmetic_of


def write_precise(
    folder: Path, config: NetworkConfig, precision: str, kept: frozenset[str] = frozenset()
) -> dict[Direction, Path]:
    """Both directions of one network. kept: convolutions that an int8 or fp8 graph leaves in fp16."""
    network = gentle_network(config)
    raw = torch.from_numpy(natural_planes((1, 3, 32, 48), 3))
    arithmetic = arithmetic_of(network, raw, precision, kept)
    paths = {}
    for view in (ForwardView(network), InverseView(network)):
        card = GraphCard(
            view.direction, config, CANON_30D, weights_hash(network), precision,
            kept=tuple(sorted(arithmetic.kept)), scales=arithmetic.digest,
        )  # fmt: skip
        paths[view.direction] = folder / f"{view.direction.value}.onnx"
        onnx.save(build_graph(view, card, arithmetic=arithmetic), paths[view.direction])
    return paths
