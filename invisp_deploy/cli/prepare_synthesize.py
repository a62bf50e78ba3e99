"""`invisp prepare synthesize`: photographs to DNGs of many cameras, or of one."""

from __future__ import annotations

from pathlib import Path

import click

from invisp_deploy.cli.common import InvispCommand, print_json, progress, say_error, sentence
from invisp_deploy.cli.options import PATH, json_option, output_option, seed_option
from invisp_deploy.errors import InvispError, RequestError
from invisp_deploy.files import output_folder


@click.command("synthesize", cls=InvispCommand)
@click.argument("photos", nargs=-1, required=True, type=PATH)
@click.option("--like", type=PATH, help="One RAW file of the camera that all are to be of; default: many cameras.")
@output_option("Folder for the DNGs; made if absent.")
@click.option(
    "--per-photo", default=1, show_default=True, type=click.IntRange(1, 100), help="DNGs for each photograph."
)
@click.option("--saturation", type=int, help="DN at which the sensor of --like clips; default: the file's white level.")
@seed_option
@json_option
def synthesize_command(
    photos: tuple[Path, ...],
    like: Path | None,
    output: Path,
    per_photo: int,
    saturation: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """Make DNGs from ordinary photographs (files or folders).

    Each is a photograph taken back through a camera's colour matrix, a white balance, its CFA, noise
    and levels: of another camera each time, for a model that serves all, or of the one that --like is from,
    so that a model can be started from one RAW file.

    \b
    invisp prepare synthesize photos/ -o dngs/
    invisp prepare synthesize --like photo.CR2 photos/ -o dngs/
    """
    from invisp_deploy.formats.raw import read_raw
    from invisp_deploy.formats.walk import picture_files
    from invisp_deploy.training.many_cameras import ManyCameras
    from invisp_deploy.training.one_camera import OneCamera
    from invisp_deploy.training.synthesis import make_dngs

    if like is None and saturation is not None:
        raise RequestError("`saturation` is of the camera of --like: name a file of it, or leave it out.")
    cameras = ManyCameras() if like is None else OneCamera.of(read_raw(like), saturation)
    found = picture_files(photos)
    if output.is_dir() and any(output.iterdir()):
        raise RequestError(f"The output {output} exists already and is not an empty folder: name another one.")
    written: list[str] = []
    refused: list[str] = []

    def on_refused(error: InvispError) -> None:
        refused.append(sentence(error))
        say_error(error)

    try:
        with output_folder(output), progress(len(found) * per_photo, "synthesize", quiet=as_json) as bar:

            def on_written(path: Path) -> None:
                written.append(str(path))
                bar.update(1)

            make_dngs(
                found, cameras, output, per_photo=per_photo, seed=seed, on_written=on_written, on_refused=on_refused
            )
    finally:  # after an interrupt, too: what is done is told
        if as_json:
            print_json({"written": written, "refused": refused})
    if not as_json:
        click.echo(f"wrote {len(written)} DNGs of {cameras.name} to {output}, {len(refused)} photographs refused")
        if written:
            click.echo(f"next: invisp train {output} -o run/")
    if refused:
        raise SystemExit(1)
