"""The MIT-Adobe FiveK sets of the paper: split lists, and the DNGs that they name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from invisp_deploy.contract import camera_name
from invisp_deploy.dataset.options import read_names
from invisp_deploy.errors import MissingFileError, RequestError
from invisp_deploy.formats.exif import camera_exif, make_and_model

__all__ = ["BASE_URL", "CAMERAS", "Collected", "find_dngs", "is_from", "read_lists"]

CAMERAS: Final = ("Canon EOS 5D", "NIKON D700")
"""Models of the paper's two sets, as the files spell them."""

BASE_URL: Final = "https://data.csail.mit.edu/graphics/fivek/img/dng"
"""Where the data set's own site has each DNG, as NAME.dng."""

_LONGEST: Final = 200
_NEVER: Final = frozenset('/\\:*?"<>|')


@dataclass(frozen=True)
class Collected:
    """Of the names asked for: files that are there, names without a file, and why a name's file will not do."""

    paths: Mapping[str, Path]
    missing: tuple[str, ...]
    refused: Mapping[str, str]


def read_lists(train: Path, test: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of two split lists as `read_names` reads them, without the ending .dng.

    Raises RequestError for a list that cannot be read or is empty, a line that is no file name, or a name that is
    listed twice, in one list or in both.
    """
    lists = (_names(train), _names(test))
    if both := sorted(set(lists[0]) & set(lists[1])):
        raise RequestError(
            f"{both[0]} is in {train} and in {test} ({len(both)} such names): what is tested on must not be trained on."
        )
    return lists


def find_dngs(
    folder: Path, names: Sequence[str], camera: str, *, on_file: Callable[[], object] = lambda: None
) -> Collected:
    """The DNGs of those names anywhere below a folder. camera: one of `CAMERAS`, else a file is refused.

    Raises RequestError for a path that is no folder, or two files of one name.
    """
    if not folder.is_dir():
        raise MissingFileError(f"There is no folder {folder}.")
    wanted = set(names)
    found: dict[str, Path] = {}
    for inside, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            path = Path(inside, file)
            if path.suffix.lower() != ".dng" or path.stem not in wanted:
                continue
            if path.stem in found:
                raise RequestError(f"{found[path.stem]} and {path} have one name: take one of them out.")
            found[path.stem] = path
    paths, refused = {}, {}
    for name in [name for name in names if name in found]:
        make, model = make_and_model(camera_exif(found[name], b""))
        if is_from(camera, make, model):
            paths[name] = found[name]
        else:
            taken_by = camera_name(make, model) or "no camera that it names"
            refused[name] = f"{found[name]} is from {taken_by}, expected {camera}."
        on_file()
    return Collected(paths, tuple(name for name in names if name not in found), refused)


def is_from(camera: str, make: str, model: str) -> bool:
    """Whether a file's make and model are that camera: makers spell themselves in several ways."""
    return camera.lower() in (model.strip().lower(), camera_name(make, model).lower())


def _names(path: Path) -> tuple[str, ...]:
    names = tuple(name[:-4] if name.lower().endswith(".dng") else name for name in read_names(path))
    for name in names:
        if len(name) > _LONGEST or name.startswith(".") or not name.isprintable() or set(name) & _NEVER:
            raise RequestError(f"{path} lists {name[:60]!r}, which is no file name: expected one name a line.")
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        raise RequestError(f"{path} lists {doubled[0]} twice ({len(doubled)} such names): list each once.")
    return names
