"""What a dataset is prepared with, and which of its files are held out for testing."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from invisp_deploy.contract import LIBRAW
from invisp_deploy.errors import RequestError
from invisp_deploy.formats.subsampling import SUBSAMPLINGS

BESIDE: Final = "beside"
PREVIEW: Final = "preview"
"""What a target is, where it is no folder and not LibRaw's rendering."""


@dataclass(frozen=True)
class PrepareOptions:
    """quality (1 to 100) and subsampling of the pictures; the split by share and seed, or by names; the target.

    test_share: part of the camera's own files that is held out, from 0 to below 1. test_names: those that are, as
    names with or without ending; then share and seed decide nothing.
    target: `libraw` for LibRaw's rendering, `beside` for the JPEG beside each RAW file, `preview` for that inside it,
    or a folder of pictures, by name. render: a command that makes the picture instead, with `{raw}` and `{out}` in it;
    empty for none. any_tones: whether pictures whose tones differ from those of the rest stay.
    """

    quality: int = 90
    subsampling: str = "4:2:2"
    seed: int = 0
    test_share: float = 0.15
    test_names: tuple[str, ...] | None = None
    target: str = LIBRAW
    render: str = ""
    any_tones: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise RequestError(f"`quality` must be from 1 to 100, got {self.quality}.")
        if self.subsampling not in SUBSAMPLINGS:
            raise RequestError(f"`subsampling` must be one of {', '.join(SUBSAMPLINGS)}, got {self.subsampling!r}.")
        if not 0 <= self.test_share < 1:
            raise RequestError(f"`test_share` must be at least 0 and below 1, got {self.test_share}.")
        if self.render and self.target != LIBRAW:
            raise RequestError("`target` and `render` exclude each other: pass one.")
        if self.render:
            _check_command(self.render)

    @property
    def of_others(self) -> bool:
        """Whether the pictures are another program's, which must be registered."""
        return bool(self.render) or self.target != LIBRAW

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> PrepareOptions:
        """Strict inverse of `to_dict` after JSON. Raises ValueError, RequestError."""
        if not isinstance(data, Mapping) or set(data) != {field.name for field in fields(cls)}:
            raise ValueError("the options are not those expected")
        kinds = {"quality": (int,), "subsampling": (str,), "seed": (int,), "test_share": (int, float)}
        kinds |= {"target": (str,), "render": (str,), "any_tones": (bool,)}
        if wrong := [name for name, kind in kinds.items() if type(data[name]) not in kind]:
            raise ValueError(f"the option {wrong[0]} is {data[wrong[0]]!r}")
        names = data["test_names"]
        if names is not None and (not isinstance(names, list) or not all(isinstance(name, str) for name in names)):
            raise ValueError(f"the option test_names is {names!r}")
        return cls(**{**data, "test_names": None if names is None else tuple(names)})


def _check_command(command: str) -> None:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RequestError(f"`render` is no command, {error}: quote it as in a shell, got {command!r}.") from error
    if missing := [place for place in ("{raw}", "{out}") if not any(place in word for word in words[1:])]:
        raise RequestError(
            f"`render` must name {' and '.join(missing)}, where the RAW file and the picture go, got {command!r}."
        )


def read_names(path: Path) -> tuple[str, ...]:
    """Names of a list, one a line, in order; empty lines and those that begin with # are passed over.

    Raises RequestError for a list that cannot be read or names nothing.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it is not text"
        raise RequestError(f"The list {path} could not be read: {reason}.") from error
    names = tuple(line for line in lines if line and not line.startswith("#"))
    if not names:
        raise RequestError(f"The list {path} names no files: expected one name a line.")
    return names


def check_names(files: Sequence[str], options: PrepareOptions) -> None:
    """Raise RequestError for a name in the list that is none of the files (a typing error would train on it)."""
    known = {form for file in files for form in (file, Path(file).stem)}
    if unknown := [name for name in options.test_names or () if name not in known]:
        raise RequestError(
            f"{len(unknown)} of the {len(options.test_names or ())} names of the test list are no file of the camera's "
            f"own, the first is {unknown[0]!r}: correct the list."
        )


def held_out_names(files: Sequence[str], options: PrepareOptions) -> set[str]:
    """Which of the file names are for testing.

    By share: as many as the share says, rounded, and at least one of two or more (none for a share of 0); those
    whose SHA-256 of seed and name comes first, so neither order nor folder matters.
    """
    if options.test_names is not None:
        return {file for file in files if file in options.test_names or Path(file).stem in options.test_names}
    count = round(options.test_share * len(files))
    if options.test_share and len(files) > 1:
        count = min(max(count, 1), len(files) - 1)
    ranked = sorted(files, key=lambda file: hashlib.sha256(os.fsencode(f"{options.seed}/{file}")).digest())
    return set(ranked[:count])
