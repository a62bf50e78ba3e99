"""Models that come with the package: graphs, weights and a card each."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from invisp_deploy.errors import RequestError
from invisp_deploy.graph_card import Direction

__all__ = ["DEFAULT_MODEL", "shipped_graph"]

DEFAULT_MODEL: Final = "canon_eos30d_edge"


def shipped_graph(direction: Direction, model: str = DEFAULT_MODEL) -> Path:
    """Path of a shipped model's graph. Raises RequestError if the installation lacks it."""
    path = Path(__file__).parent / model / f"{direction.value}.onnx"
    if not path.is_file():
        raise RequestError(f"The shipped model {model} is not part of this installation: pass --engine GRAPH.onnx.")
    return path
