"""The DNGs of a list from the data set's site: several at a time, each kept only once it opens as that camera's."""

from __future__ import annotations

import os
import threading
import urllib.parse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from invisp_deploy.errors import DatasetError, OutputError, RawFileError, RequestError
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.research.fivek import BASE_URL, Collected, is_from
from invisp_deploy.research.fivek_fetch import PAUSES, Fetched, Outcome, fetch

_IN_A_ROW: Final = 3
"""Files that may be unreachable one after the other before the rest is not tried any more."""


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
