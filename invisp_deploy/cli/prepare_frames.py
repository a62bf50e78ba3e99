"""`invisp prepare frames`: raw frames of a camera to DNGs to train on."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from invisp_deploy.cli.common import InvispCommand, print_json, progress
from invisp_deploy.cli.options import PATH, json_option, output_option
from invisp_deploy.errors import MissingFileError, RequestError


@click.command("frames", cls=InvispCommand)
@click.argument("source", type=PATH)
@click.option("--camera", required=True, metavar="FILE|NAME", help="Camera file (.toml), or a shipped one.")
@click.option("--pipe", metavar="WIDTHxHEIGHT", help="Size of a frame, where the camera file leaves it open.")
@click.option("--format", metavar="NAME", help="The same of its layout: a FourCC such as pRCC, or another name.")
@click.option("--stride", type=click.IntRange(1), help="The same of the bytes from a row to the next.")
@click.option("--frame-facts", metavar="FD|FILE", help="Lines of JSON beside the frames, one for each.")
@click.option("--every", default=1, show_default=True, type=click.IntRange(1), help="Keep one frame in so many.")
@click.option("--frames", "most", type=click.IntRange(1), help="End after so many DNGs.")
@click.option("--force", is_flag=True, help="Take frames that make no sense as they were said, too.")
@output_option("Folder for the DNGs; new or empty.")
@json_option
def frames_command(
    source: Path,
    camera: str,
    pipe: str | None,
    format: str | None,
    stride: int | None,
    frame_facts: str | None,
    every: int,
    most: int | None,
    force: bool,
    output: Path,
    as_json: bool,
) -> None:
    """Make DNGs of the raw frames in a file, or on standard input (-), all of them or none.

    They are RAW files like any other: to train on, to look at, to render.

    \b
    invisp prepare frames frames.raw --camera imx477.toml -o dngs/
    invisp prepare frames - --camera imx477 --pipe 2028x1520 --format pBCC -o dngs/ < frames.raw
    """
    from invisp_deploy.sensor.camera_file import read_camera_file
    from invisp_deploy.sensor.camera_given import with_given
    from invisp_deploy.sensor.first_frame import FrameCheck
    from invisp_deploy.streaming.kept_frames import keep_frames
    from invisp_deploy.streaming.pipe_format import PipeFormat, pipe_size
    from invisp_deploy.streaming.pipeline import Frame
    from invisp_deploy.streaming.side_channel import SideChannel, open_side_channel, with_lines
    from invisp_deploy.streaming.sources import checked, piped

    width, height = (None, None) if pipe is None else pipe_size(pipe)
    given = {"width": width, "height": height, "format": format, "stride": stride}
    described = with_given(read_camera_file(camera), given)
    carried = PipeFormat.of_camera(described)
    stop = threading.Event()
    with ExitStack() as stack:
        descriptor = stack.enter_context(_opened(source))
        frames: Iterable[Frame] = piped(descriptor, carried.frame_bytes, stop)
        if not force:
            frames = checked(frames, FrameCheck(described.layout, carried.width, carried.height, carried.stride).check)
        if frame_facts is not None:
            channel = SideChannel(stack.enter_context(open_side_channel(frame_facts)), stop)
            frames = with_lines(frames, channel)
        bar = stack.enter_context(progress(most or 0, "frames", quiet=as_json))
        written = keep_frames(frames, carried, output, every=every, most=most, on_written=lambda path: bar.update(1))
    if as_json:
        print_json({"written": [str(path) for path in written], "camera": camera})
        return
    click.echo(f"wrote {len(written)} DNGs of {carried.width}x{carried.height} to {output}")
    click.echo(f"next: invisp train {output} -o run/")


@contextmanager
def _opened(source: Path) -> Iterator[int]:
    """A descriptor of frames: of a file, of a named pipe, or standard input."""
    if str(source) == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise RequestError(
                "The frames are expected on standard input, which is closed or a terminal: pipe them in."
            )
        yield sys.stdin.fileno()
        return
    if source.is_dir():
        raise RequestError(f"{source} is a folder: name a file of raw frames, or - for standard input.")
    try:
        descriptor = os.open(source, os.O_RDONLY)
    except FileNotFoundError as error:
        raise MissingFileError(f"There is no file {source}.") from error
    except OSError as error:
        raise RequestError(f"{source} cannot be read: {error.strerror or error}.") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)
