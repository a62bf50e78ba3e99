"""Which files of a folder a command takes."""

from __future__ import annotations

from pathlib import Path

from invisp_deploy.errors import RequestError
from invisp_deploy.graph_card import Direction


def is_picture(path: Path) -> bool:
    from invisp_deploy.formats.picture import PICTURE_SUFFIXES

    return path.suffix.lower() in PICTURE_SUFFIXES


def is_raw(path: Path) -> bool:
    from invisp_deploy.formats.raw import RAW_SUFFIXES

    return path.suffix.lower() in RAW_SUFFIXES


def files_of(folder: Path, direction: Direction | None) -> list[Path]:
    """RAW files for a forward engine, pictures for an inverse one; without an engine RAW files, else pictures.

    Raises RequestError where there are none.
    """
    names = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    raws = [file for file in names if is_raw(file)]
    pictures = [file for file in names if is_picture(file)]
    chosen = {Direction.FORWARD: raws, Direction.INVERSE: pictures, None: raws or pictures}[direction]
    if not chosen:
        raise RequestError(
            f"The folder {folder} holds nothing to run: expected RAW files, or pictures for an inverse graph."
        )
    return chosen
