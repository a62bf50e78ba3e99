"""`invisp prepare raws`: RAW files to a dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from invisp_deploy.cli.common import InvispCommand, print_json, progress, sentence, shown
from invisp_deploy.cli.options import (
    PATH,
    jobs_option,
    json_option,
    output_option,
    quality_option,
    resume_option,
    seed_option,
    subsampling_option,
)
from invisp_deploy.errors import RequestError


@click.command("raws", cls=InvispCommand)
@click.argument("paths", nargs=-1, required=True, type=PATH)
@output_option("Folder of the dataset; made if absent.")
@click.option("--made", multiple=True, type=PATH, help="Made DNGs (file or folder), to train on only.")
@quality_option
@subsampling_option
@click.option("--test-share", type=float, help="Part of the files that is held out.  [default: 0.15]")
@click.option("--test-list", type=PATH, help="Names of the files that are held out, one a line, instead of a share.")
@click.option(
    "--target",
    default="libraw",
    show_default=True,
    metavar="beside|preview|FOLDER",
    help="Pictures to learn: the JPEG beside each file, the preview inside it, or those of a folder.",
)
@click.option("--render", default="", metavar="COMMAND", help="Makes each picture: 'darktable-cli {raw} {out}'.")
@click.option("--any-tones", is_flag=True, help="Keep pictures whose tones differ from those of the rest.")
@seed_option
@jobs_option
@resume_option
@json_option
def raws_command(
    paths: tuple[Path, ...],
    output: Path,
    made: tuple[Path, ...],
    test_share: float | None,
    test_list: Path | None,
    target: str,
    jobs: int | None,
    resume: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Make a dataset of RAW files (or folders of them), of one camera or of several.

    Each becomes its mosaic, memory-mapped in training, and LibRaw's rendering as a JPEG; 15 % are held out.
    Pictures by other programs, the camera's own among them, are registered with the mosaic first.

    \b
    invisp prepare raws photos/ -o data/
    invisp prepare raws photos/ -o data/ --made dngs/ --test-list test.txt
    invisp prepare raws photos/ -o data/ --target beside
    """
    from invisp_deploy.contract import LIBRAW
    from invisp_deploy.dataset.options import BESIDE, PREVIEW, PrepareOptions, read_names
    from invisp_deploy.dataset.prepare import Refused, prepare
    from invisp_deploy.dataset.sources import sources_in

    if test_share is not None and test_list is not None:
        raise RequestError("--test-share and --test-list exclude each other: pass one.")
    if test_list is not None:
        options["test_names"] = read_names(test_list)
    elif test_share is not None:
        options["test_share"] = test_share
    if target not in (LIBRAW, BESIDE, PREVIEW):
        target = str(Path(target).absolute())
    settings = PrepareOptions(target=target, **options)
    sources = sources_in(paths, made)

    told: list[Refused] = []

    def on_refused(one: Refused) -> None:
        told.append(one)
        click.echo(f"Error: {sentence(one.reason)}", err=True)

    gone_through: list[Path] = []
    with progress(len(sources), "prepare", quiet=as_json) as bar:

        def on_file(path: Path) -> None:
            gone_through.append(path)
            bar.update(1)

        try:
            dataset, refused = prepare(
                sources,
                output,
                settings,
                jobs=jobs or os.cpu_count() or 1,
                resume=resume,
                on_file=on_file,
                on_refused=on_refused,
            )
        except BaseException:
            if as_json and gone_through:  # what is done is told
                done, left = len(gone_through) - len(told), len(sources) - len(gone_through)
                unfinished = {"finished": False, "done": done, "left": left}
                print_json({"dataset": output, **unfinished, "refused": [vars(one) for one in told]})
            raise
    shots = dataset.train + dataset.test
    registered = {shot.source: found for shot in shots if (found := shot.facts.registration) is not None}
    coarser = {shot.source: shot.facts.coarser for shot in shots}
    counts = {
        "train": len(dataset.train),
        "test": len(dataset.test),
        "made": sum(shot.made for shot in dataset.train),
        "made_test": sum(shot.made for shot in dataset.test),
        "raw_bytes": sum(shot.raw_bytes for shot in shots),
        "mosaic_bytes": sum(shot.facts.mosaic_bytes for shot in shots),
        "jpeg_bytes": sum(shot.jpeg_bytes for shot in shots),
    }
    if as_json:
        facts = {"dataset": output, "finished": True, "camera": dataset.camera, **counts}
        told_of = {source: found.to_dict() for source, found in registered.items()}
        print_json({**facts, "registered": told_of, "refused": [vars(one) for one in refused]})
    else:
        for source, found in sorted(registered.items()):
            coarse = " (colours and tones alone)" if coarser[source] > 1 else ""
            click.echo(f"{shown(source)}: {found}{coarse}")
        if settings.of_others:
            click.echo(f"sheets of registrations: {output / 'sheets'}")
        megabytes = (counts["mosaic_bytes"] + counts["jpeg_bytes"]) / 1e6
        click.echo(
            f"wrote {output} ({megabytes:.1f} MB) of {dataset.camera or 'unnamed cameras'}: {counts['train']} files "
            f"to train on ({counts['made']} made), {counts['test']} to test with ({counts['made_test']} made), "
            f"{len(refused)} refused"
        )
        click.echo(f"next: invisp train {output} -o run/")
    if refused:
        raise SystemExit(1)
