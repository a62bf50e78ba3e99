"""Models that come with the package: graphs, weights and a card each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from invisp_deploy.errors import RequestError

MODELS: Final = {"universal": "universal", "natural": "natural", "vivid": "vivid", "closed-form": "closed_form"}
"""Folders by the name that a model is asked for by."""

DEFAULT_MODEL: Final = "universal"


def shipped_folder(model: str = DEFAULT_MODEL) -> Path:
    """Folder of a shipped model. Raises RequestError for an unknown name, or if the installation lacks it."""
    if model not in MODELS:
        raise RequestError(f"No model {model!r} is shipped: choose one of {', '.join(MODELS)}.")
    folder = Path(__file__).parent / MODELS[model]
    if not (folder / "forward.onnx").is_file():
        raise RequestError(f"The shipped model {model} is not part of this installation: name a folder of an export.")
    return folder


def model_of_weights(weights: str) -> str | None:
    """Name of the shipped model that has these weights (their hash), None where none has."""
    for model, folder in MODELS.items():
        report = Path(__file__).parent / folder / "report.json"
        if report.is_file() and json.loads(report.read_text(encoding="utf-8"))["weights"] == weights:
            return model
    return None
