"""One-block graphs of both directions with their checkpoint file; opened once."""

from pathlib import Path
from typing import NamedTuple

import pytest

from invisp_deploy.config import NetworkConfig
from invisp_deploy.network.checkpoint import save_checkpoint
from tests.graphs import CANON_30D, write_graphs


class Small(NamedTuple):
    folder: Path
    checkpoint: Path


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    folder = tmp_path_factory.mktemp("bench")
    graphs = folder / "graphs"
    graphs.mkdir()
    written = write_graphs(graphs, NetworkConfig(1, 4, 2), CANON_30D, form="tensor")
    save_checkpoint(folder / "weights.safetensors", written.checkpoint)
    return Small(graphs, folder / "weights.safetensors")
