"""What a program without Python renders a camera's frames by: the record of their pictures, written beforehand.

Two files. `frame.raw` is a frame as its sensor gives it: 16-bit words, little-endian, row by row. `frame.json` is true
of every frame of that camera in that light:

    record          the record of a picture (`formats.record`): facts, recipe, alignment, sizes; without its digest
    adjusts_white   whether `recipe.white` is each frame's own (`isp.recipe.adjusted_white`)
    jpeg            what the digest of its JPEG begins with (`formats.jpeg.digest_head`); the entropy-coded bytes follow
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from invisp_deploy.errors import RequestError
from invisp_deploy.files import whole_folder
from invisp_deploy.formats.jpeg import digest_head, header_of_jpeg, written_by_pillow
from invisp_deploy.formats.picture import JpegForm
from invisp_deploy.rendering.render import AlignedFrame

WORDS_FILE: Final = "frame.raw"
FRAME_FILE: Final = "frame.json"


def write_embedded(
    folder: Path,
    aligned: AlignedFrame,
    form: JpegForm = JpegForm(),  # noqa: B008 - frozen
    *,
    overwrite: bool = False,
) -> None:
    """Both files, for JPEGs of that quality and subsampling.

    Raises RequestError for files that are there, and for weights that see frames without their lens's shading, which
    is taken out before the graph; OutputError.
    """
    if aligned.recipe.shading:
        raise RequestError(
            "These weights see frames without their lens's shading, and `examples/cpp` does not take it out: choose "
            "another model."
        )
    record = replace(aligned.record(), quality=form.quality, subsampling=form.subsampling)
    grey = header_of_jpeg(written_by_pillow(form.quality, form.subsampling))
    text = {
        "record": asdict(record),
        "adjusts_white": aligned.card.contract.white == "adjusted",
        "jpeg": digest_head(replace(grey, height=record.height, width=record.width)).decode(),
    }
    with whole_folder(folder, (WORDS_FILE, FRAME_FILE), overwrite=overwrite) as part:
        (part / WORDS_FILE).write_bytes(aligned.frame.mosaic.astype("<u2", copy=False).tobytes())
        (part / FRAME_FILE).write_text(json.dumps(text, indent=1) + "\n", encoding="utf-8")
