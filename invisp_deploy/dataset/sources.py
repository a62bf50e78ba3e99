"""RAW files to make a dataset of, found in folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.walk import raw_files


@dataclass(frozen=True)
class SourceFile:
    """One RAW file, and whether it was made from a photograph."""

    path: Path
    made: bool = False

    @property
    def name(self) -> str:
        return self.path.stem


def sources_in(paths: Sequence[Path], made: Sequence[Path] = ()) -> list[SourceFile]:
    """RAW files named or lying in named folders (not in folders of these), in name order.

    Raises RequestError for a path that is missing, a folder without RAW files, or two files of one name.
    """
    found = [SourceFile(file) for file in raw_files(paths)]
    found += [SourceFile(file, made=True) for file in (raw_files(made) if made else ())]
    found.sort(key=lambda source: source.name)
    seen: dict[str, SourceFile] = {}
    for source in found:
        other = seen.setdefault(source.name.casefold(), source)
        if other is not source:
            raise RequestError(
                f"Two files are named {source.name}, {other.path} and {source.path}: rename one, or name a file once."
            )
    return found
