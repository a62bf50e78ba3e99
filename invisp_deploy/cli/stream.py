"""`invisp-run --stream`: its options, and a stream from the first frame to the report."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from invisp_deploy.cli.common import InvispCommand, print_json, result_line
from invisp_deploy.cli.stream_source import SourceRequest, open_source
from invisp_deploy.errors import InvispError, RequestError
from invisp_deploy.files import check_output, output_folder, write_whole
from invisp_deploy.streaming.queues import POLICIES

if TYPE_CHECKING:
    from invisp_deploy.runtimes.base import Runtime
    from invisp_deploy.streaming.live import LiveLine
    from invisp_deploy.streaming.pipeline import Pipeline

__all__ = ["INTERRUPTED", "StreamingCommand", "run_stream", "stream_options", "take_stream_options"]

INTERRUPTED = 130
"""Exit code after SIGINT or SIGTERM."""

_REFRESH = 0.1  # seconds between looks at signals; the live line follows at every third
_DEFAULTS = {"queue": 4, "when_behind": "wait", "threads": 0, "rate": None, "frames": None, "watch": False}


class _StreamOption(click.Option):
    """Stands in a section of its own in the help."""


class StreamingCommand(InvispCommand):
    """A command with the stream's options in a section of their own."""

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        for title, kind in (("Options", False), ("With --stream", True)):
            options = [one for one in self.get_params(context) if isinstance(one, click.Option)]
            chosen = [one for one in options if isinstance(one, _StreamOption) is kind]
            with formatter.section(title):
                formatter.write_dl([record for one in chosen if (record := one.get_help_record(context))])


def stream_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --stream and what belongs to it. None stands for what was not given."""
    path = click.Path(path_type=Path)
    decorators: list[Callable[[Callable[..., Any]], Callable[..., Any]]] = [
        click.option("--stream", is_flag=True, help="Frames that keep coming; the output is a folder."),
        _option("--rate", type=click.FloatRange(0, min_open=True), help="Play the files at so many a second."),
        _option("--watch", is_flag=True, default=None, help="Take what appears in the folder from now on."),
        _option("--list", "list_file", type=path, help="File of paths, one a line; - is standard input."),
        _option("--pipe", metavar="WIDTHxHEIGHT", help="Raw frames on standard input."),
        _option("--bits", type=click.Choice(["10", "12", "14", "16"]), help="With --pipe: of a sample."),
        _option("--camera", metavar="NAME", help="With --pipe: as the weights' contract names it."),
        _option("--queue", type=click.IntRange(1, 10000), help="Frames before each stage.  [default: 4]"),
        _option("--when-behind", type=click.Choice(POLICIES), help="With a full queue.  [default: wait]"),
        _option("--threads", type=click.IntRange(1, 1024), help="Of the runtime, on the CPU.  [default: one a core]"),
        _option("--frames", type=click.IntRange(1), help="End after so many."),
        _option("--report", type=path, help="Write the figures as JSON."),
    ]
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


def take_stream_options(options: dict[str, Any]) -> dict[str, Any] | None:
    """Take the stream's options out of a command's; None without --stream.

    Raises RequestError where one of them was given without it.
    """
    names = ("rate", "watch", "list_file", "pipe", "bits", "camera", "queue", "when_behind", "threads", "frames")
    mine = {name: options.pop(name) for name in (*names, "report")}
    if options.pop("stream"):
        return {name: _DEFAULTS.get(name) if value is None else value for name, value in mine.items()}
    for name, value in mine.items():
        if value is not None:
            option = "--list" if name == "list_file" else f"--{name.replace('_', '-')}"
            raise RequestError(f"{option} belongs to --stream: add it, or leave {option} out.")
    return None


def run_stream(request: SourceRequest, output: Path, *, as_json: bool) -> int:
    """Stream until the source ends or a signal comes; the exit code. Raises InvispError before the first frame, and
    where the stream could not go on.
    """
    from invisp_deploy.streaming.live import LiveLine
    from invisp_deploy.streaming.pipeline import Pipeline
    from invisp_deploy.streaming.work import work_for

    options, stream = request.options, request.stream
    if stream["report"] is not None:
        check_output(stream["report"], overwrite=options.overwrite)
    with output_folder(output), open_source(request) as source:
        pipeline = Pipeline(
            source.frames,
            work_for(source.runtime, output, options, source.pipe),
            source.stop,
            queue=stream["queue"],
            policy=stream["when_behind"],
            limit=stream["frames"],
            report=lambda failure: live.say(f"Error: {failure.error}"),
        )
        live = LiveLine(pipeline, sys.stderr, quiet=as_json)
        with _signals() as came:
            signals = _until_the_end(pipeline, live, came)
        code = _finish(pipeline, source.runtime, signals, stream, output, as_json=as_json)
        if signals > 1:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # the infer stage is still computing, and nothing can stop it
    return code


def _until_the_end(pipeline: Pipeline, live: LiveLine, came: list[int]) -> int:
    """Wait, and act on signals: the first ends the source, the second everything. Their number."""
    pipeline.start()
    looks = 0
    while not pipeline.wait(_REFRESH):
        looks += 1
        if looks % 3 == 0:
            live.update()
        if len(came) > 1:
            pipeline.abort()
            live.say("stopped")
            break
        if came and not pipeline.stop.is_set():
            pipeline.stop.set()
            live.say("finishing the frames under way; interrupt again to stop at once")
    live.say("")
    return len(came)


def _finish(
    pipeline: Pipeline, runtime: Runtime, signals: int, stream: dict[str, Any], output: Path, *, as_json: bool
) -> int:
    """Report, say what became of the frames, and return the exit code. Raises what ended the stream early."""
    from invisp_deploy.device.machine import read_machine
    from invisp_deploy.streaming.report import report_data
    from invisp_deploy.versions import versions

    ended = "interrupted" if signals else "the source ended"
    early = pipeline.fatal or pipeline.source_error
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in stream.items()}
    machine = read_machine().to_dict()
    data = report_data(pipeline, runtime, str(early or ended), settings, machine, versions())
    try:
        if stream["report"] is not None:
            write_whole(stream["report"], _json(data))
    except InvispError as error:
        early = early or error
    if as_json:
        print_json(data)
    else:
        _print(data, output, stream["report"])
    if early is not None and not (isinstance(early, InvispError) and signals):
        raise early
    if early is not None:
        click.echo(f"Error: {early}", err=True)
    return INTERRUPTED if signals else int(pipeline.failed > 0)


def _print(data: dict[str, Any], output: Path, report: Path | None) -> None:
    counts = [f"{data['done']} of {data['taken']} frames done"]
    counts += [f"{data[name]} {name}" for name in ("dropped", "failed", "abandoned") if data[name]]
    click.echo(
        f"{', '.join(counts)}; {data['seconds']:.1f} s on {data['runtime']['name']}: "
        f"{data['frames_per_second']:.2f} frames/s, {data['megapixels_per_second']:.2f} MP/s into {output}"
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


def _json(data: dict[str, Any]) -> str:
    import json

    return json.dumps(data, indent=2) + "\n"


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM in a list instead of ending; as before when the block ends."""
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _option(*names: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(*names, cls=_StreamOption, **settings)
