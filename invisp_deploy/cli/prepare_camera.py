"""`invisp prepare camera`: a RAW file to the camera file of what took it."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from invisp_deploy.cli.common import InvispCommand, result_line, shown
from invisp_deploy.cli.options import PATH, max_pixels_option, output_option, overwrite_option
from invisp_deploy.files import check_output, write_whole


@click.command("camera", cls=InvispCommand)
@click.argument("raw", type=PATH)
@output_option("Camera file, .toml.")
@max_pixels_option
@overwrite_option
def camera_command(raw: Path, output: Path, max_pixels: float, overwrite: bool) -> None:
    """Write a camera file by a DNG or another RAW file of the camera: levels, colours, gains, noise, lens shading.

    It is for frames as bare words of 16 bits; a camera that packs them has another format there, which is edited by
    hand.

    \b
    invisp prepare camera photo.dng -o camera.toml
    """
    from invisp_deploy.formats.raw import read_raw
    from invisp_deploy.sensor.camera_file import camera_text
    from invisp_deploy.sensor.camera_of_frame import camera_of_frame

    check_output(output, overwrite=overwrite)
    frame = read_raw(raw, max_pixels=max_pixels)
    camera, notes = camera_of_frame(frame, str(output))
    heading = f"{frame.camera or 'A camera that the file does not name'}, by {raw.name}."
    write_whole(output, camera_text(camera, [_comment(heading), *(_comment(f"{note}.") for note in notes)]))
    for note in notes:
        click.echo(f"note: {note}", err=True)
    command = ["invisp", "stream", "--camera", str(output), "-o", "pictures/"]
    result_line(output, f"{camera.width}x{camera.height}, {camera.layout.name}", f"{shlex.join(command)} < frames.raw")


def _comment(text: str) -> str:
    """One line that UTF-8 holds, whatever bytes a file's name is of."""
    return shown(f"{text[0].upper()}{text[1:]}").encode(errors="backslashreplace").decode()
