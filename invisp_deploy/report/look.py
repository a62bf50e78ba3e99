"""A look as Markdown, as lines for a terminal and as a picture: before, the look, its target, how far they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.files import whole_file
from invisp_deploy.report.heat import heat
from invisp_deploy.report.markdown import number, table

Look = Mapping[str, Any]
"""What `evaluation.look.measure_look` finds."""

SHOWN: Final = {
    "psnr": ("RGB, dB", 2),
    "de2000": ("DE2000 median", 2),
    "de2000-95": ("DE2000 95 %", 2),
    "raw": ("RAW", 2),
    "raw-unclipped": ("RAW unclipped", 2),
    "raw-clipped": ("RAW clipped", 2),
    "carried": ("RAW carried", 2),
    "carried-unclipped": ("carried unclipped", 2),
    "carried-clipped": ("carried clipped", 2),
}
"""Metric -> its head in tables, digits."""

_PER_FILE: Final = ("psnr", "de2000", "de2000-95", "raw-unclipped", "carried-unclipped")
_PRINTED: Final = (
    "psnr",
    "de2000",
    "de2000-95",
    "raw-unclipped",
    "raw-clipped",
    "carried-unclipped",
    "carried-clipped",
)

WHITE_DIFFERENCE_DE: Final = 15.0
"""DE2000 that the picture of differences shows as white."""

LOOK_EDGE: Final = 420
"""Pixels along the longer side of a picture of the sheet, at most."""

_MARGIN: Final = 10
_CAPTION: Final = 24
_INK, _PAPER = (32, 32, 32), (250, 250, 248)


@dataclass(frozen=True)
class LookRow:
    """One file of the picture: small pictures as a viewer shows them, (h, w, 3) uint8, and its `psnr`."""

    name: str
    before: npt.NDArray[np.uint8]
    look: npt.NDArray[np.uint8]
    target: npt.NDArray[np.uint8]
    difference: npt.NDArray[np.uint8]
    psnr: float | None


def shown_difference(far: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """(H, W) DE2000 -> heat of the means of its squares, (h, w, 3), as small as the pictures beside it."""
    step = -(-max(far.shape) // LOOK_EDGE)
    height, width = (size // step for size in far.shape)
    squares = far[: height * step, : width * step].reshape(height, step, width, step).mean(axis=(1, 3))
    return heat(squares / WHITE_DIFFERENCE_DE)


def look_page(facts: Look, picture: str = "look.png") -> str:
    """Markdown with a heading. picture: link to what `draw_looks` writes."""
    columns, per_file = look_files(facts)
    lines = [
        f"# The look {_name(facts, 'look')}",
        "",
        look_means(facts),
        "",
        f"![Before, the look, its target, and how far they differ]({picture})",
        "",
        f"Files, {columns}:",
        "",
        per_file,
        "",
        table(("figure", "definition"), list(facts["definitions"].items())),
        "",
    ]
    if facts["refused"]:
        lines += ["Files that were refused:", "", table(("file", "why"), [tuple(r.values()) for r in facts["refused"]])]
        lines += [""]
    return "\n".join(lines)


def look_files(facts: Look) -> tuple[str, str]:
    """What stands between the bars of a cell, and a Markdown table over files."""
    keys = ("look", "against", "closed")
    rows = [
        (
            row["file"],
            row["camera"] or "–",
            f"{row['clipped']:.2%}",
            *(" / ".join(number(row[key][metric], SHOWN[metric][1]) for key in keys) for metric in _PER_FILE),
        )
        for row in facts["files"]
    ]
    heads = ("file", "camera", "clipped", *(SHOWN[metric][0] for metric in _PER_FILE))
    return " / ".join(_name(facts, key) for key in keys), table(heads, rows)


def looks_table(looks: Mapping[str, Look]) -> str:
    """Markdown: the means of several looks by their names, each beside what it is compared with."""
    heads = ("look", "pictures are of", "", *(SHOWN[metric][0] for metric in _PRINTED))
    rows = []
    for name, facts in looks.items():
        target = facts["dataset"]["target"].split()[0]
        for key, title in _titles(facts).items():
            first = (f"`{name}`", f"`{target}`", "the look") if key == "look" else ("", "", title)
            rows.append((*first, *(number(facts["mean"][key].get(name), SHOWN[name][1]) for name in _PRINTED)))
    return table(heads, rows)


def look_means(facts: Look) -> str:
    """Markdown: what was measured, and the means as a table of methods."""
    closed, measured = facts["closed"], facts["dataset"]
    pairs = "1 pair" if closed["files"] == 1 else f"{closed['files']} pairs"
    files = "1 file" if len(facts["files"]) == 1 else f"{len(facts['files'])} files"
    rows = [
        (
            _titles(facts)[key],
            *(number(facts["mean"][key].get(metric), digits) for metric, (_, digits) in SHOWN.items()),
        )
        for key in _titles(facts)
    ]
    return (
        f"{files} of `{measured['name']}` ({measured['split']}) through JPEG files of quality {facts['quality']}, "
        f"{facts['subsampling']}; means, RAW in dB. The closed form is a matrix, a curve and a table of "
        f"{closed['nodes']} nodes a side, fitted to {pairs} of `{closed['fitted_to']}`.\n\n"
        f"{table(('', *(head for head, _ in SHOWN.values())), rows)}"
    )


def look_lines(facts: Look) -> str:
    """The means for a terminal."""
    rows = [
        (_titles(facts)[key].replace("`", ""), *(number(facts["mean"][key].get(name), 2) for name in _PRINTED))
        for key in _titles(facts)
    ]
    return table(("", *(SHOWN[name][0] for name in _PRINTED)), rows, padded=True)


def draw_looks(path: Path, rows: Sequence[LookRow], facts: Look) -> None:
    """Write a PNG, a row a file. Raises OutputError."""
    from PIL import Image, ImageDraw, ImageFont

    heights = [len(row.look) + _CAPTION + _MARGIN for row in rows]
    width = max(row.look.shape[1] for row in rows)
    page = Image.new("RGB", (4 * width + 5 * _MARGIN, sum(heights) + _MARGIN), _PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    top = _MARGIN
    for row, height in zip(rows, heights, strict=True):
        panels = (
            (row.before, f"{row.name}: {_short(facts, 'against')}"),
            (row.look, f"{_short(facts, 'look')}, {number(row.psnr, 1)} dB to the target"),
            (row.target, "the target"),
            (row.difference, f"their DE2000, white = {WHITE_DIFFERENCE_DE:g}"),
        )
        for place, (pixels, caption) in enumerate(panels):
            left = _MARGIN + place * (width + _MARGIN)
            page.paste(Image.fromarray(np.ascontiguousarray(pixels)), (left, top + _CAPTION))
            pen.text((left, top + 3), caption, fill=_INK, font=font)
        top += height
    with whole_file(path) as part:
        page.save(part, "PNG")


def _titles(facts: Look) -> dict[str, str]:
    return {
        "look": _name(facts, "look"),
        "against": _name(facts, "against"),
        "closed": "closed form",
        "jpeg": "the target itself as such a JPEG",
    }


def _name(facts: Look, key: str) -> str:
    return facts[key]["name"] if key == "closed" else f"`{_short(facts, key)}`"


def _short(facts: Look, key: str) -> str:
    """A shipped model's name, or that of a folder or file, wherever it lies."""
    return Path(facts[key]["name"]).name
