"""`invisp verify`: whether engines and graphs compute on this device what they should."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invisp_deploy.cli.common import InvispCommand, print_json, result_line
from invisp_deploy.cli.options import PATH, json_option, model_option, overwrite_option, provider_option, report_option
from invisp_deploy.errors import RequestError

if TYPE_CHECKING:
    from invisp_deploy.device.layers import Layer, Summary
    from invisp_deploy.device.verify import Verification


@click.command("verify", cls=InvispCommand)
@model_option
@provider_option
@click.option("--runs", default=20, show_default=True, type=click.IntRange(1, 10000), help="Calls that are timed.")
@click.option(
    "--tile",
    type=click.IntRange(16, 8192),
    help="Edge of the tile that is timed, pixels.  [default: the golden input's]",
)
@report_option
@overwrite_option
@click.option("--layers", is_flag=True, help="Compare tensor by tensor instead; needs --reference.")
@click.option("--reference", type=PATH, help="With --layers: the fp32 graph.")
@click.option("--onnx", "source", type=PATH, help="With --layers: the graph of an engine.")
@json_option
def verify_command(model: str | None, layers: bool, as_json: bool, provider: str | None, **options: Any) -> None:
    """Measure the engines or graphs of a model on this device against the golden files beside them.

    Of a folder both directions, and RAW through both and back; of a file the same with what lies beside it. Needs
    neither PyTorch nor onnx. Exits with 1 when a figure misses its limit; when all pass, the figures are written into
    the sidecars of engines, which then count as verified.

    \b
    invisp verify --model engines/ --report report.json
    invisp verify --engine forward.trt
    invisp verify --layers --engine int8/forward.onnx --reference fp32/forward.onnx
    """
    if layers:
        if model is None or not Path(model).is_file() or options["reference"] is None:
            raise RequestError("--layers compares the file --engine with --reference, one direction: pass these two.")
        _layers(Path(model), options["reference"], options["source"], provider, as_json)
        return
    if options["reference"] is not None or options["source"] is not None:
        raise RequestError("--reference and --onnx belong to --layers: add it, or leave them out.")
    _verify(model, provider, options, as_json)


def _verify(model: str | None, provider: str | None, options: dict[str, Any], as_json: bool) -> None:
    from invisp_deploy.device.device_report import open_subjects, record, verification_data
    from invisp_deploy.device.machine import read_machine
    from invisp_deploy.device.verify import verify
    from invisp_deploy.files import check_output, write_whole
    from invisp_deploy.versions import versions

    target: Path | None = options["report"]
    if target is not None:
        check_output(target, overwrite=options["overwrite"])
    with open_subjects(model, provider) as opened:
        done = verify(opened.forward, opened.inverse, runs=options["runs"], edge=options["tile"])
    data = verification_data(opened, done, read_machine().to_dict(), versions())
    if target is not None:
        write_whole(target, json.dumps(data, indent=2, sort_keys=True) + "\n")
    written = record(opened, done, data) if done.ok else []
    if as_json:
        print_json({**data, "sidecars": written})
    else:
        for line in (*opened.names, *_verification_lines(done)):
            click.echo(line)
        for note in opened.notes:
            click.echo(f"note: {note}")
        for path in written:
            result_line(path, "which now says that the engine is verified, and where")
        if target is not None:
            result_line(target, "the report, to be sent back")
    if not done.ok:
        sys.exit(1)


def _layers(engine: Path, reference: Path, source: Path | None, provider: str | None, as_json: bool) -> None:
    from invisp_deploy.device.layers import compare_layers, summarize

    layers = compare_layers(engine, reference, source=source, provider=provider or "CPUExecutionProvider")
    summary = summarize(layers)
    if as_json:
        data = {"layers": [asdict(layer) for layer in layers], "summary": asdict(summary)}
        print_json(json.loads(json.dumps(data), parse_constant=str))  # JSON has no number for infinity
        return
    for line in _layer_lines(layers, summary):
        click.echo(line)


def _verification_lines(done: Verification) -> Iterator[str]:
    """One line a figure with its limit, one a latency."""
    for figure in done.figures:
        bound = f"at {'least' if figure.at_least else 'most'} {figure.limit:g}"
        value = f"{figure.value:.1f}" if figure.unit == "dB" else f"{figure.value:.2g}"
        yield f"{'ok    ' if figure.ok else 'FAILED'} {figure.name:24} {value:>8} {figure.unit:6}  {bound}"
    for latency in done.latencies:
        height, width = latency.shape
        yield (
            f"       {latency.direction + ' latency':24} {latency.p50:8.2f} ms p50, {latency.p90:.2f} ms p90 of "
            f"{latency.runs} runs at {height}x{width}, copies included"
        )


def _layer_lines(layers: Sequence[Layer], summary: Summary) -> Iterator[str]:
    """The table in order of computation, then where it begins, where it breaks and where it is worst."""
    yield f"{'tensor':20} {'dB':>7} {'error':>9} {'peak':>8}  shape"
    for layer in layers:
        shape = "x".join(map(str, layer.shape))
        yield f"{layer.name:20} {layer.psnr:7.1f} {layer.error:9.1e} {layer.peak:8.3f}  {shape}"
    worst = f"worst: {summary.worst.name} at {summary.worst.psnr:.1f} dB of its own peak"
    if summary.parted is None:
        yield f"no tensor parts: all {len(layers)} stay above 100 dB; {worst}"
        return
    yield f"the graphs part at {summary.parted.name}, {summary.parted.psnr:.1f} dB"
    if summary.strayed is not None:
        yield (
            f"strays first at {summary.strayed.name}: {summary.strayed.psnr:.1f} dB, {summary.step:.1f} dB below all "
            "before it, the biggest step down"
        )
    yield worst
