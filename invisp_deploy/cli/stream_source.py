"""From a request to a stream's source and runtime: what goes together, and which direction."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invisp_deploy.errors import InvispError, RequestError
from invisp_deploy.formats.walk import files_to_run, is_picture, is_raw
from invisp_deploy.graph_card import Direction

if TYPE_CHECKING:
    from invisp_deploy.rendering.options import RunOptions
    from invisp_deploy.runtimes.base import Runtime
    from invisp_deploy.streaming.pipe_format import PipeFormat
    from invisp_deploy.streaming.pipeline import Frame


@dataclass(frozen=True)
class SourceRequest:
    """What was asked for. stream: the stream's own options, `list_file`, `pipe`, `watch`, `rate` and so on."""

    inputs: tuple[Path, ...]
    engine: Path | None
    model: str | None
    provider: str | None
    options: RunOptions
    stream: dict[str, Any]

    @property
    def from_standard_input(self) -> bool:
        return self.stream["pipe"] is not None or self.stream["list_file"] == Path("-")


@dataclass(frozen=True)
class Source:
    """Frames, and the runtime they are for. pipe: what a pipe carries, None for files. stop: set it to end."""

    frames: Iterable[Frame]
    runtime: Runtime
    pipe: PipeFormat | None
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def open_source(request: SourceRequest) -> Iterator[Source]:
    """The runtime is opened here and closed after the block. Raises RequestError for what does not go together, and
    what runtime and `check_pipe` raise.
    """
    from invisp_deploy.rendering.model import load
    from invisp_deploy.streaming.sources import paced
    from invisp_deploy.streaming.work import check_pipe

    _check(request)
    first = next(iter(_known_paths(request, None)), None)
    named = request.engine or request.model or _shipped_for(first)
    with load(named, provider=request.provider, threads=request.stream["threads"]) as model:
        taken_back = model.named is Direction.INVERSE or (
            model.named is None and first is not None and is_picture(first)
        )
        runtime = model.runtime(Direction.INVERSE if taken_back else Direction.FORWARD)
        stop = threading.Event()
        pipe = _pipe(request, runtime.card.direction)
        if pipe is not None:
            check_pipe(pipe, runtime, request.options)
        frames = _frames(request, runtime.card.direction, pipe, stop)
        rate = request.stream["rate"]
        yield Source(frames if rate is None else paced(frames, rate, stop), runtime, pipe, stop)


def _shipped_for(path: Path | None) -> str | None:
    """The shipped model for a stream that begins with that file; None for the default one."""
    from invisp_deploy.formats.picture import read_picture
    from invisp_deploy.rendering.model import model_that_rendered

    if path is None or not is_picture(path):
        return None
    try:
        return model_that_rendered(read_picture(path).record)
    except InvispError:  # the stream says it of the frame
        return None


def _check(request: SourceRequest) -> None:
    stream = request.stream
    given = [bool(request.inputs), stream["list_file"] is not None, stream["pipe"] is not None]
    if sum(given) != 1:
        raise RequestError("A stream has one source: pass a folder or files, or --list, or --pipe.")
    if stream["watch"] and (len(request.inputs) != 1 or not request.inputs[0].is_dir()):
        raise RequestError("--watch takes one existing folder as input.")
    live = stream["watch"] or request.from_standard_input
    if stream["rate"] is not None and live:
        raise RequestError("--rate plays files; what is watched or comes on standard input sets its own pace: drop it.")
    if stream["when_behind"] != "wait" and stream["rate"] is None and not live:
        raise RequestError(
            f"--when-behind {stream['when_behind']} would drop most of files that are played as fast as they can be "
            "listed: pass --rate."
        )
    if stream["pipe"] is None:
        for name in ("bits", "camera"):
            if stream[name] is not None:
                raise RequestError(f"--{name} says what a pipe carries: pass --pipe WIDTHxHEIGHT, or leave it out.")
    if request.from_standard_input and sys.stdin.isatty():
        raise RequestError("The frames are expected on standard input, which is a terminal: pipe them in.")


def _known_paths(request: SourceRequest, direction: Direction | None) -> list[Path]:
    """The files of a source that is known beforehand, in order; none for the others.

    Raises RequestError where there are none, or where two would become one output.
    """
    stream = request.stream
    if stream["watch"] or request.from_standard_input:
        return []
    if stream["list_file"] is not None:
        paths = _read_list(stream["list_file"])
    else:
        paths = [
            file for path in request.inputs for file in (files_to_run(path, direction) if path.is_dir() else [path])
        ]
    seen: set[str] = set()
    for path in paths:
        if path.stem in seen:
            raise RequestError(f"Several inputs are named {path.stem} and would become one output: rename one of them.")
        seen.add(path.stem)
    return paths


def _read_list(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError as error:
        raise RequestError(f"The list {path} cannot be read: {error.strerror or error}.") from error
    paths = [Path(line.strip()) for line in lines if line.strip()]
    if not paths:
        raise RequestError(f"The list {path} names no file.")
    return paths


def _pipe(request: SourceRequest, direction: Direction) -> PipeFormat | None:
    from invisp_deploy.streaming.pipe_format import PipeFormat, pipe_size

    stream, values = request.stream, request.options.explicit
    if stream["pipe"] is None:
        return None
    width, height = pipe_size(stream["pipe"])
    inverse = direction is Direction.INVERSE
    if not inverse and (stream["bits"] is None or values.cfa is None or values.black is None):
        raise RequestError("A pipe of RAW frames says nothing of itself: pass --bits, --cfa and --black.")
    bits = 8 if stream["bits"] is None else int(stream["bits"])
    return PipeFormat(width, height, bits, values, stream["camera"] or "", inverse)


def _frames(
    request: SourceRequest, direction: Direction, pipe: PipeFormat | None, stop: threading.Event
) -> Iterable[Frame]:
    from invisp_deploy.streaming.sources import listed, piped, played, watched

    if pipe is not None:
        return piped(sys.stdin.fileno(), pipe.frame_bytes, stop)
    if request.from_standard_input:
        return played(listed(sys.stdin.fileno(), stop))
    if request.stream["watch"]:
        return watched(request.inputs[0], is_picture if direction is Direction.INVERSE else is_raw, stop)
    return played(_known_paths(request, direction))
