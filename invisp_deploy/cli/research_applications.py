"""`invisp research retouch`, `hdr`: the paper's applications on RAW files, with figures and pictures."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from invisp_deploy.cli.common import InvispCommand, print_json, progress, sentence
from invisp_deploy.cli.options import (
    PATH,
    force_option,
    json_option,
    memory_option,
    model_option,
    output_option,
    overwrite_option,
    provider_option,
    quality_option,
    subsampling_option,
    threads_option,
    together,
)
from invisp_deploy.errors import MissingExtraError, RequestError
from invisp_deploy.files import check_output, output_folder, write_whole
from invisp_deploy.formats.walk import raw_files

_shared = together(
    click.argument("raws", nargs=-1, required=True, type=PATH),
    output_option("Folder; made if absent."),
    model_option,
    provider_option,
    threads_option,
    quality_option,
    subsampling_option,
    memory_option,
    force_option,
    overwrite_option,
    json_option,
)
"""Arguments and options of both."""


@click.command("retouch", cls=InvispCommand)
@_shared
def retouch_command(
    raws: tuple[Path, ...],
    output: Path,
    model: str | None,
    provider: str | None,
    threads: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Edits of the recovered RAW and of the JPEG, beside the same edits of the camera's RAW files (or folders).

    Writes retouch.json, retouch.md, and a sheet of pictures of each file.

    \b
    invisp research retouch raws/ -o retouched/
    """
    paths = _checked(raws, ("torch", "skimage", "matplotlib"))
    names = ["retouch.json", "retouch.md", *(f"{path.stem}.png" for path in paths)]
    _check_outputs(output, names, options["overwrite"])
    from invisp_deploy.rendering.model import load
    from invisp_deploy.rendering.options import RunOptions
    from invisp_deploy.report.retouch import retouch_page
    from invisp_deploy.research.retouch import measure_retouch

    with output_folder(output), load(model, provider=provider, threads=threads or 0) as opened:
        facts = measure_retouch(paths, output, opened, RunOptions(**options), _bars(as_json))
        _finish(output, "retouch", facts, retouch_page, as_json)


@click.command("hdr", cls=InvispCommand)
@_shared
@click.option(
    "--peak",
    default=1000.0,
    show_default=True,
    help="cd/m2 that the screen of the figures shows at most; white is 203.",
)
@click.option(
    "--edge",
    default=1200,
    show_default=True,
    type=click.IntRange(min=64),
    help="Pixels of the longer side of tone-mapped pictures, at most.",
)
def hdr_command(
    raws: tuple[Path, ...],
    output: Path,
    model: str | None,
    provider: str | None,
    threads: int | None,
    as_json: bool,
    peak: float,
    edge: int,
    **options: Any,
) -> None:
    """Light out of JPEGs with and without their highlights, beside that of the camera's RAW files (or folders).

    Writes hdr.json, hdr.md and, of each file, the JPEG, its light as OpenEXR, that light tone mapped, and a sheet.

    \b
    invisp research hdr raws/ -o light/
    """
    paths = _checked(raws, ("cv2", "OpenEXR", "skimage", "matplotlib"))
    from invisp_deploy.research.reconstruction import names_of_light

    names = ["hdr.json", "hdr.md", *(name for path in paths for name in names_of_light(path.stem))]
    _check_outputs(output, names, options["overwrite"])
    from invisp_deploy.rendering.model import load
    from invisp_deploy.rendering.options import RunOptions
    from invisp_deploy.report.reconstruction import reconstruction_page
    from invisp_deploy.research.reconstruction import measure_reconstruction

    with output_folder(output), load(model, provider=provider, threads=threads or 0) as opened:
        facts = measure_reconstruction(paths, output, opened, RunOptions(**options), peak, edge, _bars(as_json))
        _finish(output, "hdr", facts, reconstruction_page, as_json)


def _checked(raws: Sequence[Path], packages: Sequence[str]) -> list[Path]:
    """The RAW files; a package that is missing, and names that would meet in one folder, are told before any work."""
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(package, "research")
    paths = raw_files(raws)
    stem, count = Counter(path.stem for path in paths).most_common(1)[0]
    if count > 1:
        raise RequestError(f"{count} files are called {stem}, and outputs go by that name: give each a run of its own.")
    return paths


def _check_outputs(output: Path, names: Sequence[str], overwrite: bool) -> None:
    if output.is_dir():
        for name in names:
            check_output(output / name, overwrite=overwrite)


def _bars(as_json: bool) -> Any:
    return lambda total, description: progress(total, description, quiet=as_json)


def _finish(output: Path, name: str, facts: dict[str, Any], page: Callable[[Any], str], as_json: bool) -> None:
    for row in facts["refused"]:
        row["why"] = sentence(row["why"])
    write_whole(output / f"{name}.json", json.dumps(facts, indent=1, allow_nan=False) + "\n")
    write_whole(output / f"{name}.md", page(facts))
    if as_json:
        print_json(facts)
        return
    click.echo(page(facts))
    click.echo(f"wrote {name}.json, {name}.md and the pictures in {output}")
