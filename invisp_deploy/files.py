"""Files and folders of files written whole or not at all, and digests."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from invisp_deploy.errors import MissingFileError, OutputError, RequestError


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
    if folder.exists() and not folder.is_dir():  # looked at again: processes of one run make it at the same time
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
        raise _output_error(folder, error) from error


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
