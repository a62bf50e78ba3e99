"""`invisp run`: RAW files to pictures, pictures to DNG."""

from __future__ import annotations

import os
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from invisp_deploy.cli.common import InvispCommand, print_json, progress, result_line, say_error, sentence, shown
from invisp_deploy.cli.options import PATH, json_option, output_option, rendering_options, version_option
from invisp_deploy.errors import OutputError, RequestError, failure_of
from invisp_deploy.formats.walk import files_to_run, is_picture
from invisp_deploy.graph_card import Direction

if TYPE_CHECKING:
    from invisp_deploy.isp.frame import ColorMatrix
    from invisp_deploy.rendering.files import RunResult
    from invisp_deploy.rendering.model import Models
    from invisp_deploy.rendering.options import RunOptions


class RunCommand(InvispCommand):
    """`--stream` among the words makes them those of `invisp stream`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if "--stream" not in args:
            return super().make_context(info_name, args, parent, **extra)
        from invisp_deploy.cli.stream import stream_command

        words = [word for word in args if word != "--stream"]
        return stream_command.make_context(info_name, words, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        return super().invoke(ctx) if ctx.command is self else ctx.command.invoke(ctx)


@click.command("run", cls=RunCommand)
@click.argument("inputs", nargs=-1, required=True, type=PATH)
@output_option("File; for several inputs a folder.")
@rendering_options
@click.option("--stream", is_flag=True, expose_value=False, help="The same as `invisp stream`, with its options.")
@json_option
@version_option
def run_command(
    inputs: tuple[Path, ...], output: Path, model: str | None, provider: str | None, as_json: bool, **options: Any
) -> None:
    """Render RAW files to .jpg, .png or .tif, or recover .dng from such pictures.

    The direction comes from the input: RAW files are rendered, pictures recovered. A graph or engine that is named by
    its file takes what its direction says.

    \b
    invisp-run photo.CR2 -o photo.jpg
    invisp-run photo.jpg -o photo.dng
    invisp-run --model closed-form photo.CR2 -o photo.jpg
    invisp-run --engine forward.trt photo.CR2 -o photo.jpg
    """
    from invisp_deploy.rendering.model import Models

    run_options = options_of(options)
    with Models(model, provider) as models:
        jobs = _jobs(inputs, output, models.only)
        single = len(jobs) == 1 and not output.is_dir()
        rows: list[dict[str, Any]] = []
        try:
            for source, target in jobs:
                try:
                    result = _run(source, target, models, run_options, quiet=as_json)
                    size = result.output.stat().st_size
                except Exception as error:  # whatever it is: the other files have nothing to do with it
                    failure = failure_of(error, str(source))
                    row = {"ok": False, "error": sentence(failure), "type": type(error).__name__}
                    rows.append({"input": str(source), **row})
                    if single or isinstance(failure, OutputError):  # the next one could not be written either
                        raise failure from error
                    say_error(failure)
                    continue
                rows.append({"input": str(source), "ok": True, **asdict(result), "bytes": size})
                if not as_json:
                    _print(source, result, shipped=model is None)
        finally:  # after an interrupt, too: what is done is told
            _print_all(rows, len(jobs), models.verified, single=single, as_json=as_json)
        if models.verified is False and not as_json:
            click.echo(f"note: {model} is not yet verified on a GPU: invisp verify --model {model}")
    if not all(row["ok"] for row in rows):
        sys.exit(1)


def _print_all(
    rows: Sequence[Mapping[str, Any]], count: int, verified: bool | None, *, single: bool, as_json: bool
) -> None:
    """What became of every file. count: of all files, of which some were not begun where the command ends early."""
    failed = sum(not row["ok"] for row in rows)
    left = count - len(rows)
    if as_json:
        print_json({"files": rows, "failed": failed, "left": left, "verified": verified})
    elif not single:
        for row in rows:
            click.echo(f"{'ok    ' if row['ok'] else 'FAILED'} {shown(row['input'])}")
        rest = f", {left} not begun or not finished" if left else ""
        click.echo(f"{len(rows) - failed} of {count} files done, {failed} failed{rest}")


def options_of(options: dict[str, Any]) -> RunOptions:
    """What `rendering_options` gives but model and provider. Raises RequestError."""
    from invisp_deploy.rendering.options import Explicit, RunOptions

    explicit = Explicit(
        _gains(options.pop("white_balance")),
        options.pop("black"),
        options.pop("white"),
        options.pop("cfa"),
        _matrix(options.pop("color_matrix")),
    )
    return RunOptions(explicit=explicit, **options)


def _gains(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        red, green, blue = (float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(f"--white-balance takes three gains such as 2.0,1,1.6, got {text!r}.") from None
    if not 0 < min(red, green, blue) <= max(red, green, blue) < 1000:
        raise RequestError(f"--white-balance takes gains above 0, got {text!r}.")
    return red, green, blue


def _matrix(text: str | None) -> ColorMatrix | None:
    if text is None:
        return None
    try:
        a, b, c, d, e, f, g, h, i = (float(part) for part in text.split(","))
    except ValueError:
        raise RequestError(
            f"--color-matrix takes nine numbers from CIE XYZ (D65) to camera RGB, row by row, got {text!r}."
        ) from None
    return (a, b, c), (d, e, f), (g, h, i)


def _jobs(inputs: Sequence[Path], output: Path, direction: Direction | None) -> list[tuple[Path, Path]]:
    """Pairs of input and output. Raises RequestError before any work where they do not fit together."""
    files = [file for path in inputs for file in (files_to_run(path, direction) if os.path.isdir(path) else [path])]
    if len(files) == 1 and not inputs[0].is_dir() and not output.is_dir():
        return [(files[0], output)]
    if not output.is_dir():
        raise RequestError(f"Several inputs need an existing folder as output, got {output}: create it first.")
    jobs = [(file, output / f"{file.stem}{'.dng' if is_picture(file) else '.jpg'}") for file in files]
    counts = Counter(target for _, target in jobs)
    if doubled := sorted(str(target) for target, count in counts.items() if count > 1):
        raise RequestError(f"Several inputs would become {doubled[0]}: run them one by one.")
    return jobs


def _run(source: Path, target: Path, models: Models, options: RunOptions, *, quiet: bool) -> RunResult:
    from invisp_deploy.rendering.files import run_path

    with ExitStack() as stack:

        def start(total: int) -> Callable[[int], object]:
            bar = stack.enter_context(progress(total, source.name, quiet=quiet))
            update: Callable[[int], object] = bar.update
            return update

        return run_path(source, target, models, options, start)


def _print(source: Path, result: RunResult, *, shipped: bool) -> None:
    next_command = ""
    if shipped and not is_picture(source):
        next_command = shlex.join(["invisp-run", str(result.output), "-o", str(result.output.with_suffix(".dng"))])
    result_line(
        result.output,
        f"{result.width}x{result.height}, {result.tiles} tiles ({result.computed:.2f} x the pixels) in "
        f"{result.seconds:.1f} s on {result.runtime}",
        next_command,
    )
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    if result.light == "daylight":
        click.echo(
            "note: the file has no as-shot white balance and was taken for daylight: --white-balance R,G,B", err=True
        )
    if result.forced:
        click.echo("note: forced: these weights were not made for this file; the result may be far off")
    if result.halo_error:
        click.echo(
            f"note: a halo of {result.halo} px changes the first seam by up to {result.halo_error:.2g} "
            f"({result.halo_error * 255:.2f} of 255 levels) against the exact one"
        )
