"""Models that come with the package: graphs, weights and a card each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from invisp_deploy.errors import RequestError
from invisp_deploy.graph_card import Direction

__all__ = ["DEFAULT_MODEL", "MODELS", "model_of_weights", "shipped_graph"]

MODELS: Final = {"edge": "canon_eos30d_edge", "nano": "canon_eos30d_nano"}
"""Folders by the name that `--model` takes."""

DEFAULT_MODEL: Final = "edge"


def shipped_graph(direction: Direction, model: str = DEFAULT_MODEL) -> Path:
    """Path of a shipped model's graph. Raises RequestError for an unknown name, or if the installation lacks it."""
    if model not in MODELS:
        raise RequestError(f"No model {model!r} is shipped: choose one of {', '.join(MODELS)}.")
    path = _folder(model) / f"{direction.value}.onnx"
    if not path.is_file():
        raise RequestError(f"The shipped model {model} is not part of this installation: pass --engine GRAPH.onnx.")
    return path


def model_of_weights(weights: str) -> str | None:
    """Name of the shipped model that has these weights (their hash), None where none has."""
    for model in MODELS:
        report = _folder(model) / "report.json"
        if report.is_file() and json.loads(report.read_text(encoding="utf-8"))["weights"] == weights:
            return model
    return None


def _folder(model: str) -> Path:
    return Path(__file__).parent / MODELS[model]
