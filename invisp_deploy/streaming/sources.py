"""Where frames come from: files played, files listed, a folder watched, bytes on a pipe."""

from __future__ import annotations

import os
import select
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from invisp_deploy.errors import RawFileError, RequestError
from invisp_deploy.streaming.pipeline import Frame

SETTLE_SECONDS: Final = 0.3
"""A file of a watched folder is taken when its size and time of change stayed the same for so long."""

EMPTY_LOOKS: Final = 20
"""A file of no bytes is taken, and so reported, when it stayed so at as many looks, which is 6 seconds."""

_LOOK: Final = 0.1  # seconds between looks at `stop` where nothing wakes us
_CHUNK: Final = 1 << 20


def played(paths: Iterable[Path]) -> Iterator[Frame]:
    """One frame a file."""
    for path in paths:
        yield Frame(str(path), path.stem, path)


def paced(frames: Iterable[Frame], rate: float, stop: threading.Event) -> Iterator[Frame]:
    """Frames no earlier than a camera of `rate` frames a second would deliver them; ends where `stop` is set."""
    begun = time.perf_counter()
    for number, frame in enumerate(frames):
        if stop.wait(max(begun + number / rate - time.perf_counter(), 0)):
            return
        yield frame


def listed(descriptor: int, stop: threading.Event) -> Iterator[Path]:
    """Paths as they come on an open file or pipe, as `listed_names` takes them; the first says what ends each."""
    rest, end = b"", b""
    while not stop.is_set():
        if not _ready(descriptor):
            continue
        chunk = os.read(descriptor, _CHUNK)
        end = end or _end_of_names(chunk)
        *names, rest = (rest + chunk).split(end) if chunk else (rest, b"")
        for name in names:
            for one in listed_names(name, end):
                if not stop.is_set():
                    yield Path(one)
        if not chunk:
            return


def listed_names(data: bytes, end: bytes = b"") -> list[str]:
    """Names, whatever bytes they are of, blanks included: one a line, or each ended by a zero byte where there is one.

    A carriage return at the end of a line is of the line. Lines of nothing but blanks are passed over. end: what ends
    a name, where it is known.
    """
    if (end or _end_of_names(data)) == b"\0":
        return [os.fsdecode(name) for name in data.split(b"\0") if name]
    return [os.fsdecode(line.removesuffix(b"\r")) for line in data.split(b"\n") if line.strip()]


def _end_of_names(data: bytes) -> bytes:
    return b"\0" if b"\0" in data else b"\n"


def watched(
    folder: Path,
    fits: Callable[[Path], bool],
    stop: threading.Event,
    settle: float = SETTLE_SECONDS,
) -> Iterator[Frame]:
    """Files that appear in a folder or change in it from now on, oldest first, each once it has come to rest.

    fits: which names are wanted; hidden ones and folders never are. A file of no bytes is waited for a while longer.
    Raises RequestError when the folder has gone.
    """
    seen = _listing(folder, fits)
    pending: dict[str, tuple[tuple[int, int], int]] = {}  # what changed, and at how many looks it was as it is
    while not stop.wait(settle):
        now = _listing(folder, fits)
        changed = {name: state for name, state in now.items() if state != seen.get(name)}
        pending = {
            name: (state, pending[name][1] + 1 if name in pending and pending[name][0] == state else 1)
            for name, state in changed.items()
        }
        settled = sorted(
            (state, name) for name, (state, looks) in pending.items() if looks >= (2 if state[1] else EMPTY_LOOKS)
        )
        seen = {name: state for name, state in seen.items() if name in now}  # what was moved away is forgotten
        for state, name in settled:
            seen[name] = state
            yield Frame(str(folder / name), Path(name).stem, folder / name)
            if stop.is_set():
                return


def piped(descriptor: int, size: int, stop: threading.Event, timeout: float | None = None) -> Iterator[Frame]:
    """Frames of `size` bytes each, back to back, as bytearrays; named frame-000000 and so on.

    timeout: seconds without a byte that are too many; None waits for ever. Raises RawFileError for such a silence, and
    where the bytes end within a frame, or before the first.
    """
    number = 0
    while not stop.is_set():
        frame = bytearray(size)
        have = _fill(descriptor, frame, stop, timeout, number)
        if have < size:
            # an interrupt from the keyboard ends the camera's process too; its last words are no error
            if stop.wait(_LOOK) or (number and not have):
                return
            what = "before the first frame" if not have else f"within frame {number}: {have} of {size} bytes"
            raise RawFileError(
                f"The pipe ended {what}: compare the size in `pipe`, `format` and `stride` with what the camera sends."
            )
        name = f"frame-{number:06}"
        yield Frame(name, name, frame)
        number += 1


def checked(frames: Iterable[Frame], check: Callable[[bytearray, str], None]) -> Iterator[Frame]:
    """Frames as they come, each after `check` of its bytes and its name, whose error ends them: what follows a frame in
    another layout is in that, too.
    """
    for frame in frames:
        check(frame.load, frame.name)
        yield frame


def _fill(descriptor: int, frame: bytearray, stop: threading.Event, timeout: float | None, number: int) -> int:
    """Read until the frame is full, the pipe ends or `stop` is set; the number of bytes."""
    have, heard = 0, time.perf_counter()
    with memoryview(frame) as view:
        while have < len(frame) and not stop.is_set():
            if not _ready(descriptor):
                if timeout is not None and time.perf_counter() - heard > timeout:
                    raise RawFileError(
                        f"The source stalled: no byte came for {timeout:g} s, with {have} of the {len(frame)} bytes of "
                        f"frame {number} read. See whether the camera still runs, or pass a longer `timeout`."
                    )
                continue
            count = os.readv(descriptor, [view[have:]])
            if not count:
                break
            have += count
            heard = time.perf_counter()
    return have


def _ready(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], _LOOK)[0])


def _listing(folder: Path, fits: Callable[[Path], bool]) -> dict[str, tuple[int, int]]:
    """Name -> (time of change in ns, bytes) of the wanted files."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or not fits(Path(entry.name)):
                    continue
                try:
                    state = entry.stat()
                except FileNotFoundError:  # moved away since
                    continue
                if not stat.S_ISDIR(state.st_mode):
                    found[entry.name] = (state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise RequestError(f"The watched folder {folder} cannot be read: {error.strerror or error}.") from error
    return found
