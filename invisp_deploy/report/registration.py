"""A registration as a picture: both pictures, the windows that were looked at, and how far each lies off the map."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

MAGNIFIED: Final = 200
"""Times: half a pixel of a picture of 4,000 pixels, which is as much as may be off, is 16 of the sheet."""

_PANEL: Final = 640
_MARGIN: Final = 12
_LINE: Final = 20
_LETTER: Final = 7
"""Pixels of the sheet: of a line of the caption, and of a letter on the mean."""

_INK, _PAPER = (32, 32, 32), (250, 250, 248)
_AGREES, _OFF, _UNLIKE = (64, 200, 96), (230, 60, 50), (150, 150, 150)


@dataclass(frozen=True)
class ComparedPlace:
    """A window that was looked for in the other picture.

    here: its middle in the mosaic, there: in the picture, where the map takes it; size: of the window in the mosaic;
    all are shares of height and width. off: how far from there it was found, down and across, pixels of the picture;
    None where it was not found. agrees: whether that is near enough.
    """

    here: tuple[float, float]
    there: tuple[float, float]
    size: tuple[float, float]
    off: tuple[float, float] | None
    agrees: bool


Rgb = npt.NDArray[np.uint8]


def registration_sheet(reference: Rgb, picture: Rgb, places: Sequence[ComparedPlace], caption: str) -> Rgb:
    """Both pictures, (H, W, 3) and (h, w, 3) uint8 in the mosaic's order, beside each other in one (y, x, 3) uint8.

    Each is 640 pixels along its longer side. Windows stand on the first, green where they agree, red where they lie off
    the map, grey where they were not found; on the second is a dot where the map takes the middle of each, and a line
    from it to where it was found, magnified by `MAGNIFIED`. The caption stands below, in as many lines as it needs.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(14)
    panels = [_panel(pixels) for pixels in (reference, picture)]
    width = sum(panel.width for panel in panels) + 3 * _MARGIN
    lines = textwrap.wrap(caption, max((width - 2 * _MARGIN) // _LETTER, 20))
    height = max(panel.height for panel in panels)
    page = Image.new("RGB", (width, height + len(lines) * _LINE + 3 * _MARGIN), _PAPER)
    here, there = (ImageDraw.Draw(panel) for panel in panels)
    for place in places:
        colour = _UNLIKE if place.off is None else _AGREES if place.agrees else _OFF
        (y, x), (down, across) = (_scaled(share, panels[0]) for share in (place.here, place.size))
        here.rectangle((x - across / 2, y - down / 2, x + across / 2, y + down / 2), outline=colour)
        y, x = _scaled(place.there, panels[1])
        there.ellipse((x - 3, y - 3, x + 3, y + 3), fill=colour)
        if place.off is not None:
            scale = MAGNIFIED * panels[1].height / picture.shape[0]
            there.line((x, y, x + scale * place.off[1], y + scale * place.off[0]), fill=colour, width=2)
    page.paste(panels[0], (_MARGIN, _MARGIN))
    page.paste(panels[1], (2 * _MARGIN + panels[0].width, _MARGIN))
    ImageDraw.Draw(page).text((_MARGIN, height + 2 * _MARGIN), "\n".join(lines), fill=_INK, font=font, spacing=4)
    return np.asarray(page)


def _panel(pixels: Rgb) -> Image.Image:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    scale = _PANEL / max(image.size)
    size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
    return image.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST, reducing_gap=2.0)


def _scaled(shares: tuple[float, float], panel: Image.Image) -> tuple[float, float]:
    return shares[0] * panel.height, shares[1] * panel.width
