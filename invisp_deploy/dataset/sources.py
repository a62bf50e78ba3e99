"""RAW files to make a dataset of: found in folders, of one camera by their headers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from invisp_deploy.contract import camera_name
from invisp_deploy.errors import MissingFileError, RequestError
from invisp_deploy.formats.exif import camera_exif, make_and_model
from invisp_deploy.formats.raw import RAW_SUFFIXES

__all__ = ["Source", "check_one_camera", "sources_in"]


@dataclass(frozen=True)
class Source:
    """One RAW file, and whether it was made from a photograph."""

    path: Path
    made: bool = False

    @property
    def name(self) -> str:
        return self.path.stem


def sources_in(paths: Sequence[Path], made: Sequence[Path] = ()) -> list[Source]:
    """RAW files named or lying in named folders (not in folders of these), in name order.

    Raises RequestError for a path that is missing, a folder without RAW files, or two files of one name.
    """
    found = [Source(file) for path in paths for file in _raws_in(path)]
    found += [Source(file, made=True) for path in made for file in _raws_in(path)]
    found.sort(key=lambda source: source.name)
    seen: dict[str, Source] = {}
    for source in found:
        other = seen.setdefault(source.name.casefold(), source)
        if other is not source:
            raise RequestError(
                f"Two files are named {source.name}, {other.path} and {source.path}: rename one, or name a file once."
            )
    return found


def check_one_camera(
    sources: Sequence[Source], on_header: Callable[[Path], object] = lambda path: None
) -> tuple[str, str]:
    """Make and model that all headers say; a file whose header says none is not judged here. Empty if none does.

    Raises RequestError that names both cameras where there are two.
    """
    first: tuple[Path, str, str] | None = None
    for source in sources:
        make, model = _camera_of(source.path)
        on_header(source.path)
        if not camera_name(make, model):
            continue
        if first is None:
            first = source.path, make, model
        elif camera_name(make, model).lower() != camera_name(*first[1:]).lower():
            raise RequestError(
                f"Two cameras: {first[0]} is from {camera_name(*first[1:])}, {source.path} from "
                f"{camera_name(make, model)}; a dataset is of one camera, name the files of one."
            )
    return ("", "") if first is None else first[1:]


def _raws_in(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise MissingFileError(f"There is no file or folder {path}.")
    files = [file for file in path.iterdir() if file.suffix.lower() in RAW_SUFFIXES and not file.name.startswith(".")]
    if not files:
        raise RequestError(f"The folder {path} holds no RAW files.")
    return files


def _camera_of(path: Path) -> tuple[str, str]:
    """Make and model by EXIF: the file's own, else its preview's; empty where it cannot be read."""
    own = make_and_model(camera_exif(path, b""))
    if any(own):
        return own
    import rawpy

    try:
        with rawpy.imread(str(path)) as raw:
            preview = raw.extract_thumb().data
    except rawpy.LibRawError:
        return "", ""
    return make_and_model(camera_exif(path, preview)) if isinstance(preview, bytes) else ("", "")
