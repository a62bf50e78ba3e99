"""One file over HTTP into a part file: goes on where it stopped, and tries again when the connection fails."""

from __future__ import annotations

import enum
import errno
import http.client
import io
import os
import re
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from invisp_deploy import __version__
from invisp_deploy.errors import OutputError

PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries that brought nothing new; after the last one the file counts as unreachable."""

_PATIENCE: Final = 60.0
"""The longest pause that a server may ask for by `Retry-After`, seconds."""

_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be another one a moment later."""

_CHUNK: Final = 1 << 16


class Outcome(enum.Enum):
    """How a file fared: all there; unknown to the server; refused or unreachable, with a reason; stopped by us."""

    COMPLETE = "complete"
    ABSENT = "absent"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Fetched:
    outcome: Outcome
    reason: str = ""


def fetch(
    url: str, part: Path, *, stop: threading.Event, pauses: tuple[float, ...] = PAUSES, timeout: float = 30.0
) -> Fetched:
    """Fetch `url` into `part`, from where `part` ends by a Range request, or anew where the server knows none.

    A try that brought the file further starts the pauses again. `stop` ends it at the next chunk; what came stays in
    `part`. timeout: seconds without a byte. Raises OutputError where `part` cannot be written.
    """
    furthest, tries = _size(part), 0
    while not stop.is_set():
        patience = 0.0
        try:
            _receive(url, part, stop, timeout)
            if not stop.is_set():
                return Fetched(Outcome.COMPLETE)
            break
        except urllib.error.HTTPError as error:
            with error:
                if error.code in (404, 410):
                    return Fetched(Outcome.ABSENT)
                if error.code == 416:  # nothing lies beyond the end of the part
                    if error.headers.get("Content-Range", "").strip() == f"bytes */{_size(part)}":
                        return Fetched(Outcome.COMPLETE)
                    _remove(part)
                elif error.code not in _PASSING:
                    return Fetched(Outcome.REFUSED, f"the server answers {error.code} {error.reason}")
                reason = f"the server answers {error.code} {error.reason}"
                patience = _asked_for(error.headers.get("Retry-After"))
        except (OSError, http.client.HTTPException) as error:
            reason = _reason(error)
        if (size := _size(part)) > furthest:
            furthest, tries = size, 0
        if tries == len(pauses):
            return Fetched(Outcome.UNREACHABLE, reason)
        stop.wait(max(pauses[tries], patience))
        tries += 1
    return Fetched(Outcome.STOPPED)


def _receive(url: str, part: Path, stop: threading.Event, timeout: float) -> None:
    """One request. Raises OSError or HTTPException for a connection that fails or ends early."""
    start = _size(part)
    headers = {"User-Agent": f"invisp-deploy/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as response:
        if response.status == 206 and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            _remove(part)
            raise ConnectionError("the server sends another part of the file than asked for")
        if response.status != 206:
            start = 0
        with _opened(part, "a" if start else "w") as stream:
            _copy(response, stream, part, stop)
        if stop.is_set():
            return
    length = response.headers.get("Content-Length")
    if length is not None and _size(part) != start + int(length):
        raise ConnectionError(f"the connection ended after {_size(part)} of {start + int(length)} bytes")


def _copy(response: Any, stream: io.FileIO, part: Path, stop: threading.Event) -> None:
    while not stop.is_set() and (chunk := response.read1(_CHUNK)):
        try:
            rest = memoryview(chunk)
            while rest:
                rest = rest[stream.write(rest) :]
        except OSError as error:
            raise _unwritable(part, error) from error
    try:
        os.fsync(stream.fileno())
    except OSError as error:
        raise _unwritable(part, error) from error


def _opened(part: Path, mode: str) -> io.FileIO:
    try:
        return io.FileIO(part, mode)  # unbuffered: what was written before a kill is there
    except OSError as error:
        raise _unwritable(part, error) from error


def _unwritable(part: Path, error: OSError) -> OutputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"The disk is full: {part} was not finished; free some space and run it again to go on.")
    return OutputError(f"{part} could not be written: {error.strerror or error}.")


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(part, error) from error


def _size(part: Path) -> int:
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _asked_for(seconds: str | None) -> float:
    """`Retry-After` in seconds; 0 where it is absent, a date or no number."""
    if seconds is None or not re.fullmatch(r"[0-9]{1,9}", seconds.strip()):
        return 0.0
    return min(float(seconds), _PATIENCE)


def _reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return "the connection timed out"
    if isinstance(cause, http.client.IncompleteRead):
        return "the connection ended early"
    return (cause.strerror if isinstance(cause, OSError) else None) or str(cause) or type(cause).__name__
