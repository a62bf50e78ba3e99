"""Networks and graphs of the export tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.export.graph import build_graph
from invisp_deploy.export.views import ForwardView, InverseView
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.network.checkpoint import Checkpoint, load_authors, weights_hash
from invisp_deploy.network.invisp import InvISP

VIEWS = {Direction.FORWARD: ForwardView, Direction.INVERSE: InverseView}
CONTRACT = CameraContract("Canon", "Canon EOS 30D", cfa="RGGB")


@pytest.fixture(scope="session")
def authors(golden_checkpoint: Path) -> InvISP:
    """The network of the authors' checkpoint."""
    return load_authors(golden_checkpoint, CameraContract()).network


@pytest.fixture(scope="session")
def squeezed(random_network: Callable[..., InvISP]) -> InvISP:
    """Two random blocks at half resolution."""
    return random_network(NetworkConfig(blocks=2, growth=4, squeeze=2), spread=0.05)


@pytest.fixture
def small(random_network: Callable[..., InvISP]) -> Checkpoint:
    """One random block with a camera; a test may change it."""
    return Checkpoint(random_network(NetworkConfig(blocks=1, growth=4, squeeze=1)), CONTRACT)


def graph_of(network: InvISP, direction: Direction, opset: int = 17) -> onnx.ModelProto:
    """The float graph."""
    card = GraphCard(direction, network.config, CONTRACT, weights_hash(network), form="tensor")
    return build_graph(VIEWS[direction](network), card, opset)
