"""The MIT-Adobe FiveK sets of the paper: split lists, and the DNGs that they name, in a folder or downloaded.

Several are fetched at a time; each is kept only once it opens as a file of that camera.
"""

from __future__ import annotations

import os
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from invisp_deploy.contract import camera_name
from invisp_deploy.dataset.options import read_names
from invisp_deploy.errors import DatasetError, OutputError, RawFileError, RequestError
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.formats.raw_metadata import metadata_of
from invisp_deploy.formats.walk import raw_files_below
from invisp_deploy.research.fetch import PAUSES, Fetched, Outcome, fetch

CAMERAS: Final = ("Canon EOS 5D", "NIKON D700")
"""Models of the paper's two sets, as the files spell them."""

BASE_URL: Final = "https://data.csail.mit.edu/graphics/fivek/img/dng"
"""Where the data set's own site has each DNG, as NAME.dng."""

_IN_A_ROW: Final = 3
"""Files that may be unreachable one after the other before the rest is not tried any more."""

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
    """The DNGs of those names anywhere below a folder, hidden ones left out.

    camera: one of `CAMERAS`; a file of another is refused.
    Raises RequestError for a path that is no folder, or two files of one name.
    """
    wanted = set(names)
    found: dict[str, Path] = {}
    for path in raw_files_below(folder):
        if path.suffix.lower() != ".dng" or path.stem not in wanted:
            continue
        if path.stem in found:
            raise RequestError(f"{found[path.stem]} and {path} have one name: take one of them out.")
        found[path.stem] = path
    paths, refused = {}, {}
    for name in [name for name in names if name in found]:
        metadata = metadata_of(found[name])
        if is_from(camera, metadata.make, metadata.model):
            paths[name] = found[name]
        else:
            taken_by = camera_name(metadata.make, metadata.model) or "no camera that it names"
            refused[name] = f"{found[name]} is from {taken_by}, expected {camera}."
        on_file()
    return Collected(paths, tuple(name for name in names if name not in found), refused)


def download_dngs(
    folder: Path,
    names: Sequence[str],
    camera: str,
    *,
    base_url: str = BASE_URL,
    jobs: int = 4,
    pauses: tuple[float, ...] = PAUSES,
    on_file: Callable[[], object] = lambda: None,
) -> Collected:
    """Fetch BASE_URL/NAME.dng for every name into a folder that exists, `jobs` at a time. camera: one of `CAMERAS`.

    A file in the making is NAME.dng.part, and goes on from there in the next run. It becomes NAME.dng once it opens as
    a RAW file of that camera; one that does not is fetched once more, then refused. Names that are there already are
    not asked for. missing: names that the server does not have.

    Raises RequestError for a URL that is not HTTP, OutputError for a full disk, DatasetError where a file stayed
    unreachable, at once after `_IN_A_ROW` of them; what came stays.
    """
    if urllib.parse.urlsplit(base_url).scheme not in ("http", "https"):
        raise RequestError(f"The base URL must begin with http:// or https://, got {base_url!r}.")
    stop = threading.Event()
    results: dict[str, Fetched] = {}
    in_a_row = 0
    with ThreadPoolExecutor(jobs, "download") as pool:
        tasks = {pool.submit(_Download(name, folder, camera, base_url, pauses, stop)): name for name in names}
        try:
            for task in as_completed(tasks):
                result = results[tasks[task]] = task.result()
                in_a_row = in_a_row + 1 if result.outcome is Outcome.UNREACHABLE else 0
                if in_a_row == _IN_A_ROW:
                    break
                on_file()
        finally:  # nothing is left to do, or not to be done
            stop.set()
            pool.shutdown(cancel_futures=True)
    if lacking := [result for result in results.values() if result.outcome is Outcome.UNREACHABLE]:
        there = sum(result.outcome is Outcome.COMPLETE for result in results.values())
        rest = f" {in_a_row} in a row were, so the rest was not tried." if in_a_row == _IN_A_ROW else ""
        raise DatasetError(
            f"{lacking[-1].reason}{rest} {there} of {len(names)} files are in {folder}: run the same command again to "
            "go on."
        )
    return Collected(
        {name: folder / f"{name}.dng" for name in names if results[name].outcome is Outcome.COMPLETE},
        tuple(name for name in names if results[name].outcome is Outcome.ABSENT),
        {name: results[name].reason for name in names if results[name].reason},
    )


def is_from(camera: str, make: str, model: str) -> bool:
    """Whether a file's make and model are that camera: makers spell themselves in several ways."""
    return camera.lower() in (model.strip().lower(), camera_name(make, model).lower())


@dataclass(frozen=True)
class _Download:
    """One name, from the server to its final file."""

    name: str
    folder: Path
    camera: str
    base_url: str
    pauses: tuple[float, ...]
    stop: threading.Event

    def __call__(self) -> Fetched:
        final, part = self.folder / f"{self.name}.dng", self.folder / f"{self.name}.dng.part"
        if final.is_file():
            return Fetched(Outcome.COMPLETE)
        url = f"{self.base_url.rstrip('/')}/{urllib.parse.quote(self.name)}.dng"
        reason = ""
        for _ in range(2):
            fetched = fetch(url, part, stop=self.stop, pauses=self.pauses)
            if fetched.outcome is not Outcome.COMPLETE:
                reason = f"{url} could not be downloaded: {fetched.reason}." if fetched.reason else ""
                return Fetched(fetched.outcome, reason)
            try:
                frame = read_raw(part)
            except RawFileError as error:
                reason = str(error).replace(str(part), final.name)
                self._remove(part)
                continue
            if not is_from(self.camera, frame.make, frame.model):
                self._remove(part)
                taken_by = frame.camera or "no camera that it names"
                return Fetched(Outcome.REFUSED, f"{url} is from {taken_by}, expected {self.camera}.")
            try:
                os.replace(part, final)
            except OSError as error:
                raise OutputError(f"{final} could not be written: {error.strerror or error}.") from error
            return Fetched(Outcome.COMPLETE)
        return Fetched(Outcome.REFUSED, f"{url} was downloaded twice, and both times: {reason}")

    def _remove(self, part: Path) -> None:
        try:
            part.unlink()
        except OSError as error:
            raise OutputError(f"{part} could not be removed: {error.strerror or error}.") from error


def _names(path: Path) -> tuple[str, ...]:
    names = tuple(name[:-4] if name.lower().endswith(".dng") else name for name in read_names(path))
    for name in names:
        if len(name) > _LONGEST or name.startswith(".") or not name.isprintable() or set(name) & _NEVER:
            raise RequestError(f"{path} lists {name[:60]!r}, which is no file name: expected one name a line.")
    if doubled := [name for name, count in Counter(names).items() if count > 1]:
        raise RequestError(f"{path} lists {doubled[0]} twice ({len(doubled)} such names): list each once.")
    return names
