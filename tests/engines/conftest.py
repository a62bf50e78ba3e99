"""Graphs that the builder is given: two blocks of each configuration, and the whole paper network."""

from __future__ import annotations

from pathlib import Path

import pytest

from invisp_deploy.config import CONFIGURATIONS, NetworkConfig
from tests.graphs import CANON_30D, Graphs, write_graphs

CONFIGS = {"paper": NetworkConfig(2, 32, 1), "edge": NetworkConfig(2, 16, 2)}


@pytest.fixture(scope="session", params=CONFIGS, ids=str)
def graphs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    """Both configurations in turn, two blocks deep."""
    return write_graphs(tmp_path_factory.mktemp(request.param), CONFIGS[request.param], CANON_30D)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    """One block, for what does not depend on the network."""
    return write_graphs(tmp_path_factory.mktemp("small"), NetworkConfig(1, 4, 2), CANON_30D)


@pytest.fixture(scope="session")
def whole_paper(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("whole"), CONFIGURATIONS["paper"], CANON_30D)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("INVISP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"
