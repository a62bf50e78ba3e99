"""Which of the shipped models a command runs where no engine is given."""

from __future__ import annotations

from pathlib import Path

import click

from invisp_deploy.cli.inputs import is_picture
from invisp_deploy.errors import InvispError, RequestError
from invisp_deploy.graph_card import Direction
from invisp_deploy.models import DEFAULT_MODEL, MODELS, model_of_weights, shipped_graph

__all__ = ["check_one", "graph_for", "model_option"]

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


def graph_for(path: Path | None, model: str | None) -> Path:
    """The shipped graph for a RAW file or a picture; None stands for RAW frames that are not known yet.

    Raises RequestError if the installation lacks it.
    """
    if path is None or not is_picture(path):
        return shipped_graph(Direction.FORWARD, model or DEFAULT_MODEL)
    return shipped_graph(Direction.INVERSE, model or _rendered_by(path) or DEFAULT_MODEL)


def _rendered_by(picture: Path) -> str | None:
    """The shipped model that rendered a picture; None where none did, or where the picture cannot be read."""
    from invisp_deploy.formats.picture import read_picture

    try:
        record = read_picture(picture).record
    except InvispError:  # whoever recovers the picture says it
        return None
    return None if record is None else model_of_weights(record.weights)
