"""Which files of the paths that people name are taken: RAW files or pictures, by the endings of their names.

A file that is named is taken at its word, whatever its ending. Of a folder its own files are taken (not those of
folders in it, but for `raw_files_below`), in name order, hidden ones left out: other systems put `._NAME.CR2` beside
each NAME.CR2.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from invisp_deploy.errors import MissingFileError, RequestError
from invisp_deploy.graph_card import Direction

RAW_SUFFIXES: Final = frozenset(
    {
        ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".gpr", ".iiq", ".k25", ".kdc", ".mef", ".mos", ".mrw",
        ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
    }
)  # fmt: skip
"""Endings of RAW files, in small letters."""

JPEG_SUFFIXES: Final = (".jpg", ".jpeg")
PICTURE_SUFFIXES: Final = (*JPEG_SUFFIXES, ".png", ".tif", ".tiff")
"""Endings of pictures that are read and written, in small letters."""
LINEAR_SUFFIXES: Final = (".exr", ".avif")
"""Endings of linear light, which is written only, in small letters."""


def is_raw(path: Path) -> bool:
    return path.suffix.lower() in RAW_SUFFIXES


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES


def is_linear(path: Path) -> bool:
    return path.suffix.lower() in LINEAR_SUFFIXES


def check_readable_kind(path: Path) -> None:
    """Raise MissingFileError for what is not there, RequestError for a pipe or a device, which may never end, and for
    a name that cannot be.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(f"There is no file {path}.") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RequestError(f"{path} cannot be opened: {reason}.") from error
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise RequestError(f"{path} is a pipe or a device, expected a file: save first what it sends.")


def raw_files(paths: Sequence[Path]) -> list[Path]:
    """The files named, and the RAW files of the folders named, in that order.

    Raises RequestError for a path that is missing, a folder without RAW files, or a file that is named twice.
    """
    return _files(paths, RAW_SUFFIXES, "RAW files")


def raw_files_below(folder: Path) -> Iterator[Path]:
    """RAW files of a folder and of all folders in it, each folder's own first; links to folders are not followed.

    Raises MissingFileError for a path that is no folder.
    """
    if not folder.is_dir():
        raise MissingFileError(f"There is no folder {folder}.")
    yield from _below(folder, RAW_SUFFIXES)


def picture_files(paths: Sequence[Path]) -> list[Path]:
    """The same for pictures."""
    return _files(paths, PICTURE_SUFFIXES, "pictures")


@dataclass(frozen=True)
class FilesToRun:
    """Files of a folder that one command takes. left_out: pictures that lie beside RAW files which are taken."""

    files: list[Path]
    left_out: int


def files_to_run(
    folder: Path, direction: Direction | None, *, recursive: bool = False, apart_from: Path | None = None
) -> FilesToRun:
    """RAW files for a forward graph, pictures for an inverse one; without a graph RAW files, else pictures.

    recursive: of the folders in it, too, but not of `apart_from`, where the outputs go. Raises RequestError where there
    are none.
    """
    kinds = [*RAW_SUFFIXES, *PICTURE_SUFFIXES]
    found = list(_below(folder, kinds, apart_from)) if recursive else _inside(folder, kinds)
    raws = [] if direction is Direction.INVERSE else [path for path in found if is_raw(path)]
    pictures = [path for path in found if is_picture(path)]
    if not raws and (not pictures or direction is Direction.FORWARD):
        raise RequestError(
            f"The folder {folder} holds nothing to run: expected RAW files, or pictures for an inverse graph."
        )
    return FilesToRun(raws or pictures, len(pictures) if raws else 0)


def outputs_for(inputs: Sequence[tuple[Path, Path]]) -> list[Path]:
    """What becomes of each (input, folder of its output): STEM.jpg of a RAW file, STEM.dng of a picture.

    Inputs that would share an output all keep their whole names in it: a.CR2.jpg and a.DNG.jpg. Raises RequestError
    where two of those are the same.
    """
    short = [path.stem for path, _ in inputs]
    full = [path.name for path, _ in inputs]
    names = short
    while True:
        made = [
            folder / f"{name}{'.dng' if is_picture(path) else '.jpg'}"
            for name, (path, folder) in zip(names, inputs, strict=True)
        ]
        counts = Counter(made)
        longer = [full[at] if counts[one] > 1 else names[at] for at, one in enumerate(made)]
        if longer == names:
            break
        names = longer  # which may be the short name of another one: a.dng of a.dng.dng
    first: dict[Path, Path] = {}
    for (path, _), output in zip(inputs, made, strict=True):
        if output in first:
            raise RequestError(f"{first[output]} and {path} would both become {output}: run one of them alone.")
        first[output] = path
    return made


def _files(paths: Sequence[Path], suffixes: Collection[str], kind: str) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if os.path.isdir(path):  # unlike `Path.is_dir` without an error for a name that is too long
            inside = _inside(path, suffixes)
            if not inside:
                raise RequestError(f"The folder {path} holds no {kind}: name the folder that they lie in.")
            found += inside
        elif not os.path.lexists(path):
            raise MissingFileError(f"There is no file or folder {path}.")
        else:
            check_readable_kind(path)
            found.append(path)
    if not found:
        raise RequestError(f"No {kind} were named: name files, or folders of them.")
    seen: dict[Path, Path] = {}
    for path in found:
        first = seen.setdefault(path.resolve(), path)
        if first is not path:
            raise RequestError(f"{path} is named twice (the other time as {first}): name each file once.")
    return found


def _below(folder: Path, suffixes: Collection[str], apart_from: Path | None = None) -> Iterator[Path]:
    left_out = None if apart_from is None else os.path.realpath(apart_from)
    for inside, folders, _ in os.walk(folder):
        names = sorted(name for name in folders if not name.startswith("."))
        folders[:] = [name for name in names if os.path.realpath(os.path.join(inside, name)) != left_out]
        yield from _inside(Path(inside), suffixes)


def _inside(folder: Path, suffixes: Collection[str]) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and path.is_file()
    )
