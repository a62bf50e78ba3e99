"""`invisp export frame`: what a program without Python renders a camera's frames by."""

from __future__ import annotations

from pathlib import Path

import click

from invisp_deploy.cli.common import InvispCommand, print_json, result_line
from invisp_deploy.cli.options import (
    PATH,
    force_option,
    json_option,
    model_option,
    output_option,
    overwrite_option,
    quality_option,
    subsampling_option,
)


@click.command("frame", cls=InvispCommand)
@click.argument("raw", type=PATH)
@output_option("Folder for frame.json and frame.raw; made if absent.")
@model_option
@quality_option
@subsampling_option
@force_option
@overwrite_option
@json_option
def frame_command(
    raw: Path,
    output: Path,
    model: str | None,
    quality: int,
    subsampling: str,
    force: bool,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write what a program without Python needs for frames of the camera that a RAW file is of (docs/embed.md).

    frame.json holds the record of their pictures, with the numbers that the graph takes; frame.raw the file's own
    samples as 16-bit words, to try it with.

    \b
      invisp export frame photo.dng -o camera/
    """
    from invisp_deploy.formats.picture import JpegForm
    from invisp_deploy.formats.raw import read_raw
    from invisp_deploy.graph_card import Direction
    from invisp_deploy.rendering.embedded import FRAME_FILE, WORDS_FILE, write_embedded
    from invisp_deploy.rendering.model import load
    from invisp_deploy.rendering.render import AlignedFrame

    frame = read_raw(raw)
    with load(model) as opened:
        aligned = AlignedFrame(frame, opened.runtime(Direction.FORWARD), name=str(raw), force=force)
    write_embedded(output, aligned, JpegForm(quality, subsampling), overwrite=overwrite)
    height, width = frame.mosaic.shape
    words, text = output / WORDS_FILE, output / FRAME_FILE
    if as_json:
        print_json({"frame": text, "words": words, "height": height, "width": width})
        return
    result_line(words, f"{width}x{height} words of 16 bits")
    result_line(text, f"{frame.camera or 'an unknown camera'}, JPEGs of quality {quality}, {subsampling}")
