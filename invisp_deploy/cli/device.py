"""`invisp`: what to ask of a device: does the engine compute what it should, and what is installed here?"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from invisp_deploy.cli.common import (
    INVISP,
    InvispCommand,
    InvispGroup,
    json_option,
    print_json,
    progress,
    result_line,
    version_option,
)
from invisp_deploy.cli.device_lines import doctor_lines, layer_lines, verification_lines
from invisp_deploy.errors import RequestError

__all__ = ["main"]


@click.group(cls=InvispGroup, context_settings=INVISP)
@version_option
def main() -> None:
    """Ask a device: are its engines right, and what works on it?"""


@main.command("verify", cls=InvispCommand, context_settings=INVISP)
@click.option("--engine", type=click.Path(path_type=Path), help="Engine or graph, of either direction.")
@click.option("--inverse", type=click.Path(path_type=Path), help="The inverse engine, for the round trip.")
@click.option("--provider", help="ONNX Runtime provider, for graphs [CPUExecutionProvider].")
@click.option("--runs", default=20, show_default=True, type=click.IntRange(1, 10000), help="Calls that are timed.")
@click.option(
    "--tile", type=click.IntRange(16, 8192), help="Pixels of the edge that is timed; default: the golden input's size."
)
@click.option("--report", type=click.Path(path_type=Path), help="Write everything as JSON, to be sent back.")
@click.option("--overwrite", is_flag=True, help="Replace an existing report.")
@click.option("--layers", is_flag=True, help="Compare tensor by tensor instead; needs --reference.")
@click.option("--reference", type=click.Path(path_type=Path), help="With --layers: the fp32 graph.")
@click.option("--onnx", "source", type=click.Path(path_type=Path), help="With --layers: the graph of an engine.")
@json_option
def verify_command(
    engine: Path | None, inverse: Path | None, layers: bool, as_json: bool, provider: str | None, **options: Any
) -> None:
    """Measure engines or graphs on this device against the golden files beside them.

    Needs neither PyTorch nor onnx. Exits with 1 when a figure misses its limit; when all pass, the figures are
    written into the sidecars of the engines, which then count as verified.

    \b
    invisp verify --engine forward.trt --inverse inverse.trt --report report.json
    invisp verify --engine forward.onnx --inverse inverse.onnx
    invisp verify --layers --engine int8/forward.onnx --reference fp32/forward.onnx
    """
    if layers:
        if engine is None or options["reference"] is None or inverse is not None:
            raise RequestError("--layers compares --engine with --reference, one direction at a time: pass these two.")
        _layers(engine, options["reference"], options["source"], provider, as_json)
        return
    if options["reference"] is not None or options["source"] is not None:
        raise RequestError("--reference and --onnx belong to --layers: add it, or leave them out.")
    _verify(engine, inverse, provider, options, as_json)


@main.command("doctor", cls=InvispCommand, context_settings=INVISP)
@json_option
def doctor_command(as_json: bool) -> None:
    """Say what is installed, from where, what of it works, and what to do. Installs nothing.

    Every ONNX Runtime provider and every NVIDIA library is really tried, each in a process of its own. Exits
    with 1 only if rendering on the CPU does not work.
    """
    from invisp_deploy.device.advice import advise
    from invisp_deploy.device.examine import examine

    bar = progress(0, "trying", quiet=as_json)
    try:
        found = examine(bar.set_description)
    finally:
        bar.close()
    advice = advise(found)
    if as_json:
        print_json({**found.to_dict(), "advice": advice})
    else:
        for line in doctor_lines(found, advice):
            click.echo(line)
    if not found.renders:
        sys.exit(1)


def _verify(
    engine: Path | None, inverse: Path | None, provider: str | None, options: dict[str, Any], as_json: bool
) -> None:
    from invisp_deploy.device.device_report import open_subjects, record, report_data
    from invisp_deploy.device.machine import read_machine
    from invisp_deploy.device.verify import verify
    from invisp_deploy.files import check_output, write_whole
    from invisp_deploy.versions import versions

    target: Path | None = options["report"]
    if target is not None:
        check_output(target, overwrite=options["overwrite"])
    with open_subjects(engine, inverse, provider) as opened:
        done = verify(opened.forward, opened.inverse, runs=options["runs"], edge=options["tile"])
    data = report_data(opened, done, read_machine().to_dict(), versions())
    if target is not None:
        write_whole(target, json.dumps(data, indent=2, sort_keys=True) + "\n")
    written = record(opened, done, data) if done.ok else []
    if as_json:
        print_json({**data, "sidecars": written})
    else:
        for line in (*opened.names, *verification_lines(done)):
            click.echo(line)
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
    for line in layer_lines(layers, summary):
        click.echo(line)


if __name__ == "__main__":
    main()
