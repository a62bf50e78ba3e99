"""Retouching from the camera's RAW, from the RAW that comes back from a JPEG, and from the JPEG (paper, section 6.2).

Edits are those of the Exposure paper, chosen by hand (`research.edits`): the agent that chooses them there is trained
weights that come with that paper's code, and with no package.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from invisp_deploy.bars import Bars, no_bars
from invisp_deploy.evaluation.files import facts_of_model, measured_each
from invisp_deploy.evaluation.roundtrip import open_pair
from invisp_deploy.formats.orientation import upright
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.pixels import clipped_pixels
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.steps import Float
from invisp_deploy.rendering.files import run_file
from invisp_deploy.rendering.model import Model
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.report.retouch import draw_retouch
from invisp_deploy.research.differences import colour_difference, lab_of, mean_figures
from invisp_deploy.research.edits import EDITS, Edit
from invisp_deploy.research.scene import averaged, light_of_pixels, linear_to_srgb, own_window, scene_light, step_for
from invisp_deploy.sidedata.options import RawBudget

SOURCES: Final = {
    "recovered": "the RAW that comes back from the JPEG, by what it carries",
    "model": "the RAW that comes back by the model alone (`--raw-budget 0`)",
    "jpeg": "the JPEG, behind the inverse of its curve",
    "rendering": "the same rendering with 16 bits, without a JPEG, behind the inverse of the curve",
}
"""What is edited beside the camera's RAW -> in words."""

EDIT_DEFINITIONS: Final = {
    "psnr": "dB, peak 1, over the three channels: the edited picture, clipped to [0, 1] and behind the curve of sRGB, "
    "against the same edit of the camera's RAW; not rounded to codes.",
    "median": "CIE DE2000 of the two (scikit-image), the median over pixels.",
    "p95": "the same, the 95th percentile.",
    "unclipped": "over the pixels at which no code of the JPEG is 250 or above; of every file the same for all edits.",
    "clipped": "over the other pixels.",
}

SHOWN: Final = ("-2 EV", "+3 EV", "3,000 K", "-2 EV, 3,000 K, contrast +0.8")
"""Edits of the sheet."""

_POINTS: Final = 200_000
"""Pixels of a file that are looked at, about: every operator works on single pixels."""

_EDGE: Final = 360


def measure_retouch(
    paths: Sequence[Path], folder: Path, model: Model, options: RunOptions, bars: Bars = no_bars
) -> dict[str, Any]:
    """How far `EDITS` of each source are from the same edits of the camera's RAW; STEM.png of each file in `folder`.

    ::

        model               name, weights, configuration
        quality, subsampling    of the JPEG files
        sources, definitions    name -> what it is
        edits               label, steps: operator and parameters
        files               file, camera, size [width, height], clipped (share of pixels), points (pixels looked at);
                            edits: label -> unclipped, clipped -> source -> psnr, median, p95; null where none is
        refused             file, why
        mean                edits: as of a file, over the files that have the figure

    Raises as `measured_each` and `open_pair`.
    """
    open_pair(model)

    rows, refused = measured_each(paths, lambda path: _measured(path, folder, model, options), bars)
    return {
        "model": facts_of_model(model),
        "quality": options.quality,
        "subsampling": options.subsampling,
        "sources": SOURCES,
        "definitions": EDIT_DEFINITIONS,
        "edits": [asdict(edit) for edit in EDITS],
        "files": rows,
        "refused": refused,
        "mean": {"edits": mean_figures([row["edits"] for row in rows])},
    }


def _measured(path: Path, folder: Path, model: Model, options: RunOptions) -> dict[str, Any]:
    frame = read_raw(path, max_pixels=options.max_pixels)
    recipe = frame.recipe(model.runtime(Direction.FORWARD).card.contract)
    step = step_for(frame.mosaic.shape, _POINTS)
    points: dict[str, Float] = {}
    small: dict[str, Float] = {}

    def keep(source: str, light: Float) -> None:
        """So that one picture of full size is in memory at a time."""
        points[source] = np.ascontiguousarray(light[:, ::step, ::step])
        small[source] = averaged(light, _EDGE)

    keep("raw", scene_light(frame.mosaic, recipe))
    with TemporaryDirectory() as place:
        jpeg, dng = Path(place) / "photo.jpg", Path(place) / "photo.dng"
        run_file(frame, jpeg, model, options, name=str(path))
        picture = read_picture(jpeg)
        pixels = own_window(picture, str(path))
        keep("jpeg", light_of_pixels(pixels))
        clipped = clipped_pixels(pixels)[::step, ::step]
        for source, budget in (("recovered", options.raw_budget), ("model", RawBudget(0))):
            run_file(picture, dng, model, replace(options, raw_budget=budget, overwrite=True), name=str(jpeg))
            keep(source, scene_light(read_raw(dng).mosaic, recipe))
    finer = model.render(frame, replace(options, raw_budget=RawBudget(0)), bits=16)
    keep("rendering", light_of_pixels(own_window(finer, str(path))))
    found = {edit.label: _compared(edit, points, clipped) for edit in EDITS}
    _draw(folder / f"{path.stem}.png", points, small, frame.orientation)
    height, width = frame.mosaic.shape
    return {
        "camera": frame.camera,
        "size": [width, height],
        "clipped": float(clipped.mean()),
        "points": clipped.size,
        "edits": found,
    }


def _compared(edit: Edit, points: dict[str, Float], clipped: npt.NDArray[np.bool_]) -> dict[str, Any]:
    true = edited(edit, points["raw"])
    lab = lab_of(true)
    found: dict[str, Any] = {"unclipped": {}, "clipped": {}}
    for source in SOURCES:
        ours = edited(edit, points[source])
        apart = colour_difference(lab_of(ours), lab)
        for place, there in (("unclipped", ~clipped), ("clipped", clipped)):
            found[place][source] = _figures(ours[:, there], true[:, there], apart[there])
    return found


def _figures(ours: Float, true: Float, apart: Float) -> dict[str, float | None]:
    if not apart.size:
        return dict.fromkeys(("psnr", "median", "p95"))
    ratio = psnr(ours, true, 1)
    median, most = np.percentile(apart, (50, 95)).tolist()
    found = {"psnr": ratio if np.isfinite(ratio) else None, "median": median, "p95": most}
    return {name: None if value is None else round(value, 3) for name, value in found.items()}


def edited(edit: Edit, light: Float) -> Float:
    """(3, ...) linear sRGB -> the edited picture, [0, 1], behind the curve of sRGB."""
    return linear_to_srgb(edit.apply(torch.from_numpy(light)).numpy())


def _draw(sheet: Path, points: dict[str, Float], small: dict[str, Float], orientation: int) -> None:
    rows = []
    for edit in (edit for edit in EDITS if edit.label in SHOWN):
        shown = [edited(edit, small[source]).transpose(1, 2, 0) for source in ("raw", "recovered", "jpeg")]
        true, *labs = (lab_of(edited(edit, points[source])) for source in ("raw", "recovered", "jpeg"))
        apart = [colour_difference(lab, true) for lab in labs]
        rows.append((edit.label, [upright(pixels, orientation) for pixels in (*shown, *apart)]))
    draw_retouch(sheet, rows)
