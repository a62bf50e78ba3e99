"""A round trip as a page of figures and a picture: RAW, JPEG, recovered RAW, and where the two RAWs differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.develop import quick_look
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.report.heat import heat
from invisp_deploy.report.markdown import number, table

WHITE_DIFFERENCE: Final = 0.01
"""Difference, as a share of the range from black to white, that the error map shows as white."""

_PANEL: Final = 640
_MARGIN: Final = 12
_CAPTION: Final = 26
_INK, _PAPER = (32, 32, 32), (250, 250, 248)


def round_trip_page(facts: Mapping[str, Any]) -> str:
    """What `report.json` of a round trip holds, in Markdown."""
    rows = [(name, number(value, 2), facts["definitions"][name]) for name, value in facts["metrics"].items()]
    return f"""# Round trip of {facts["file"]}

{facts["camera"]}, {facts["size"][0]}x{facts["size"][1]}; weights {facts["weights"][:12]} ({facts["configuration"]}).
JPEG quality {facts["quality"]}, {facts["subsampling"]}: {facts["jpeg_bytes"]:,} bytes.
The RAW file has {facts["raw_bytes"]:,}. {facts["clipped"]:.2%} of the pixels clip in LibRaw's rendering.

![RAW, JPEG, recovered RAW, error map](roundtrip.png)

{table(("metric", "dB", "definition"), rows)}
"""


@dataclass(frozen=True)
class Sheet:
    """What is drawn: both mosaics with their recipe, the decoded JPEG (H, W, 3) uint8, and captions."""

    mosaic: Mosaic
    recovered: Mosaic
    recipe: Recipe
    jpeg: npt.NDArray[np.uint8]
    captions: tuple[str, str, str, str]


def draw_sheet(sheet: Sheet) -> npt.NDArray[np.uint8]:
    """Four captioned panels in one (h, w, 3) uint8 picture, at most 1316 pixels wide."""
    from PIL import Image, ImageDraw, ImageFont

    panels = [
        Image.fromarray(plane)
        for plane in (
            quick_look(sheet.mosaic, sheet.recipe),
            sheet.jpeg,
            quick_look(sheet.recovered, sheet.recipe),
            error_map(sheet.recovered, sheet.mosaic, sheet.recipe),
        )
    ]
    scale = _PANEL / max(sheet.jpeg.shape[:2])
    width, height = (max(1, round(side * scale)) for side in (sheet.jpeg.shape[1], sheet.jpeg.shape[0]))
    page = Image.new("RGB", (2 * width + 3 * _MARGIN, 2 * (height + _CAPTION) + 3 * _MARGIN), _PAPER)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(14)
    for index, (panel, caption) in enumerate(zip(panels, sheet.captions, strict=True)):
        left = _MARGIN + (index % 2) * (width + _MARGIN)
        top = _MARGIN + (index // 2) * (height + _CAPTION + _MARGIN)
        page.paste(panel.resize((width, height), Image.Resampling.BOX), (left, top + _CAPTION))
        pen.text((left, top + 4), caption, fill=_INK, font=font)
    return np.asarray(page)


def error_map(recovered: Mosaic, mosaic: Mosaic, recipe: Recipe) -> npt.NDArray[np.uint8]:
    """(H, W) uint16 DN twice -> (H/2, W/2, 3) uint8: mean |difference| per 2x2 square, black to white hot."""
    height, width = (size - size % 2 for size in mosaic.shape)
    difference = np.abs(recovered[:height, :width].astype(np.int32) - mosaic[:height, :width])
    squares = difference.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3), dtype=np.float32)
    return heat(squares / (recipe.white - min(recipe.black)) / WHITE_DIFFERENCE)
