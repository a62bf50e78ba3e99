"""Draw docs/images/looks.png: a RAW file in several looks, and how well each picture's RAW comes back.

python scripts/looks_picture.py photo.CR2 docs/images/looks.png universal natural vivid

Looks are shipped ones by name, or folders of exports. Each picture is a JPEG file as `invisp run` writes it, its RAW is
that of the DNG that `invisp run` makes of it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from invisp_deploy.evaluation.roundtrip import Original, round_trip
from invisp_deploy.formats.orientation import upright
from invisp_deploy.formats.pixels import reduced
from invisp_deploy.rendering.model import load
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.report.figures import write_figure
from invisp_deploy.report.markdown import number

EDGE = 480
WIDTH = 4.0  # inches of a panel, of a hundred pixels
ROOM = 0.35
"""Inches for the line above a panel."""


def main() -> None:
    photo, output, *looks = sys.argv[1:]
    original = Original(Path(photo))
    shown: dict[str, Any] = {}
    for look in looks:
        with tempfile.TemporaryDirectory() as name, load(look) as model:
            trip = round_trip(original, Path(name) / "a.jpg", Path(name) / "a.dng", model, RunOptions())
        raw = number(trip.metrics["raw-psnr"], 1)
        picture = upright(trip.picture, original.frame.orientation)
        shown[f"{Path(look).name}; RAW back at {raw} dB"] = reduced(np.ascontiguousarray(picture), EDGE)

    def draw(figure: Any) -> None:
        panels = figure.subplots(1, len(shown), squeeze=False)[0]
        for axes, (title, pixels) in zip(panels, shown.items(), strict=True):
            axes.imshow(pixels)
            axes.set_title(title, fontsize=10)
            axes.axis("off")

    height, width = next(iter(shown.values())).shape[:2]
    write_figure(Path(output), draw, (WIDTH * len(shown), WIDTH * height / width + ROOM))
    print("\n".join(shown))


if __name__ == "__main__":
    main()
