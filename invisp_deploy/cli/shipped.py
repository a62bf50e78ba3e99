"""Which of the shipped models a command runs where no engine is given."""

from __future__ import annotations

from pathlib import Path

import click

from invisp_deploy.errors import RequestError
from invisp_deploy.models import DEFAULT_MODEL, MODELS

__all__ = ["check_one", "model_option"]

model_option = click.option(
    "--model",
    type=click.Choice(list(MODELS)),
    help=f"Shipped model.  [default: {DEFAULT_MODEL}; for a picture the one that rendered it]",
)


def check_one(model: str | None, **engines: Path | None) -> None:
    """Raise RequestError where both a shipped model and a graph of one's own are asked for."""
    given = [name for name, path in engines.items() if path is not None]
    if model is not None and given:
        raise RequestError(f"--model names a shipped graph, --{given[0]} a file: pass one of the two.")
