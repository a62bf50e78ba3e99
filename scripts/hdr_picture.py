"""Draw docs/images/hdr.png: a photograph as every screen shows it, its highlights, and the gain map that holds them.

python scripts/hdr_picture.py nikon_d5000_hdrmerge_sample3.dng docs/images/hdr.png

The photograph is rendered by `invisp-run --hdr`, and the picture becomes OpenEXR, of which the light is shown two stops
darker. Needs the extras `hdr` and `tables`.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
from PIL import Image

from invisp_deploy.formats.orientation import upright
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.pixels import reduced
from invisp_deploy.report.figures import write_figure

STOPS = 2
EDGE = 480
SIZE = (12.0, 2.95)  # inches, of a hundred pixels


def main() -> None:
    photo, output = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as name:
        jpeg, light = Path(name) / "a.jpg", Path(name) / "a.exr"
        for words in ((photo, "-o", jpeg, "--hdr"), (jpeg, "-o", light)):
            subprocess.run([sys.executable, "-m", "invisp_deploy", "run", *map(str, words)], check=True)
        picture = read_picture(jpeg)
        with OpenEXR.File(str(light)) as file:
            linear = np.asarray(file.channels()["RGB"].pixels).astype(np.float32)
    gain_map, record = picture.gain_map, picture.record
    if gain_map is None or record is None:
        sys.exit(f"{photo} has nothing above white: name a photograph with highlights.")
    with Image.open(io.BytesIO(gain_map.image)) as image:
        stops = upright(np.asarray(image), record.facts.orientation)
    shown = {
        "what every screen shows": upright(picture.pixels, record.facts.orientation),
        f"the light, {STOPS} stops darker": srgb(linear / 2**STOPS),
        f"the gain map: white is {gain_map.stops:g} stops": stops,
    }

    def draw(figure: Any) -> None:
        for axes, (title, pixels) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
            axes.imshow(reduced(np.ascontiguousarray(pixels), EDGE))
            axes.set_title(title)
            axes.axis("off")

    write_figure(output, draw, SIZE)
    above = (linear.max(axis=-1) > 1).mean()
    print(f"{output}: {above:.0%} of the pixels above white, the brightest {linear.max():.2f} times white")


def srgb(linear: np.ndarray) -> np.ndarray:
    """Codes of 8 bits (IEC 61966-2-1)."""
    light = linear.clip(0, 1)
    curved = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(255 * curved).astype(np.uint8)


if __name__ == "__main__":
    main()
