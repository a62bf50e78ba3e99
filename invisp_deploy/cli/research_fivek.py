"""`invisp research fivek`: the paper's MIT-Adobe FiveK sets to a dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from invisp_deploy.cli.common import InvispCommand, print_json, progress, sentence
from invisp_deploy.cli.options import (
    PATH,
    jobs_option,
    json_option,
    output_option,
    quality_option,
    resume_option,
    subsampling_option,
)
from invisp_deploy.errors import RequestError
from invisp_deploy.files import output_folder

if TYPE_CHECKING:
    from invisp_deploy.research.fivek import Collected

_CAMERAS = ["Canon EOS 5D", "NIKON D700"]
_SHOWN = 5
_DOWNLOADS = 4


@click.command("fivek", cls=InvispCommand)
@click.option("--camera", required=True, type=click.Choice(_CAMERAS), help="Model of the set.")
@click.option("--train-list", required=True, type=PATH, help="Names of the DNGs to train on, one a line.")
@click.option("--test-list", required=True, type=PATH, help="Names of the DNGs that are held out, one a line.")
@click.option("--dngs", type=PATH, help="Folder with the DNGs, at any depth.")
@click.option("--download", type=PATH, help="Folder to download the DNGs to instead; made if absent.")
@click.option("--base-url", help="With --download: where NAME.dng is.  [default: the data set's own site]")
@output_option("Folder of the dataset; made if absent.")
@quality_option
@subsampling_option
@jobs_option
@resume_option
@json_option
def fivek_command(
    camera: str,
    train_list: Path,
    test_list: Path,
    dngs: Path | None,
    download: Path | None,
    base_url: str | None,
    output: Path,
    quality: int,
    subsampling: str,
    jobs: int | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Make a dataset of the FiveK DNGs of one camera, split by the lists given.

    Listed names without a DNG are reported; the others are prepared. A download that was interrupted goes on where it
    stopped.

    \b
    invisp research fivek --camera "NIKON D700" --train-list train.txt --test-list test.txt --dngs fivek/ -o data/
    """
    from invisp_deploy.dataset.options import PrepareOptions
    from invisp_deploy.dataset.prepare import Refused, prepare
    from invisp_deploy.dataset.sources import SourceFile
    from invisp_deploy.research.fivek import BASE_URL, read_lists

    folder = dngs or download
    if folder is None or (dngs and download):
        raise RequestError("--dngs (a folder that has the files) and --download exclude each other: pass one.")
    if base_url is not None and download is None:
        raise RequestError("--base-url belongs to --download.")
    train, test = read_lists(train_list, test_list)
    if not resume and output.is_dir() and any(output.iterdir()):  # before a long download
        raise RequestError(f"The output {output} exists already: pass --resume to go on, or name another folder.")

    def on_refused(one: Refused) -> None:
        click.echo(f"Error: {sentence(one.reason)}", err=True)

    with output_folder(output):
        site = None if download is None else base_url or BASE_URL
        collected = _collect(folder, train + test, camera, site, jobs or _DOWNLOADS, quiet=as_json)
        sources = [SourceFile(path) for _, path in sorted(collected.paths.items())]
        held_out = tuple(name for name in test if name in collected.paths)
        with progress(len(sources), "prepare", quiet=as_json) as bar:
            dataset, refused = prepare(
                sources,
                output,
                PrepareOptions(quality, subsampling, test_names=held_out),
                jobs=jobs or os.cpu_count() or 1,
                resume=resume,
                on_file=lambda path: bar.update(1),
                on_refused=on_refused,
            )
    problems = [{"path": f"{name}.dng", "reason": reason} for name, reason in collected.refused.items()]
    problems += [vars(one) for one in refused]
    made = {"train": len(dataset.train), "test": len(dataset.test)}
    if as_json:
        found = {"missing": collected.missing, "refused": problems}
        print_json({"dataset": output, "camera": dataset.camera, **made, **found})
    else:
        click.echo(
            f"wrote {output} of {dataset.camera}: {made['train']} of {len(train)} files to train on, {made['test']} of "
            f"{len(test)} to test with, {len(collected.missing)} missing, {len(problems)} refused"
        )
        click.echo(f"next: invisp train {output} -o run/")
    if collected.missing or problems:
        raise SystemExit(1)


def _collect(
    folder: Path, names: tuple[str, ...], camera: str, site: str | None, jobs: int, *, quiet: bool
) -> Collected:
    """The names' files, downloaded to the folder where a site is given; what lacks is told.

    Raises RequestError if all do.
    """
    from invisp_deploy.research.fivek import download_dngs, find_dngs

    with progress(len(names), "DNGs", quiet=quiet) as bar:

        def on_file() -> None:
            bar.update(1)

        if site is None:
            collected = find_dngs(folder, names, camera, on_file=on_file)
        else:
            with output_folder(folder):
                collected = download_dngs(folder, names, camera, base_url=site, jobs=jobs, on_file=on_file)
    for reason in collected.refused.values():
        click.echo(f"Error: {sentence(reason)}", err=True)
    if missing := collected.missing:
        more = f" and {len(missing) - _SHOWN} more (--json lists all)" if len(missing) > _SHOWN else ""
        first = ", ".join(missing[:_SHOWN])
        where = folder if site is None else site
        click.echo(
            f"Error: {len(missing)} of the {len(names)} listed names are not in {where}: {first}{more}.", err=True
        )
    if not collected.paths:
        raise RequestError(f"None of the {len(names)} listed names has a DNG that can be used: no dataset was made.")
    return collected
