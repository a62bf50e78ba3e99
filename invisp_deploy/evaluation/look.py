"""A look measured on a prepared dataset: its pictures against their targets, and its RAW, beside its closed form."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.bars import Bars, no_bars
from invisp_deploy.contract import UNIVERSAL, CameraContract
from invisp_deploy.dataset.open import Dataset, Shot
from invisp_deploy.errors import OutputError, RequestError, failure_of
from invisp_deploy.evaluation.closed_look import SIZE, closed_look_model, closed_looks
from invisp_deploy.evaluation.files import OnFile, facts_of_model
from invisp_deploy.evaluation.metrics import (
    Metrics,
    ciede2000,
    mean_metrics,
    raw_psnr,
    raw_psnr_of,
    rgb_psnr,
)
from invisp_deploy.evaluation.roundtrip import open_pair, own_pixels
from invisp_deploy.files import whole_folder
from invisp_deploy.formats.orientation import upright
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.pixels import Rgb8, clipped_pixels, pixels_of, reduced
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.develop import develop
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.isp.steps import Codes
from invisp_deploy.rendering.files import run_file
from invisp_deploy.rendering.model import Model
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.report.look import LOOK_EDGE, LookRow, draw_looks, look_page, shown_difference
from invisp_deploy.sidedata.options import RawBudget

LOOK_FILES: Final = ("look.png", "report.md", "report.json")

LOOK_DEFINITIONS: Final = {
    "psnr": "dB, peak 255: the picture decoded from the JPEG file against the target, both 8 bit.",
    "de2000": "CIE DE2000 of the same, the median over the file's pixels.",
    "de2000-95": "CIE DE2000 of the same, the 95th percentile.",
    "raw": "dB, peak 1: RAW recovered from the JPEG file by the model alone against the RAW file, on the linear Bayer "
    "mosaic, (DN - black) / (white - black), one figure over all pixels.",
    "raw-unclipped": "dB, as raw, over the pixels at which no channel of the target and none of the closed form's "
    "rendering is 250 or above.",
    "raw-clipped": "dB, as raw, over the other pixels.",
    "carried": "dB, as raw, with what the picture carries of its RAW, as invisp-run writes it without being asked.",
    "carried-unclipped": "dB, as carried, over the pixels of raw-unclipped.",
    "carried-clipped": "dB, as carried, over the pixels of raw-clipped.",
}

_STRIP: Final = 256


@dataclass(frozen=True)
class LookCase:
    """What a look is measured with. look: the model; against: another one; fitted_to: pairs that the closed form is
    fitted to, from the dataset of that name.
    """

    look: Model
    against: Model
    fitted_to: Sequence[Shot]
    fitted_name: str


def report_look(
    dataset: Dataset,
    split: str,
    folder: Path,
    case: LookCase,
    options: RunOptions,
    bars: Bars = no_bars,
    on_file: OnFile = lambda row: None,
) -> dict[str, Any]:
    """`measure_look` with report.json, report.md and look.png in `folder`, all or none; returns what the JSON holds.

    look.png shows the best file, the worst and two between, by `psnr`. The folder is made if absent. Raises
    RequestError where one of the three is there already and not to be overwritten, OutputError, and as `measure_look`.
    """
    with whole_folder(folder, LOOK_FILES, overwrite=options.overwrite) as part:
        facts, rows = measure_look(dataset, split, case, options, bars, on_file)
        draw_looks(part / "look.png", _spread(rows), facts)
        (part / "report.md").write_text(look_page(facts), encoding="utf-8")
        (part / "report.json").write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return facts


def measure_look(
    dataset: Dataset,
    split: str,
    case: LookCase,
    options: RunOptions,
    bars: Bars = no_bars,
    on_file: OnFile = lambda row: None,
) -> tuple[dict[str, Any], list[LookRow]]:
    """Whole files through real JPEG files: metrics of `LOOK_DEFINITIONS`, and small pictures of each.

    split: `train`, `test` or `all`. The facts::

        look, against       name, weights, configuration
        closed              weights, nodes, penalties (both ways), files and name of what it was fitted to
        dataset             name, split, target
        quality, subsampling    of the JPEG files
        files               file, camera, size [width, height], clipped (share of pixels), bytes (of the look's JPEG);
                            look, against, closed: metric -> figure or null; jpeg: the target itself through such a JPEG
        refused             file, why
        mean                look, against, closed, jpeg: over the files that have the figure
        definitions         metric -> its definition

    on_file: called with each row of `files` and `refused` as it is made.
    Raises DatasetError for a split without files, RequestError where no file could be measured, OutputError, and as
    `open_pair` and `closed_looks`.
    """
    shots = dataset.train + dataset.test if split == "all" else dataset.shots("test" if split == "test" else "train")
    for one in (case.look, case.against):
        open_pair(one)
    contract = _contract_of(case.look)
    with bars(1, "fitting the closed form") as bar:
        closed_forms = closed_looks(case.fitted_to, contract)
        bar.update(1)
    rows: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    pictures: list[LookRow] = []
    with closed_look_model(closed_forms, contract, "closed form") as closed, bars(len(shots), "files") as bar:
        models = {"look": case.look, "against": case.against, "closed": closed}
        for shot in shots:
            bar.set_postfix_str(shot.name, refresh=True)
            try:
                row, shown = _measured(shot, models, contract, options)
                rows.append(row)
                pictures.append(shown)
                on_file(row)
            except OutputError:  # not of this file: the next would fail, too
                raise
            except Exception as error:  # whatever it is: the other files have nothing to do with it
                refused.append({"file": shot.name, "why": str(failure_of(error, shot.name))})
                on_file(refused[-1])
            bar.update(1)
        weights = closed.runtime(Direction.FORWARD).card.weights
    if not rows:
        raise RequestError(f"None of the {len(shots)} files could be measured. The first: {refused[0]['why']}")
    keys = ("look", "against", "closed", "jpeg")
    facts = {
        "look": facts_of_model(case.look),
        "against": facts_of_model(case.against),
        "closed": {
            "name": "closed form",
            "weights": weights,
            "nodes": SIZE,
            "penalties": [closed_forms[way].penalty for way in Direction],
            "files": len(case.fitted_to),
            "fitted_to": case.fitted_name,
        },
        "dataset": {
            "name": dataset.root.name,
            "split": split,
            "target": _without_folders(dataset.options.render or dataset.options.target),
        },
        "quality": options.quality,
        "subsampling": options.subsampling,
        "files": rows,
        "refused": refused,
        "mean": {key: mean_metrics({row["file"]: row[key] for row in rows}) for key in keys},
        "definitions": LOOK_DEFINITIONS,
    }
    return facts, pictures


def _without_folders(command: str) -> str:
    """The words of a command, or a path, without what is of the machine that it was typed on."""
    return " ".join(word.rstrip("/").rpartition("/")[2] for word in command.split())


def _contract_of(look: Model) -> CameraContract:
    """That of the look's closed form: its own, of any camera, with colours in sRGB."""
    own = look.runtime(Direction.FORWARD).card.contract
    return replace(own if own.color == "srgb" else UNIVERSAL, make="", model="", white=own.white, look=own.look)


def _measured(
    shot: Shot, models: dict[str, Model], contract: CameraContract, options: RunOptions
) -> tuple[dict[str, Any], LookRow]:
    shot.check()
    frame, target = shot.frame, shot.target()
    recipe = shot.recipe(contract)
    clipped = clipped_pixels(target) | _clipped_by_closed_form(frame.mosaic, recipe)
    row: dict[str, Any] = {
        "file": shot.name,
        "camera": frame.camera,
        "size": [target.shape[1], target.shape[0]],
        "clipped": float(clipped.mean()),
    }
    small = {"target": upright(reduced(target, LOOK_EDGE), frame.orientation)}
    for key, model in models.items():
        with _rendered(shot, model, options) as path:
            row |= {"bytes": path.stat().st_size} if key == "look" else {}
            picture = read_picture(path)
            decoded = own_pixels(picture, path)
            far = ciede2000(decoded, target)
            row[key] = _colours(decoded, target, far)
            alone = replace(options, raw_budget=RawBudget(0))
            for name, how in (("raw", alone), ("carried", options)):
                mosaic = model.recover(picture, how).mosaic
                row[key] |= _raw(name, mosaic, frame.mosaic, clipped, recipe)
        small[key] = upright(reduced(decoded, LOOK_EDGE), frame.orientation)
        if key == "look":
            difference = upright(shown_difference(far), frame.orientation)
    coded = _through_jpeg(target, options)
    row["jpeg"] = _colours(coded, target, ciede2000(coded, target))
    return row, LookRow(shot.name, small["against"], small["look"], small["target"], difference, row["look"]["psnr"])


@contextmanager
def _rendered(shot: Shot, model: Model, options: RunOptions) -> Iterator[Path]:
    """The JPEG file that a model makes of a shot, as `invisp run` writes it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"
        run_file(shot.frame, path, model, options, name=shot.name)
        yield path


def _clipped_by_closed_form(mosaic: npt.NDArray[np.uint16], recipe: Recipe) -> npt.NDArray[np.bool_]:
    """(H, W), in strips of rows."""
    height, width = mosaic.shape
    strips = (slice(top, min(top + _STRIP, height)) for top in range(0, height, _STRIP))
    codes = (Codes(8).forward(develop(mosaic, recipe, (rows, slice(0, width))), {}) for rows in strips)
    return np.concatenate([clipped_pixels(strip) for strip in codes])


def _colours(picture: Rgb8, target: Rgb8, far: npt.NDArray[np.float32]) -> Metrics:
    """far: what `ciede2000` finds between them."""
    median, most = (float(value) for value in np.percentile(far, (50, 95)))
    return {"psnr": _finite(rgb_psnr(picture, target)), "de2000": median, "de2000-95": most}


def _raw(
    name: str,
    recovered: npt.NDArray[np.uint16],
    mosaic: npt.NDArray[np.uint16],
    clipped: npt.NDArray[np.bool_],
    recipe: Recipe,
) -> Metrics:
    return {
        name: _finite(raw_psnr(recovered, mosaic, recipe)),
        f"{name}-unclipped": _finite(raw_psnr_of(~clipped, recovered, mosaic, recipe)),
        f"{name}-clipped": _finite(raw_psnr_of(clipped, recovered, mosaic, recipe)),
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def _through_jpeg(pixels: Rgb8, options: RunOptions) -> Rgb8:
    from PIL import Image

    coded = io.BytesIO()
    settings: Any = {"quality": options.quality, "subsampling": options.subsampling}
    Image.fromarray(pixels).save(coded, "JPEG", **settings)
    with Image.open(coded) as image:
        return pixels_of(image)


def _spread(rows: Sequence[LookRow]) -> list[LookRow]:
    """At most four, evenly from the best to the worst."""
    ordered = sorted(rows, key=lambda row: -math.inf if row.psnr is None else -row.psnr)
    places = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), 4)).round().astype(int))
    return [ordered[place] for place in places]
