"""Light out of JPEGs as Markdown and as a sheet: how near it is to the camera's RAW, with and without highlights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.report.markdown import number, table
from invisp_deploy.report.pictures import draw_pictures

_HEADS: Final = {"without": "without", "carried": "with", "hdr": "`--hdr`"}
_MAPPED: Final = ("without", "carried")


def reconstruction_page(facts: Mapping[str, Any]) -> str:
    """Markdown without a heading. facts: what `research.reconstruction.measure_reconstruction` finds."""
    rows = [(f"`{row['file']}`", f"{row['clipped']:.1%}", *_light(row), _kilobytes(row)) for row in facts["files"]]
    head = ("file", "clipped", "PU21, all", "PU21, clipped", "stops: RAW", *_HEADS.values(), "error", "maps, kB")
    lines = [
        f"Light out of JPEGs of quality {facts['quality']}, {facts['subsampling']}, rendered by "
        f"`{facts['model']['name']}`, on a screen whose white has {facts['white']} cd/m2 and whose peak "
        f"{facts['peak']:,.0f}: {', '.join(_HEADS.values())}.",
        "",
        table(head, [*rows, ("**mean**", "", *_light(facts["mean"]), "")]),
        "",
        "Tone mapped: CIE DE2000, median / 95th percentile, against the camera's RAW by the same operator, the mean "
        "over the files.",
        "",
        table(
            ("operator", *(f"{place} pixels, {_HEADS[name]}" for place in ("all", "clipped") for name in _MAPPED)),
            [(operator, *_tones(found)) for operator, found in facts["mean"]["tones"].items()],
        ),
        "",
    ]
    if facts["refused"]:
        refused = [(row["file"], row["why"]) for row in facts["refused"]]
        lines += ["Files that were refused:", "", table(("file", "why"), refused), ""]
    return "\n".join(lines)


def draw_reconstruction(path: Path, rows: Sequence[tuple[str, Sequence[npt.NDArray[np.float32]]]]) -> None:
    """Write a PNG. rows: how light is shown, and of it the JPEG's without its highlights, with them, and the RAW's
    picture, (h, w, 3) in [0, 1]. Raises OutputError.
    """
    columns = ("the JPEG without highlights", "with them", "the camera's RAW")
    drawn = [(label, [np.rint(255 * shown).astype(np.uint8) for shown in each]) for label, each in rows]
    draw_pictures(path, columns, drawn)


def _light(row: Mapping[str, Any]) -> list[str]:
    encoded = [" / ".join(number(row["pu21"][place][name], 1) for name in _HEADS) for place in ("all", "clipped")]
    stops = [number(row["stops"][name]["highest"], 2) for name in ("raw", *_HEADS)]
    errors = " / ".join(number(row["stops"][name]["error"], 2) for name in _HEADS)
    return [*encoded, *stops, errors]


def _kilobytes(row: Mapping[str, Any]) -> str:
    return " / ".join(f"{row['bytes'][name] / 1000:.0f}" for name in ("carried", "hdr"))


def _tones(found: Mapping[str, Any]) -> list[str]:
    return [
        " / ".join(number(found[place][name][figure], 1) for figure in ("median", "p95"))
        for place in ("all", "clipped")
        for name in _MAPPED
    ]
