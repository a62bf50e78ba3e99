"""Which RAW files a calibration looks at: each once, none twice under two names, a spread of too many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from invisp_deploy.errors import CalibrationError, MissingFileError, RequestError
from invisp_deploy.files import sha256_file
from invisp_deploy.formats.raw import RAW_SUFFIXES

__all__ = ["digests", "raw_files", "spread"]


def raw_files(paths: Sequence[Path]) -> list[Path]:
    """The files named, and those of the folders named that end like RAW files.

    Raises RequestError for a path that does not exist, a folder without RAW files, or a file listed twice.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise MissingFileError(f"There is no file {path}.")
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        chosen = [file for file in inside if not path.is_dir() or file.suffix.lower() in RAW_SUFFIXES]
        if not chosen:
            raise RequestError(f"The folder {path} holds no RAW files.")
        found += chosen
    if not found:
        raise RequestError("Calibration needs RAW files, got none.")
    resolved = [path.resolve() for path in found]
    for index, path in enumerate(resolved):
        if path in resolved[:index]:
            raise RequestError(f"{found[index]} is listed twice: its tiles would count double.")
    return found


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    """At most so many, evenly over the list, the first among them."""
    if len(paths) <= count:
        return list(paths)
    return [paths[index * len(paths) // count] for index in range(count)]


def digests(paths: Sequence[Path]) -> dict[Path, str]:
    """Path -> SHA-256. Raises CalibrationError for equal files, RequestError for one that is missing."""
    seen: dict[str, Path] = {}
    for path in paths:
        if not path.is_file():
            raise MissingFileError(f"There is no file {path}.")
        digest = sha256_file(path)
        if digest in seen:
            raise CalibrationError(f"{path} and {seen[digest]} hold the same bytes: leave one of them out.")
        seen[digest] = path
    return {path: digest for digest, path in seen.items()}
