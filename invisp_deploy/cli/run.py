"""`invisp run`: RAW files to pictures, pictures to DNG."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from invisp_deploy.cli.batch import Batch, batch_of, work_in_order
from invisp_deploy.cli.common import InvispCommand, print_json, progress, result_line, say_error, sentence, shown
from invisp_deploy.cli.options import PATH, json_option, output_option, rendering_options, version_option
from invisp_deploy.errors import InvispError, OutputError, RequestError, failure_of
from invisp_deploy.formats.walk import JPEG_SUFFIXES, PICTURE_SUFFIXES, is_picture

if TYPE_CHECKING:
    from invisp_deploy.isp.frame import ColorMatrix
    from invisp_deploy.rendering.files import RunResult
    from invisp_deploy.rendering.model import Models
    from invisp_deploy.rendering.options import RunOptions
    from invisp_deploy.sidedata.options import RawBudget


_ARCHIVE: Final = 3.0
"""Standard deviations of the noise."""


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
@click.option("--skip-existing", is_flag=True, help="Pass over inputs whose output is there and whole.")
@click.option("--recursive", is_flag=True, help="Folders in folders, too, to the same folders in the output's.")
@click.option(
    "--jobs", default=1, show_default=True, type=click.IntRange(1, 64), help="Files at a time; each takes --memory."
)
@click.option("--tone-map", is_flag=True, help="A JPEG with its highlights below white, and without a way back.")
@click.option("--stream", is_flag=True, expose_value=False, help="The same as `invisp stream`, with its options.")
@json_option
@version_option
def run_command(
    inputs: tuple[Path, ...],
    output: Path,
    model: str | None,
    provider: str | None,
    skip_existing: bool,
    recursive: bool,
    jobs: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Render RAW files to .jpg, .png or .tif, or recover .dng from such pictures. Either becomes linear light in .exr
    or .avif.

    The direction comes from the input: RAW files are rendered, pictures recovered. A graph or engine that is named by
    its file takes what its direction says.

    \b
    invisp-run photo.CR2 -o photo.jpg
    invisp-run photo.jpg -o photo.dng
    invisp-run photo.jpg -o photo.exr
    invisp-run card/ -o pictures/ --recursive --skip-existing
    invisp-run --look closed-form photo.CR2 -o photo.jpg
    invisp-run --engine forward.trt photo.CR2 -o photo.jpg
    """
    run_options = options_of(options)
    with ExitStack() as stack:
        models = [stack.enter_context(one) for one in _models(model, provider, jobs)]
        batch = batch_of(inputs, output, models[0].only, recursive=recursive)
        note_left_out(batch.left_out)
        note_unused_options({target.suffix.lower() for _, target in batch.pairs})
        settings = replace(run_options, replace_negatives=batch.single)
        good = _run_all(batch, models, settings, model is None, skip_existing=skip_existing, as_json=as_json)
        if _verified(models) is False and not as_json:
            click.echo(f"note: {model} is not yet verified on a GPU: invisp verify --model {model}")
    if not good:
        sys.exit(1)


def _models(model: str | None, provider: str | None, jobs: int) -> Iterator[Models]:
    """One for each job, since a graph runs in one thread at a time, with the cores shared out."""
    from invisp_deploy.rendering.model import Models

    threads = 0 if jobs == 1 else max(len(os.sched_getaffinity(0)) // jobs, 1)
    return (Models(model, provider, threads) for _ in range(jobs))


def _verified(models: Sequence[Models]) -> bool | None:
    said = [one.verified for one in models if one.verified is not None]
    return all(said) if said else None


def _run_all(
    batch: Batch, models: Sequence[Models], options: RunOptions, shipped: bool, *, skip_existing: bool, as_json: bool
) -> bool:
    """Run every file, one at a time for each of `models`, and tell of each in turn; whether none failed."""
    command = click.get_current_context().command
    rows: dict[int, dict[str, Any]] = {}
    free: SimpleQueue[Models] = SimpleQueue()
    for one in models:
        free.put(one)
    ended = Event()

    def work(index: int) -> RunResult | InvispError | None:
        source, target = batch.pairs[index]
        row: dict[str, Any] = {"input": str(source), "ok": True}
        if ended.is_set():
            return None
        mine = free.get()
        try:
            if skip_existing and _is_there(target, options):
                rows[index] = row | {"output": target, "skipped": True}
                return None
            result = _run(source, target, mine, options, quiet=as_json or len(models) > 1)
            rows[index] = row | asdict(result) | {"bytes": result.output.stat().st_size}
            return result
        except Exception as error:  # whatever it is: the other files have nothing to do with it
            failure = failure_of(error, str(source))
            rows[index] = row | {"ok": False, "error": sentence(failure, command), "type": type(error).__name__}
            if isinstance(failure, OutputError):  # the next one could not be written either
                ended.set()
            return failure
        finally:
            free.put(mine)

    try:
        with closing(work_in_order(work, len(batch.pairs), len(models))) as all_made:
            for index, made in enumerate(all_made):
                source, target = batch.pairs[index]
                if isinstance(made, InvispError):
                    if batch.single or isinstance(made, OutputError):
                        raise made
                    say_error(made)
                elif made is not None and not as_json:
                    _print(source, made, shipped=shipped)
                elif index in rows and not as_json:
                    click.echo(f"skipped {shown(source)}: {shown(target)} is there and whole")
    finally:  # after an interrupt, too: what is done is told
        _print_all([rows[index] for index in sorted(rows)], batch, _verified(models), as_json=as_json)
    return all(row["ok"] for row in rows.values())


def _is_there(target: Path, options: RunOptions) -> bool:
    """Whether an output is made already. Raises RequestError for another file in its place, unless it is replaced."""
    from invisp_deploy.formats.finished import is_finished

    if not os.path.lexists(target):
        return False
    if is_finished(target):
        return True
    if options.overwrite:
        return False
    raise RequestError(f"{target} is there, and is no whole output of invisp: remove it or pass `overwrite`.")


def _print_all(rows: Sequence[Mapping[str, Any]], batch: Batch, verified: bool | None, *, as_json: bool) -> None:
    """What became of every file, of which some were not begun where the command ends early."""
    failed = sum(not row["ok"] for row in rows)
    skipped = sum("skipped" in row for row in rows)
    left = len(batch.pairs) - len(rows)
    if as_json:
        counts = {"failed": failed, "skipped": skipped, "left": left, "left_out": sum(batch.left_out.values())}
        print_json({"files": rows, **counts, "verified": verified})
    elif not batch.single:
        for row in rows:
            click.echo(f"{'skip  ' if 'skipped' in row else 'ok    ' if row['ok'] else 'FAILED'} {shown(row['input'])}")
        more = f", {skipped} skipped" if skipped else ""
        rest = f", {left} not begun or not finished" if left else ""
        click.echo(f"{len(rows) - failed - skipped} of {len(batch.pairs)} files done, {failed} failed{more}{rest}")


def note_left_out(left_out: Mapping[Path, int]) -> None:
    """A line for each folder on the pictures in it that are not taken."""
    for folder, count in left_out.items():
        click.echo(f"note: {shown(folder)} holds RAW files, and {count} pictures, which are left out", err=True)


def note_unused_options(suffixes: Collection[str]) -> None:
    """Lines on options of JPEGs, and of what pictures carry, that were given where none is written; suffixes: of the
    files that are. The quality is an AVIF's, too; a budget of 0 leaves aside what a picture carries.
    """
    context = click.get_current_context()
    tone_map, leaves_aside = context.params.get("tone_map"), context.params["raw_budget"] == 0
    carrying = ["raw_budget", "max_error", "max_noise", "archive", "lossless"]
    jpegs, pictures = set(JPEG_SUFFIXES), set(() if tone_map else PICTURE_SUFFIXES)
    taken = {name: (pictures, "picture that carries its RAW") for name in carrying}
    taken |= {name: (jpegs, "JPEG") for name in ("quality", "subsampling", "hdr", "web")}
    taken["quality"] = jpegs | {".avif"}, "JPEG"
    if leaves_aside:
        taken["raw_budget"] = pictures | {".dng"}, taken["raw_budget"][1]
    if tone_map:
        taken["hdr"] = taken["web"] = taken["lossless"]
    unused: dict[str, list[str]] = {}
    for name, (kinds, what) in taken.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and not kinds & set(suffixes):
            unused.setdefault(what, []).append(f"--{name.replace('_', '-')}")
    for what, names in unused.items():
        click.echo(f"note: {' and '.join(names)} changed nothing: no {what} is written", err=True)


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
    return RunOptions(explicit=explicit, raw_budget=_raw_budget(options), **options)


def _raw_budget(options: dict[str, Any]) -> RawBudget:
    """What the picture is to carry, of which the options are taken out. Raises RequestError."""
    from invisp_deploy.sidedata.options import RawBudget

    most, error, noise = (options.pop(name) for name in ("raw_budget", "max_error", "max_noise"))
    archive, lossless, hdr = (options.pop(name) for name in ("archive", "lossless", "hdr"))
    if sum((error is not None, noise is not None, archive, lossless)) > 1:
        raise RequestError(
            "--max-error, --max-noise, --archive and --lossless bound the same error, several were given: pass one."
        )
    return RawBudget(most, 0 if lossless else error, _ARCHIVE if archive else noise, hdr)


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
    if shipped and not is_picture(source) and result.way_back:
        next_command = shlex.join(["invisp-run", str(result.output), "-o", str(result.output.with_suffix(".dng"))])
    if not result.graph and not shipped and result.way_back:
        click.echo(
            "note: the model was not needed: the picture carries what gives its RAW back; --raw-budget 0 asks for it"
        )
    how = f"{result.tiles} tiles ({result.computed:.2f} x the pixels) in {result.seconds:.1f} s on {result.runtime}"
    if not result.graph:
        how = f"in {result.seconds:.1f} s by {result.runtime}"
    result_line(
        result.output,
        f"{result.width}x{result.height}, {how}",
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
