"""Files written whole or not at all, and digests."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from invisp_deploy.errors import MissingFileError, OutputError, RequestError

__all__ = ["check_output", "output_folder", "sha256_file", "whole_file", "write_whole"]


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuse an output path early, before any work is spent on it.

    Raises RequestError if the folder is missing, the path is a folder, or a file is there already.
    """
    if path.is_dir():
        raise RequestError(f"The output {path} is a folder: name a file in it.")
    if not path.parent.is_dir():
        raise MissingFileError(f"The output folder {path.parent} does not exist: create it first.")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"The output folder {path.parent} is not writable: choose another one.")
    if path.exists() and not overwrite:
        raise RequestError(f"The output {path} exists already: remove it or pass `overwrite`.")


@contextlib.contextmanager
def output_folder(folder: Path) -> Iterator[None]:
    """Create a folder for the outputs of the block if its parent exists; one that a failed block left empty goes again.

    Raises RequestError if the path is a file or the parent is missing, OutputError if it cannot be created.
    """
    there = folder.is_dir()
    if folder.exists() and not there:
        raise RequestError(f"The output {folder} is a file: name a folder.")
    if not folder.parent.is_dir():
        raise MissingFileError(f"The folder {folder.parent} does not exist: create it first.")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise _output_error(folder, error) from error
    try:
        yield
    except BaseException:
        if not there:
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()
        raise


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends well.

    On any exception, an interrupt included, the temporary file is removed and `path` is as it was.
    A killed process leaves at most a hidden `.NAME.*.part` file. Raises OutputError.
    """
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _output_error(path, error) from error
    part = Path(name)
    try:
        yield part
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    except OSError as error:
        raise _output_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes | str) -> None:
    """Write `data` to `path`, whole or not at all. Raises OutputError."""
    with whole_file(path) as part:
        part.write_bytes(data.encode() if isinstance(data, str) else data)


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _output_error(path: Path, error: OSError) -> OutputError:
    if error.errno == errno.ENOSPC or error.errno == errno.EDQUOT:
        return OutputError(f"The disk is full: {path} was not written; free some space and run it again.")
    return OutputError(f"{path} could not be written: {error.strerror or error}.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
