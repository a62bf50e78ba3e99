"""invisp-bench: how fast graphs and engines are here, in how much memory, and against what."""

from __future__ import annotations

import importlib
import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from invisp_deploy.cli.common import INVISP, InvispCommand, needs_extra, progress, result_line, version_option
from invisp_deploy.errors import RequestError
from invisp_deploy.files import check_output, output_folder, write_whole
from invisp_deploy.rendering.tiles import DEFAULT_MEMORY

__all__ = ["main"]

_REPORT = ("report.md", "report.json", "latency.png", "sizes.png")


@click.command(cls=InvispCommand, context_settings=INVISP)
@click.argument("graphs", nargs=-1, required=True, metavar="[LABEL=]GRAPH...")
@click.option("--tile", help="Edges in pixels.  [default: 256,512; none with --sizes or --file]")
@click.option(
    "--provider", "providers", multiple=True, help="As invisp-run's; several give a case each.  [default: ONNX's CPU]"
)
@click.option("--threads", type=click.IntRange(min=1), help="Of every CPU runtime.  [default: all cores]")
@click.option("--runs", type=click.IntRange(min=1), help="Rounds; a turn for each case in each.  [default: 20]")
@click.option("--duration", type=click.FloatRange(min=0.1), help="Seconds of rounds instead of --runs; at least 3.")
@click.option("--skip-memory", is_flag=True, help="No process of its own for each case's peak memory.")
@click.option("--peers", is_flag=True, help="PyTorch eager, torch.compile and the naive ONNX export, side by side.")
@click.option("--checkpoint", type=click.Path(path_type=Path), help="With --peers: the weights of the graphs.")
@click.option("--sizes", help="Megapixels of whole frames, as 0.3,1,2,8,24,45.")
@click.option("--file", type=click.Path(path_type=Path), help="RAW file or picture: invisp-run against bare calls.")
@click.option(
    "--memory",
    default=DEFAULT_MEMORY,
    show_default=True,
    type=click.IntRange(min=16),
    help="With --sizes or --file: MB a tile.",
)
@click.option("--against", type=click.Path(path_type=Path), help="JSON of an earlier run: ratios of p50.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="File for all figures and single times.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for report.md with pictures; made if absent.")
@click.option("--overwrite", is_flag=True, help="Replace an existing JSON file and report.")
@version_option
def main(
    graphs: tuple[str, ...],
    tile: str | None,
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
    json_file: Path | None,
    report: Path | None,
    overwrite: bool,
) -> None:
    """Time graphs and engines in turns: .onnx, .trt, or folders of them (the folder of an export: both directions).

    \b
    invisp-bench graphs/
    invisp-bench graphs/ --peers --checkpoint run/weights.safetensors --json before.json
    invisp-bench graphs/ --against before.json
    """
    if runs is not None and duration is not None:
        raise RequestError("--runs and --duration exclude each other: pass one.")
    if peers != (checkpoint is not None):
        raise RequestError("--peers and --checkpoint belong together: the peers need the weights of the graphs.")
    cores = len(os.sched_getaffinity(0))
    if file is not None and threads not in (None, cores):
        raise RequestError(f"--file measures invisp-run, which takes all {cores} cores: leave --threads out.")
    if json_file is not None:
        check_output(json_file, overwrite=overwrite)
    if report is not None and not overwrite and (there := [n for n in _REPORT if (report / n).exists()]):
        raise RequestError(f"{report / there[0]} exists already: pass --overwrite, or name another folder.")
    for needed, package in ((peers, "torch"), (peers, "safetensors"), (peers, "onnx"), (report, "matplotlib")):
        if needed:
            with needs_extra(package, "export"):
                importlib.import_module(package)
    from invisp_deploy.benchmark.cases import candidates_of
    from invisp_deploy.benchmark.run import Benchmark, run_benchmark
    from invisp_deploy.benchmark.timing import Until
    from invisp_deploy.report.benchmark import result_lines, write_report

    asked = Benchmark(
        candidates=tuple(candidates_of(graphs, providers)),
        tiles=_edges(tile, given=sizes is None and file is None),
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
        if report is not None:
            stack.enter_context(output_folder(report))
        bars = _Bars(stack)
        result = run_benchmark(asked, bars.update)
        if report is not None:
            text = write_report(report, result)
    click.echo("\n".join(result_lines(result)).rstrip())
    if json_file is not None:
        write_whole(json_file, json.dumps(result, indent=2) + "\n")
        names = " ".join(graphs)
        result_line(json_file, "all figures and single times", f"invisp-bench {names} --against {json_file}")
    if report is not None:
        result_line(text, "tables and pictures")


class _Bars:
    """One bar a stage, without a total: how long each takes is what is being found out."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._bars: dict[str, Any] = {}

    def update(self, stage: str, done: int) -> None:
        if stage not in self._bars:
            self._bars[stage] = self._stack.enter_context(progress(0, stage))
        self._bars[stage].update(done)


def _edges(text: str | None, *, given: bool) -> tuple[int, ...]:
    if text is None:
        return (256, 512) if given else ()
    edges = _numbers("--tile", text)
    if any(edge != int(edge) for edge in edges):
        raise RequestError(f"--tile takes whole numbers of pixels, got {text!r}.")
    return tuple(int(edge) for edge in edges)


def _numbers(option: str, text: str) -> tuple[float, ...]:
    """Distinct numbers above 0, ascending."""
    try:
        numbers = sorted({float(word) for word in text.split(",")})
    except ValueError as error:
        raise RequestError(f"{option} takes numbers with commas between them, got {text!r}.") from error
    if not all(0 < number < 1e5 for number in numbers):
        raise RequestError(f"{option} takes numbers above 0, got {text!r}.")
    return tuple(numbers)


if __name__ == "__main__":
    main()
