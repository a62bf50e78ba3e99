"""Retouching as Markdown and as a sheet: what is edited from a RAW that came back, and from a JPEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.report.heat import heat
from invisp_deploy.report.markdown import number, table
from invisp_deploy.report.pictures import draw_pictures

HOTTEST: Final = 20.0
"""CIE DE2000 that sheets show as white."""

_HEADS: Final = {
    "recovered": "recovered RAW",
    "model": "by the model alone",
    "jpeg": "JPEG",
    "rendering": "16-bit rendering",
}
_PLACES: Final = {
    "unclipped": "Where no code of the JPEG is 250 or above",
    "clipped": "Where one is: pixels that the JPEG clips",
}
_FIGURES: Final = {"psnr": "PSNR", "median": "DE2000", "p95": "95 %"}


def retouch_page(facts: Mapping[str, Any]) -> str:
    """Markdown without a heading: the mean over files for each edit, and the mean over edits for each file.

    facts: what `research.retouch.measure_retouch` finds.
    """
    lines = [
        f"{len(facts['files'])} files through real JPEG files, quality {facts['quality']}, {facts['subsampling']}, "
        f"rendered by `{facts['model']['name']}`. PSNR in dB / CIE DE2000, median / its 95th percentile, against the "
        "same edit of the camera's RAW; the mean over the files.",
        "",
    ]
    for place, title in _PLACES.items():
        labels = [edit["label"] for edit in facts["edits"]]
        rows = [(label, *_cells(facts["mean"]["edits"][label][place])) for label in labels]
        lines += [f"{title}:", "", table(("edit", *_HEADS.values()), rows), ""]
    rows = [
        (f"`{row['file']}`", f"{row['clipped']:.1%}", *_cells(_over_edits(row["edits"], "unclipped")))
        for row in facts["files"]
    ]
    lines += [
        f"{_PLACES['unclipped']}, file by file, the mean over the edits:",
        "",
        table(("file", "clipped", *_HEADS.values()), rows),
        "",
    ]
    if facts["refused"]:
        refused = [(row["file"], row["why"]) for row in facts["refused"]]
        lines += ["Files that were refused:", "", table(("file", "why"), refused), ""]
    return "\n".join(lines)


def draw_retouch(path: Path, rows: Sequence[tuple[str, Sequence[npt.NDArray[Any]]]]) -> None:
    """Write a PNG. rows: an edit, and of it the RAW's, the recovered RAW's and the JPEG's picture, (h, w, 3) floats in
    [0, 1], then the DE2000 of the two latter against the first, (h, w). Raises OutputError.
    """
    columns = (
        "the camera's RAW",
        "the recovered RAW",
        "the JPEG",
        *(f"{name}: DE2000" for name in ("recovered RAW", "JPEG")),
    )
    drawn = [
        (
            label,
            [*(np.rint(255 * shown).astype(np.uint8) for shown in each[:3]), *(heat(d / HOTTEST) for d in each[3:])],
        )
        for label, each in rows
    ]
    draw_pictures(path, columns, drawn)


def _cells(sources: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    return [" / ".join(number(sources[name][figure], 1) for figure in _FIGURES) for name in _HEADS]


def _over_edits(edits: Mapping[str, Any], place: str) -> dict[str, dict[str, float | None]]:
    """Mean over edits but the first, which is none."""
    changed = [figures[place] for label, figures in edits.items() if label != "none"]

    def mean(source: str, figure: str) -> float | None:
        known = [each[source][figure] for each in changed if each[source][figure] is not None]
        return sum(known) / len(known) if known else None

    return {source: {figure: mean(source, figure) for figure in _FIGURES} for source in _HEADS}
