"""Files and folders of files written whole or not at all, and digests."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from invisp_deploy.errors import InvispError, MissingFileError, OutputError, RequestError

_NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES)


def check_output(path: Path, *, overwrite: bool) -> None:
    """Refuse an output path early, before any work is spent on it.

    Raises RequestError if the folder is missing, the path is a folder, its name is longer than the disk takes, or
    something is there already, a link to nothing included.
    """
    try:
        there = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        there = None
    except OSError as error:
        raise _output_error(path, error) from error
    if path.is_dir():
        raise RequestError(f"The output {path} is a folder: name a file in it.")
    if not path.parent.is_dir():
        raise MissingFileError(f"The output folder {path.parent} does not exist: create it first.")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"The output folder {path.parent} is not writable: choose another one.")
    if there is not None and not overwrite:
        raise _exists(path)
    if there is not None and path.exists() and not path.is_file():
        raise RequestError(f"The output {path} is a pipe or a device: name a file.")


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


def make_folders(folder: Path) -> None:
    """A folder and those above it. Raises OutputError; what stands in its way is left to `check_output` to tell."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        return
    except OSError as error:
        raise _output_error(folder, error) from error


@contextlib.contextmanager
def whole_file(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """A temporary path beside `path` that becomes `path` when the block ends well.

    What is replaced keeps its permissions, and a link stays a link: the file that it leads to is replaced. With
    `overwrite` False a file that appears meanwhile stays as it is, whoever writes it.

    On any exception, an interrupt included, the temporary file is removed and `path` is as it was.
    A killed process leaves at most a hidden `.NAME.*.part` file. Raises RequestError for a file that is not to be
    replaced and for a name that the disk does not take, else OutputError.
    """
    try:
        goal = Path(os.path.realpath(path)) if overwrite and path.is_symlink() else path
        mode = stat.S_IMODE(goal.stat().st_mode) if overwrite and goal.exists() else None
        part = goal.with_name(_part_name(goal))
    except OSError as error:
        raise _output_error(path, error) from error
    try:
        # the system applies the umask, which is the whole process's and nobody's to change
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666 if mode is None else 0o600))
        yield part
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        if mode is not None:
            part.chmod(mode)
        if overwrite:
            part.replace(goal)
        else:
            _move_to_free_name(part, path)
    except OSError as error:
        raise _output_error(path, error if error.errno else _what_the_disk_says(part, error)) from error
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


def _part_name(path: Path) -> str:
    """`.NAME.*.part`, of NAME as much as fits where NAME itself does."""
    tail = f".{secrets.token_hex(4)}.part"
    name = os.fsencode(path.name)[: os.pathconf(path.parent, "PC_NAME_MAX") - len(tail) - 1]
    return f".{os.fsdecode(name) if name == os.fsencode(path.name) else name.decode(errors='ignore')}{tail}"


def _move_to_free_name(part: Path, path: Path) -> None:
    """Raises RequestError where the name is taken: unlike `replace`, a link is made by one process alone."""
    try:
        try:
            os.link(part, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # a disk without links (FAT): the name is taken first, then filled
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            try:
                part.replace(path)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
    except FileExistsError as error:
        raise _exists(path) from error


def _exists(path: Path) -> RequestError:
    return RequestError(f"The output {path} exists already: remove it or pass `overwrite`.")


def _what_the_disk_says(part: Path, error: OSError) -> OSError:
    """The error of writing some more, in place of one without a code, which is what NumPy raises on a full disk."""
    try:
        with part.open("ab") as stream:
            stream.write(bytes(1 << 20))
            os.fsync(stream.fileno())
    except OSError as said:
        return said
    return error


def _output_error(path: Path, error: OSError) -> InvispError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"The disk is full: {path} was not written; free some space and run it again.")
    if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ):  # of this file: the next one may be written
        return RequestError(f"The disk takes no file of the name {path} ({error.strerror}): choose another name.")
    return OutputError(f"{path} could not be written: {error.strerror or error}.")
