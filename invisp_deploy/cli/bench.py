"""`invisp bench`: how fast graphs and engines are here, in how much memory, and against what."""

from __future__ import annotations

import importlib
import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from invisp_deploy.cli.common import InvispCommand, needs_extra, progress, result_line
from invisp_deploy.cli.options import (
    PATH,
    json_option,
    memory_option,
    overwrite_option,
    pictures_option,
    report_option,
    threads_option,
)
from invisp_deploy.errors import RequestError
from invisp_deploy.files import check_output, output_folder, write_whole

_PICTURES = ("report.md", "report.json", "latency.png", "sizes.png")


@click.command("bench", cls=InvispCommand)
@click.argument("graphs", nargs=-1, required=True, metavar="[LABEL=]GRAPH...")
@click.option(
    "--tile",
    "tiles",
    multiple=True,
    type=click.IntRange(1, 100_000),
    help="Edge of a tile, pixels; repeatable.  [default: 256 and 512; none with --sizes or --file]",
)
@click.option(
    "--provider", "providers", multiple=True, help="ONNX Runtime's; several give a case each.  [default: the CPU's]"
)
@threads_option
@click.option("--runs", type=click.IntRange(min=1), help="Rounds; a turn for each case in each.  [default: 20]")
@click.option("--duration", type=click.FloatRange(min=0.1), help="Seconds of rounds instead of --runs; at least 3.")
@click.option("--skip-memory", is_flag=True, help="No process of its own for each case's peak memory.")
@click.option("--peers", is_flag=True, help="PyTorch eager, torch.compile and the naive ONNX export, side by side.")
@click.option("--checkpoint", type=PATH, help="With --peers: the weights of the graphs.")
@click.option("--sizes", help="Megapixels of whole frames, as 0.3,1,2,8,24,45.")
@click.option("--file", type=PATH, help="RAW file or picture: `invisp run` against bare calls.")
@memory_option
@click.option("--against", type=PATH, help="--report of an earlier run: ratios of p50.")
@report_option
@pictures_option
@overwrite_option
@json_option
def bench_command(
    graphs: tuple[str, ...],
    tiles: tuple[int, ...],
    providers: tuple[str, ...],
    threads: int | None,
    runs: int | None,
    duration: float | None,
    skip_memory: bool,
    peers: bool,
    checkpoint: Path | None,
    sizes: str | None,
    file: Path | None,
    memory: int,
    against: Path | None,
    report: Path | None,
    pictures: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Time graphs and engines in turns: .onnx, .trt, or folders of them (the folder of an export: both directions).

    \b
    invisp bench graphs/
    invisp bench graphs/ --peers --checkpoint run/weights.safetensors --report before.json
    invisp bench graphs/ --against before.json
    """
    if runs is not None and duration is not None:
        raise RequestError("--runs and --duration exclude each other: pass one.")
    if peers != (checkpoint is not None):
        raise RequestError("--peers and --checkpoint belong together: the peers need the weights of the graphs.")
    cores = len(os.sched_getaffinity(0))
    if file is not None and threads not in (None, cores):
        raise RequestError(f"--file measures `invisp run`, which takes all {cores} cores: leave --threads out.")
    if report is not None:
        check_output(report, overwrite=overwrite)
    if pictures is not None and not overwrite and (there := [n for n in _PICTURES if (pictures / n).exists()]):
        raise RequestError(f"{pictures / there[0]} exists already: pass --overwrite, or name another folder.")
    for needed, package in ((peers, "torch"), (peers, "safetensors"), (peers, "onnx"), (pictures, "matplotlib")):
        if needed:
            with needs_extra(package, "export"):
                importlib.import_module(package)
    from invisp_deploy.benchmark.cases import candidates_of
    from invisp_deploy.benchmark.run import Benchmark, run_benchmark
    from invisp_deploy.benchmark.timing import Until
    from invisp_deploy.report.benchmark import result_lines, write_benchmark_report

    asked = Benchmark(
        candidates=tuple(candidates_of(graphs, providers)),
        tiles=tuple(sorted(set(tiles))) or ((256, 512) if sizes is None and file is None else ()),
        threads=threads or cores,
        until=Until(20 if runs is None else runs, duration),
        memory=not skip_memory,
        checkpoint=checkpoint,
        against=against,
        sizes=_numbers("--sizes", sizes) if sizes else (),
        frame_memory=memory,
        file=file,
    )
    with ExitStack() as stack:
        if pictures is not None:
            stack.enter_context(output_folder(pictures))
        bars = _Bars(stack, quiet=as_json)
        result = run_benchmark(asked, bars.update)
        if pictures is not None:
            text = write_benchmark_report(pictures, result)
    if report is not None:
        write_whole(report, json.dumps(result, indent=2) + "\n")
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    click.echo("\n".join(result_lines(result)).rstrip())
    if report is not None:
        result_line(report, "all figures and single times", f"invisp bench {' '.join(graphs)} --against {report}")
    if pictures is not None:
        result_line(text, "tables and pictures")


class _Bars:
    """One bar a stage, without a total: how long each takes is what is being found out."""

    def __init__(self, stack: ExitStack, *, quiet: bool) -> None:
        self._stack, self._quiet = stack, quiet
        self._bars: dict[str, Any] = {}

    def update(self, stage: str, done: int) -> None:
        if stage not in self._bars:
            self._bars[stage] = self._stack.enter_context(progress(0, stage, quiet=self._quiet))
        self._bars[stage].update(done)


def _numbers(option: str, text: str) -> tuple[float, ...]:
    """Distinct numbers above 0, ascending."""
    try:
        numbers = sorted({float(word) for word in text.split(",")})
    except ValueError as error:
        raise RequestError(f"{option} takes numbers with commas between them, got {text!r}.") from error
    if not all(0 < number < 1e5 for number in numbers):
        raise RequestError(f"{option} takes numbers above 0, got {text!r}.")
    return tuple(numbers)
