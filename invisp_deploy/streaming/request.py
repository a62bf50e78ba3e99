"""What a stream is asked for, and what comes of it: its source, its runtime, which direction."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

from invisp_deploy.errors import InvispError, RequestError
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.walk import files_to_run, is_picture, is_raw, outputs_for
from invisp_deploy.graph_card import BITS, Direction
from invisp_deploy.rendering.model import Model, load, model_that_rendered
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.sensor.camera_file import CameraFile, names_camera_file, read_camera_file
from invisp_deploy.sensor.camera_given import with_given
from invisp_deploy.sensor.companding import companding_points
from invisp_deploy.sensor.first_frame import FrameCheck
from invisp_deploy.sensor.layouts import layout_named
from invisp_deploy.streaming.capture import Capture, CaptureDevice
from invisp_deploy.streaming.pipe_format import PipeFormat, pipe_size
from invisp_deploy.streaming.pipeline import Frame
from invisp_deploy.streaming.queues import POLICIES
from invisp_deploy.streaming.side_channel import LATE_SECONDS, SideChannel, open_side_channel, with_lines
from invisp_deploy.streaming.sources import checked, listed, listed_names, paced, piped, played, watched
from invisp_deploy.streaming.v4l2 import open_camera
from invisp_deploy.streaming.work import check_pipe

BUFFERS: Final = 4
"""That a camera's driver fills in turn, where nothing else is asked for."""

_STANDARD_INPUT = Path("-")
_OF_A_PIPE = ("format", "stride", "companding", "timeout", "camera")


@dataclass(frozen=True)
class StreamRequest:
    """One source, and how its frames are taken.

    inputs: a folder, or files. list_file: of paths, one a line; `-` is standard input. pipe: WIDTHxHEIGHT of raw frames
    on standard input. format, stride, companding: of a pipe, as `layout_named`, `unpack` and `companding_points` take
    them. camera: a camera file, which says what the frames on standard input or of `v4l2` are, or of a pipe the camera
    as a contract names it. frame_facts: descriptor or file of lines beside such frames. timeout: seconds that a pipe
    may be silent for. v4l2: a camera of Linux, which says its size, format and stride by itself; buffers: that its
    driver fills. watch: take what appears in the folder from now on. rate: frames a second that files are played at.
    queue: frames before each stage. when_behind: one of `POLICIES`. frames: end after so many. model, provider,
    threads: as `load` takes them.
    """

    inputs: tuple[Path, ...] = ()
    list_file: Path | None = None
    pipe: str | None = None
    format: str | None = None
    stride: int | None = None
    companding: str | None = None
    timeout: float | None = None
    camera: str | None = None
    frame_facts: str | None = None
    v4l2: Path | None = None
    buffers: int | None = None
    watch: bool = False
    rate: float | None = None
    queue: int = 4
    when_behind: str = POLICIES[0]
    frames: int | None = None
    model: str | Path | None = None
    provider: str | None = None
    threads: int = 0
    options: RunOptions = field(default_factory=RunOptions)

    @property
    def raw(self) -> bool:
        """Whether the bytes of frames come, on standard input or from a camera."""
        return self.pipe is not None or self.v4l2 is not None or self.described

    @property
    def described(self) -> bool:
        """Whether `camera` is a camera file."""
        return self.camera is not None and names_camera_file(self.camera)

    @property
    def from_standard_input(self) -> bool:
        return (self.raw and self.v4l2 is None) or self.list_file == _STANDARD_INPUT

    @property
    def settings(self) -> dict[str, Any]:
        """For a report: everything but the inputs and how a frame is run."""
        left = {field.name: getattr(self, field.name) for field in fields(self)}
        del left["inputs"], left["options"]
        return {name: str(value) if isinstance(value, Path) else value for name, value in left.items()}


@dataclass(frozen=True)
class Source:
    """Frames, and the runtime they are for. pipe: what a pipe carries, None for files. stop: set it to end.

    left_out: folder -> pictures in it that are no frames, because RAW files beside them are.
    decoded: the first picture, which said which model and depth it needs, so that it is not decoded again.
    capture: the frames of a camera, which knows what was missed; None for other sources.
    """

    frames: Iterable[Frame]
    runtime: Runtime
    pipe: PipeFormat | None
    decoded: dict[Path, Picture]
    left_out: dict[Path, int]
    stop: threading.Event = field(default_factory=threading.Event)
    capture: Capture | None = None


@contextmanager
def open_source(request: StreamRequest) -> Iterator[Source]:
    """The runtime is opened here and closed after the block. Pictures are taken back in the depth of the graph that was
    named, else in that of the first one. Raises RequestError for what does not go together, and what runtime and
    `check_pipe` raise.
    """
    _check(request)
    first = next(iter(_known_paths(request, None)), None)
    decoded = _decoded(first, request.options)
    shipped = next((model_that_rendered(picture.record) for picture in decoded.values()), None)
    stop = threading.Event()
    with (
        _side_channel(request, stop) as channel,
        load(request.model or shipped, provider=request.provider, threads=request.threads) as model,
        _camera_of(request) as (request, device),  # behind the model, lest frames go by while it is opened
    ):
        of_pictures = model.only is None and first is not None and is_picture(first)
        direction = Direction.INVERSE if of_pictures else model.only or Direction.FORWARD
        runtime = model.runtime(direction, _bits(model, direction, decoded))
        pipe = _pipe(request, direction)
        if pipe is not None:
            check_pipe(pipe, runtime, request.options)
        left_out: dict[Path, int] = {}
        capture = None if device is None or pipe is None else Capture(device, pipe.frame_bytes, stop, request.timeout)
        frames = capture or _frames(request, direction, pipe, stop, left_out)
        if pipe is not None and pipe.layout is not None and not request.options.force:
            frames = checked(frames, FrameCheck(pipe.layout, pipe.width, pipe.height, pipe.stride).check)
        if request.rate is not None:
            frames = paced(frames, request.rate, stop)
        if channel is not None:
            frames = with_lines(frames, channel)
        yield Source(frames, runtime, pipe, decoded, left_out, stop, capture)


@contextmanager
def _camera_of(request: StreamRequest) -> Iterator[tuple[StreamRequest, CaptureDevice | None]]:
    """The camera that was named, running, and the request of a pipe that carries what it sends."""
    if request.v4l2 is None:
        yield request, None
        return
    with open_camera(request.v4l2, request.buffers or BUFFERS) as camera:
        told = camera.format
        pipe = f"{told.width}x{told.height}"
        yield replace(request, pipe=pipe, format=request.format or told.fourcc, stride=told.stride or None), camera


@contextmanager
def _side_channel(request: StreamRequest, stop: threading.Event) -> Iterator[SideChannel | None]:
    if request.frame_facts is None:
        yield None
        return
    with open_side_channel(request.frame_facts) as descriptor:
        yield SideChannel(descriptor, stop, request.timeout or LATE_SECONDS)


def _decoded(path: Path | None, options: RunOptions) -> dict[Path, Picture]:
    """The picture that a stream begins with, if it begins with one."""
    if path is None or not is_picture(path):
        return {}
    try:
        return {path: read_picture(path, force=options.force, max_pixels=options.max_pixels)}
    except InvispError:  # the stream says it of the frame
        return {}


def _bits(model: Model, direction: Direction, decoded: dict[Path, Picture]) -> int:
    bits = BITS[0] if model.named is None else model.named[1]
    if direction is Direction.INVERSE:
        return next((picture.pixels.dtype.itemsize * 8 for picture in decoded.values() if model.named is None), bits)
    if bits != BITS[0]:
        raise RequestError(f"A stream writes .jpg, {BITS[0]} bits; {model.name} renders {bits}: name the other graph.")
    return bits


def _check(request: StreamRequest) -> None:
    pipe = request.pipe is not None or (request.described and request.v4l2 is None)
    given = [bool(request.inputs), request.list_file is not None, pipe, request.v4l2 is not None]
    if sum(given) != 1:
        raise RequestError(
            "A stream has one source: pass a folder or files, or `list_file`, `pipe` (or a camera file as `camera`) or "
            "`v4l2`."
        )
    if request.v4l2 is None and request.buffers is not None:
        raise RequestError("`buffers` are those of a camera: pass `v4l2` DEVICE, or leave it out.")
    if request.v4l2 is not None and request.stride is not None:
        raise RequestError("A camera says its own `stride`: leave it out with `v4l2`.")
    if request.frame_facts is not None and not request.described:
        raise RequestError("`frame_facts` goes with a camera file, which says what it changes: pass one as `camera`.")
    if request.frame_facts is not None and request.v4l2 is not None:
        raise RequestError(
            "`frame_facts` has a line for each frame on standard input, and a camera of `v4l2` may miss some: leave "
            "one of them out."
        )
    if request.watch and (len(request.inputs) != 1 or not request.inputs[0].is_dir()):
        raise RequestError("`watch` takes one existing folder as input.")
    live = request.watch or request.from_standard_input or request.v4l2 is not None
    if request.rate is not None and live:
        raise RequestError(
            "`rate` plays files; what is watched, comes on standard input or from a camera sets its own pace: drop it."
        )
    if request.when_behind != "wait" and request.rate is None and not live:
        raise RequestError(
            f"`when_behind` {request.when_behind} would drop most of files that are played as fast as they can be "
            "listed: pass `rate`."
        )
    if not request.raw:
        for name in _OF_A_PIPE:
            if getattr(request, name) is not None:
                raise RequestError(f"`{name}` says what a pipe carries: pass `pipe` WIDTHxHEIGHT, or leave it out.")
    if request.from_standard_input and sys.stdin is None:
        raise RequestError("The frames are expected on standard input, which is closed: pipe them in.")
    if request.from_standard_input and sys.stdin.isatty():
        raise RequestError("The frames are expected on standard input, which is a terminal: pipe them in.")


def _known_paths(
    request: StreamRequest, direction: Direction | None, left_out: dict[Path, int] | None = None
) -> list[Path]:
    """The files of a source that is known beforehand, in order; none for the others. left_out: is filled, as `Source`
    has it.

    Raises RequestError where there are none.
    """
    if request.watch or request.from_standard_input or request.v4l2 is not None:
        return []
    if request.list_file is not None:
        return _read_list(request.list_file)
    paths = []
    for path in request.inputs:
        if not os.path.isdir(path):
            paths.append(path)
            continue
        inside = files_to_run(path, direction)
        paths += inside.files
        if inside.left_out and left_out is not None:
            left_out[path] = inside.left_out
    return paths


def _read_list(path: Path) -> list[Path]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RequestError(f"The list {path} cannot be read: {error.strerror or error}.") from error
    paths = [Path(line) for line in listed_names(data)]
    if not paths:
        raise RequestError(f"The list {path} names no file.")
    return paths


def _pipe(request: StreamRequest, direction: Direction) -> PipeFormat | None:
    if not request.raw:
        return None
    values = request.options.explicit
    width, height = (None, None) if request.pipe is None else pipe_size(request.pipe)
    if request.described and direction is Direction.INVERSE:
        raise RequestError(
            "An inverse graph takes pictures, and a camera file says what RAW frames are: drop `camera`."
        )
    if request.described or width is None or height is None:
        return PipeFormat.of_camera(_camera(request, width, height))
    if direction is Direction.INVERSE:
        for name in ("format", "stride", "companding"):
            if getattr(request, name) is not None:
                raise RequestError(f"An inverse graph takes pictures, uint8 R, G, B, from a pipe: leave out `{name}`.")
        return PipeFormat(width, height, None, values, request.camera or "")
    if request.format is None:
        raise RequestError("A pipe of RAW frames says nothing of itself: pass `format`, such as RG12 or pRAA.")
    layout = layout_named(request.format)
    companding = None if request.companding is None else companding_points(request.companding)
    return PipeFormat(width, height, layout, values, request.camera or "", request.stride, companding)


def _camera(request: StreamRequest, width: int | None, height: int | None) -> CameraFile:
    """The camera file, with what else is said of the pipe."""
    values = request.options.explicit
    given = {
        "width": width,
        "height": height,
        "format": request.format,
        "stride": request.stride,
        "companding": None if request.companding is None else companding_points(request.companding),
        "cfa": values.cfa,
        "black": None if values.black is None else (values.black,) * 4,
        "white": values.white,
        "white_balance": values.white_balance,
        "color_matrix": None if values.color_matrix is None else (("D65", values.color_matrix),),
    }
    return with_given(read_camera_file(str(request.camera)), given)


def _frames(
    request: StreamRequest,
    direction: Direction,
    pipe: PipeFormat | None,
    stop: threading.Event,
    left_out: dict[Path, int],
) -> Iterable[Frame]:
    if pipe is not None:
        return piped(sys.stdin.fileno(), pipe.frame_bytes, stop, request.timeout)
    if request.from_standard_input:
        return played(listed(sys.stdin.fileno(), stop))
    if request.watch:
        return watched(request.inputs[0], is_picture if direction is Direction.INVERSE else is_raw, stop)
    paths = _known_paths(request, direction, left_out)
    outputs = outputs_for([(path, Path()) for path in paths])
    return [Frame(str(path), output.stem, path) for path, output in zip(paths, outputs, strict=True)]
