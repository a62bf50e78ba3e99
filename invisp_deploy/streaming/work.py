"""The stages of a stream, made of what runs a single file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from invisp_deploy.errors import InvispError, RequestError
from invisp_deploy.formats.limits import check_size
from invisp_deploy.formats.picture import Picture
from invisp_deploy.formats.walk import is_picture
from invisp_deploy.graph_card import Direction
from invisp_deploy.rendering.files import decode, infer
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.recover import way_back_of
from invisp_deploy.rendering.render import AlignedFrame
from invisp_deploy.rendering.tiled import check_direction, plan_for
from invisp_deploy.runtimes.base import Runtime
from invisp_deploy.sensor.frame_line import NOTHING_SAID
from invisp_deploy.streaming.output import Sink
from invisp_deploy.streaming.pipe_format import PipeFormat
from invisp_deploy.streaming.pipeline import Frame, Work


def check_pipe(pipe: PipeFormat, runtime: Runtime, options: RunOptions) -> None:
    """Refuse before the first frame what would refuse every one: camera, gains, levels, size, a missing way back.

    Raises as `infer` does; RequestError for a frame that is larger than `max_pixels`.
    """
    check_size("A frame of the pipe", pipe.height, pipe.width, options.max_pixels, RequestError)
    blank = bytearray(pipe.frame_bytes)
    if runtime.card.direction is Direction.INVERSE:
        way_back = way_back_of(pipe.picture(blank), runtime, options, name="the pipe")
        height, width = way_back.height, way_back.width
    else:
        frame = pipe.mosaic(blank, "the pipe", pipe.daylight)
        height, width = AlignedFrame(frame, runtime, name="the pipe", force=options.force).mosaic.shape
    plan_for(runtime, height, width, options.memory, options.halo)


def work_for(
    runtime: Runtime,
    sink: Sink,
    options: RunOptions,
    pipe: PipeFormat | None = None,
    decoded: Mapping[Path, Picture] | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> Work:
    """RAW files or a pipe's mosaics to pictures, pictures to RAW: what the runtime's direction says.

    sink: takes them. Only `infer` touches the runtime's `run`. decoded: pictures that are read already.
    say: told a line on each thing that an output does not hold.
    """
    known = dict(decoded or {})
    inverse = runtime.card.direction is Direction.INVERSE

    def decode_frame(frame: Frame) -> Any:
        sink.check(frame, frame.load if pipe is None else None)
        if isinstance(frame.beside, InvispError):
            raise frame.beside
        if pipe is not None and inverse:
            return pipe.picture(frame.load)
        if pipe is not None:
            return pipe.mosaic(frame.load, frame.name, frame.beside or NOTHING_SAID)
        check_direction(runtime, Direction.INVERSE if is_picture(frame.load) else Direction.FORWARD, frame.name)
        return known.pop(frame.load, None) or decode(frame.load, options)

    def infer_frame(frame: Frame) -> Any:
        return infer(frame.load, runtime, options, name=frame.name)

    def encode_frame(frame: Frame) -> int:
        for note in sink.put(frame):
            say(f"note: {frame.name}: {note}")
        pixels: int = frame.load.mosaic.size if inverse else frame.load.pixels[..., 0].size
        return pixels

    return Work(decode_frame, infer_frame, encode_frame)
