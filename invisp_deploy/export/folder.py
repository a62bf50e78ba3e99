"""A folder of files that appears as a whole or not at all."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from invisp_deploy.errors import MissingFileError, OutputError, RequestError

__all__ = ["whole_folder"]


@contextlib.contextmanager
def whole_folder(folder: Path, names: Sequence[str], *, overwrite: bool) -> Iterator[Path]:
    """A hidden folder to write `names` into; they move to `folder` when the block ends well.

    On any exception, an interrupt included, `folder` is as it was. The last of `names` is removed first and
    moved last, so a killed process cannot leave it beside files of another run. `folder` is created if its
    parent exists. Raises RequestError if `folder` is a file, its parent is missing, or one of `names` is there
    and not to be overwritten; OutputError if it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"The output {folder} is a file: name a folder.")
    if not folder.is_dir() and not folder.parent.is_dir():
        raise MissingFileError(f"The folder {folder.parent} for the output does not exist: create it first.")
    there = [name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise RequestError(f"The output {folder / there[0]} exists already: choose another folder or pass `overwrite`.")
    # inside an existing folder, so that the files move within one file system
    part = (folder if folder.is_dir() else folder.parent) / f".{folder.resolve().name}.{secrets.token_hex(4)}.part"
    try:
        part.mkdir()
        try:
            yield part
            if folder.is_dir():
                (folder / names[-1]).unlink(missing_ok=True)
                for name in names:
                    (part / name).replace(folder / name)
            else:
                part.replace(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise OutputError(f"{folder} could not be written: {error.strerror or error}.") from error
