"""Where the results of a stream go: a folder of files, standard output, or viewers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from invisp_deploy.errors import OutputError, RequestError
from invisp_deploy.files import output_folder
from invisp_deploy.formats.orientation import upright
from invisp_deploy.formats.picture import Picture
from invisp_deploy.formats.pixels import Pixels
from invisp_deploy.graph_card import Direction
from invisp_deploy.rendering.files import check_target, jpeg_of, save
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.streaming.multipart import BEGIN, BEHIND, END, part_head
from invisp_deploy.streaming.pipeline import Frame
from invisp_deploy.streaming.standard_output import FORMS, frames_on_standard_output, write_frame
from invisp_deploy.streaming.video import nv12
from invisp_deploy.streaming.viewers import Viewers


class Sink:
    """Takes what a stream has made, one frame after the other, in one thread."""

    def check(self, frame: Frame, source: Path | None) -> None:
        """Refuse a frame, before it is decoded, that there is no place for. source: its file, if it has one."""

    def put(self, frame: Frame) -> tuple[str, ...]:
        """Write what `frame.load` is. Sentences on what does not stand there. Raises OutputError where no other can
        be written either.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Output:
    """name: as it was given. folder, address: what it names; neither is standard output. form: of `FORMS`, there."""

    name: str
    folder: Path | None = None
    address: tuple[str, int] | None = None
    form: str = FORMS[0]

    @property
    def suffixes(self) -> list[str]:
        """Of the files that rendered frames are; none for bare ones."""
        return [".jpg"] if self.form == FORMS[0] else []

    def options_for(self, options: RunOptions) -> RunOptions:
        """Bare frames carry nothing, so nothing is prepared for them."""
        return options if self.suffixes else replace(options, raw_budget=RawBudget(0))


def parse_output(text: str, form: str | None) -> Output:
    """`FOLDER`, `-` or `http://HOST:PORT/`. Raises RequestError for an address without a port, and a form of what is
    not standard output.
    """
    if not text:
        raise RequestError("`output` is empty: name a folder, - for standard output, or an address.")
    if text == "-":
        return Output(text, form=form or FORMS[0])
    if form is not None:
        raise RequestError(f"`form` says what goes to standard output, and `output` is {text}: pass - there.")
    if not text.startswith("http:"):
        return Output(text, folder=Path(text))
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or parts.path not in ("", "/") or parts.query or parts.username:
        raise RequestError(f"`output` shows a stream at an address such as http://127.0.0.1:8080/, got {text}.")
    return Output(text, address=(host, port))


@contextmanager
def open_output(output: Output, say: Callable[[str], object]) -> Iterator[Callable[[Direction, RunOptions], Sink]]:
    """What makes the sink of results in that direction, run with those options; it is closed after the block.

    say: told a line on where viewers find it. Raises RequestError for a place that cannot be had, and, when the sink is
    made, for RAW files that are to go anywhere but to a folder.
    """
    if output.folder is not None:
        folder = output.folder
        with output_folder(folder):
            yield lambda direction, options: _Folder(folder, direction, options)
    elif output.address is not None:
        viewers = Viewers(*output.address)
        say(f"note: shown at {viewers.url} until the stream ends")
        if not viewers.local:
            say("note: whoever reaches that address sees the pictures, and has the RAW that they carry")
        try:
            yield lambda direction, options: _Shown(viewers, direction, options)
        finally:
            viewers.close()
    else:
        with frames_on_standard_output() as descriptor:
            if output.form != FORMS[0]:
                yield lambda direction, options: _Bare(descriptor, output.form, direction)
                return
            write_frame(descriptor, [BEGIN])
            yield lambda direction, options: _Multipart(descriptor, direction, options)
            with suppress(OutputError):  # who has gone needs no end
                write_frame(descriptor, [END])


class _Folder(Sink):
    def __init__(self, folder: Path, direction: Direction, options: RunOptions) -> None:
        self._folder, self._options = folder, options
        self._suffix = ".jpg" if direction is Direction.FORWARD else ".dng"

    def check(self, frame: Frame, source: Path | None) -> None:
        check_target(self._target(frame), self._options, source)

    def put(self, frame: Frame) -> tuple[str, ...]:
        return save(self._target(frame), frame.load, self._options)

    def _target(self, frame: Frame) -> Path:
        return self._folder / f"{frame.stem}{self._suffix}"


class _Multipart(Sink):
    def __init__(self, descriptor: int, direction: Direction, options: RunOptions) -> None:
        _check_pictures(direction)
        self._descriptor, self._options = descriptor, options

    def put(self, frame: Frame) -> tuple[str, ...]:
        pieces, notes = jpeg_of(frame.load, self._options)
        head = part_head(f"{frame.stem}.jpg", sum(map(len, pieces)))
        write_frame(self._descriptor, [head, *pieces, BEHIND])
        return notes


class _Shown(Sink):
    def __init__(self, viewers: Viewers, direction: Direction, options: RunOptions) -> None:
        _check_pictures(direction)
        self._viewers, self._options = viewers, options

    def put(self, frame: Frame) -> tuple[str, ...]:
        pieces, notes = jpeg_of(frame.load, self._options)
        self._viewers.show(pieces)
        return notes


class _Bare(Sink):
    """Frames of one size, since nothing between them would tell of another; the first says which."""

    def __init__(self, descriptor: int, form: str, direction: Direction) -> None:
        _check_pictures(direction)
        self._descriptor, self._form = descriptor, form
        self._shape: tuple[int, ...] = ()

    def put(self, frame: Frame) -> tuple[str, ...]:
        picture: Picture = frame.load
        pixels = _as_seen(picture)
        height, width = pixels.shape[:2]
        if self._shape not in ((), pixels.shape):
            raise RequestError(
                f"{frame.name} has {width}x{height} pixels, the frames before {self._shape[1]}x{self._shape[0]}, and "
                f"nothing in {self._form} would tell: stream it by itself."
            )
        rows = np.ascontiguousarray(nv12(pixels) if self._form == "nv12" else pixels)
        write_frame(self._descriptor, [rows.data])
        first, self._shape = not self._shape, pixels.shape
        return (*picture.notes, *([f"{width}x{height} {self._form}, {rows.nbytes} bytes a frame"] if first else []))


def _as_seen(picture: Picture) -> Pixels:
    """Upright, and without the rows and columns that were mirrored around the frame: a view."""
    if (record := picture.record) is None:
        return picture.pixels
    return upright(record.alignment.inverse(picture.pixels), record.facts.orientation)


def _check_pictures(direction: Direction) -> None:
    if direction is not Direction.FORWARD:
        raise RequestError("What comes back of pictures are RAW files, which are written to a folder: name one.")
