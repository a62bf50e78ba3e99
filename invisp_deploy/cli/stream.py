"""`invisp stream`: frames that keep coming, from the first one to the report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invisp_deploy.cli.common import InvispCommand, json_text, print_json, result_line, say_error, sentence, shown
from invisp_deploy.cli.options import PATH, json_option, rendering_options, report_option, threads_option
from invisp_deploy.cli.run import note_left_out, note_unused_options, options_of
from invisp_deploy.errors import InvispError, RequestError
from invisp_deploy.files import check_output, write_whole
from invisp_deploy.graph_card import Direction
from invisp_deploy.streaming.queues import POLICIES
from invisp_deploy.streaming.standard_output import FORMS

if TYPE_CHECKING:
    from invisp_deploy.streaming.output import Output
    from invisp_deploy.streaming.pipeline import Pipeline
    from invisp_deploy.streaming.request import Source, StreamRequest

INTERRUPTED = 130
"""Exit code after SIGINT or SIGTERM."""

_PIPE = ("pipe", "format", "stride", "companding", "timeout", "camera", "frame_facts")
_STREAM = ("v4l2", "buffers", "rate", "watch", "list_file", *_PIPE, "queue", "when_behind", "frames")


@click.command("stream", cls=InvispCommand)
@click.argument("inputs", nargs=-1, type=PATH)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FOLDER|-|http://HOST:PORT/",
    help="Folder, made if absent; standard output; an address where browsers see the stream.",
)
@click.option("--as", "form", type=click.Choice(FORMS), help=f"What goes to standard output.  [default: {FORMS[0]}]")
@rendering_options
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Play the files at so many a second.")
@click.option("--watch", is_flag=True, help="Take what appears in the folder from now on.")
@click.option("--list", "list_file", type=PATH, help="File of paths, one a line or ended by zero bytes; - is stdin.")
@click.option("--pipe", metavar="WIDTHxHEIGHT", help="Raw frames on standard input.")
@click.option("--format", metavar="NAME", help="Of a pipe's frames: a FourCC such as pRCC, or another name.")
@click.option("--stride", type=click.IntRange(1), help="Of a pipe's frames: bytes from a row to the next.")
@click.option("--companding", metavar="CODE:DN,...", help="Of a pipe's samples: points of the curve to DN.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), help="Seconds a pipe may be silent; none by itself."
)
@click.option("--v4l2", metavar="DEVICE", type=PATH, help="A camera of Linux, as it is set: /dev/video0.")
@click.option("--buffers", type=click.IntRange(2, 32), help="Of a camera: frames that its driver holds.  [default: 4]")
@click.option(
    "--camera",
    metavar="FILE|NAME",
    help="Camera file (.toml) or a shipped one: what the raw frames are; or of a pipe, the camera's name alone.",
)
@click.option("--frame-facts", metavar="FD|FILE", help="Lines of JSON beside a camera file's frames, one for each.")
@click.option("--queue", default=4, show_default=True, type=click.IntRange(1, 10000), help="Frames before each stage.")
@click.option(
    "--when-behind", default=POLICIES[0], show_default=True, type=click.Choice(POLICIES), help="With a full queue."
)
@threads_option
@click.option("--frames", type=click.IntRange(1), help="End after so many.")
@report_option
@json_option
def stream_command(
    inputs: tuple[Path, ...],
    output: str,
    form: str | None,
    model: str | None,
    provider: str | None,
    threads: int | None,
    report: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Render or recover frames as they come: a folder, files, a list, or raw frames on standard input.

    \b
    invisp stream frames/ -o pictures/
    invisp stream card/ --watch -o pictures/ --when-behind drop-oldest
    invisp stream card/ --watch -o http://127.0.0.1:8080/
    """
    from invisp_deploy.streaming.output import parse_output
    from invisp_deploy.streaming.request import StreamRequest

    place = parse_output(output, form)
    if as_json and output == "-":
        raise RequestError("Standard output is the frames': leave `as_json` out and pass `report` FILE.")
    stream = {name: options.pop(name) for name in _STREAM}
    request = StreamRequest(
        inputs,
        model=model,
        provider=provider,
        threads=threads or 0,
        options=place.options_for(options_of(options)),
        **stream,
    )
    sys.exit(_stream(request, place, report, as_json=as_json))


def _stream(request: StreamRequest, output: Output, report: Path | None, *, as_json: bool) -> int:
    """Stream until the source ends or a signal comes; the exit code. Raises InvispError before the first frame, and
    where the stream could not go on.
    """
    from invisp_deploy.streaming.live import LiveLine, until_the_end
    from invisp_deploy.streaming.output import open_output
    from invisp_deploy.streaming.pipeline import Pipeline
    from invisp_deploy.streaming.request import open_source
    from invisp_deploy.streaming.work import work_for

    command = click.get_current_context().command
    with (
        open_output(output, lambda line: click.echo(line, err=True)) as sink_for,
        _checked(report, request),
        open_source(request) as source,
    ):
        direction = source.runtime.card.direction
        sink = sink_for(direction, request.options)
        note_left_out(source.left_out)
        note_unused_options(output.suffixes if direction is Direction.FORWARD else [".dng"])
        pipeline = Pipeline(
            source.frames,
            work_for(source.runtime, sink, request.options, source.pipe, source.decoded, lambda line: live.say(line)),
            source.stop,
            queue=request.queue,
            policy=request.when_behind,
            limit=request.frames,
            report=lambda failure: live.say(f"Error: {sentence(failure.error, command)}"),
        )
        live = LiveLine(pipeline, sys.stderr, quiet=as_json)
        signals = until_the_end(pipeline, live)
        code = _finish(pipeline, source, signals, request, output, report, as_json=as_json)
        if signals > 1:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # the infer stage is still computing, and nothing can stop it
    return code


@contextmanager
def _checked(report: Path | None, request: StreamRequest) -> Iterator[None]:
    """Refuse a report that cannot be written once the output's folder is there, in which it may lie."""
    if report is not None:
        check_output(report, overwrite=request.options.overwrite)
    yield


def _finish(
    pipeline: Pipeline,
    source: Source,
    signals: int,
    request: StreamRequest,
    output: Output,
    report: Path | None,
    *,
    as_json: bool,
) -> int:
    """Report, say what became of the frames, and return the exit code. Raises what ended the stream early."""
    from invisp_deploy.device.machine import read_machine
    from invisp_deploy.streaming.report import stream_data
    from invisp_deploy.versions import versions

    ended = "interrupted" if signals else "the source ended"
    early = pipeline.fatal or pipeline.source_error
    machine = read_machine().to_dict()
    data = stream_data(pipeline, source, str(early or ended), request.settings, machine, versions())
    try:
        if report is not None:
            write_whole(report, json_text(data) + "\n")
    except InvispError as error:
        early = early or error
    if as_json:
        print_json(data)
    else:
        _print(data, output, report)
    if early is not None and not (isinstance(early, InvispError) and signals):
        raise early
    if early is not None:
        say_error(early)
    return INTERRUPTED if signals else int(pipeline.failed > 0)


def _print(data: dict[str, Any], output: Output, report: Path | None) -> None:
    counts = [f"{data['done']} of {data['taken']} frames done"]
    counts += [f"{data[name]} {name}" for name in ("dropped", "failed", "abandoned") if data[name]]
    counts += [f"{number} {name} by the camera" for name, number in data.get("camera", {}).items() if number]
    click.echo(
        f"{', '.join(counts)}; {data['seconds']:.1f} s on {data['runtime']['name']}: "
        f"{data['frames_per_second']:.2f} frames/s, {data['megapixels_per_second']:.2f} MP/s into {shown(output.name)}"
    )
    for name, stage in data["stages"].items():
        click.echo(
            f"  {name:<6}  p50 {stage['p50_ms']:.1f} ms, p95 {stage['p95_ms']:.1f} ms, busy {stage['busy']:.0%}, "
            f"queue at most {stage['queue_most']} of {stage['queue_size']}"
        )
    if report is not None and report.is_file():
        result_line(report, f"peak memory {data['peak_memory_mb']:.0f} MB")
    if data["runtime"]["verified"] is False:
        click.echo("note: this engine is not yet verified on a GPU: invisp verify --engine ENGINE")
