"""A table over RAW files: what a model makes of each, there and back through JPEG files, beside what a rival makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from invisp_deploy.bars import Bars, no_bars
from invisp_deploy.errors import OutputError, RequestError, failure_of
from invisp_deploy.evaluation.metrics import DEFINITIONS, mean_metrics
from invisp_deploy.evaluation.roundtrip import Original, file_names, metrics_of, open_pair
from invisp_deploy.files import whole_folder
from invisp_deploy.graph_card import Direction
from invisp_deploy.rendering.model import Model
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.report.files import draw_files, files_page

OnFile = Callable[[dict[str, Any]], object]
FILES: Final = ("files.png", "files.md", "files.json")


def report_files(
    paths: Sequence[Path],
    folder: Path,
    model: Model,
    rival: Model,
    options: RunOptions,
    bars: Bars = no_bars,
    on_file: OnFile = lambda row: None,
) -> dict[str, Any]:
    """`measure_files` with files.json, files.md and files.png in `folder`, all or none; returns what files.json holds.

    The folder is made if absent. Raises RequestError where one of them is there already and not to be overwritten,
    OutputError, and as `measure_files`.
    """
    with whole_folder(folder, FILES, overwrite=options.overwrite) as part:
        facts = measure_files(paths, model, rival, options, bars, on_file)
        draw_files(part / "files.png", facts)
        (part / "files.md").write_text(files_page(facts), encoding="utf-8")
        (part / "files.json").write_text(json.dumps(facts, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return facts


def measure_files(
    paths: Sequence[Path],
    model: Model,
    rival: Model,
    options: RunOptions,
    bars: Bars = no_bars,
    on_file: OnFile = lambda row: None,
) -> dict[str, Any]:
    """Metrics of both models on every file, and what the model gains on the rival; one file at a time in memory.

    ::

        model, against      name, weights, configuration
        quality, subsampling    of the JPEG files
        files               file, camera, size [width, height], clipped (share of pixels, by LibRaw's rendering);
                            model, against, gain: metric -> dB or null
        refused             file, why: files that were not measured, with their sentences
        mean                model, against, gain: over the files that have the figure
        definitions         metric -> its definition

    on_file: called with each row of `files` and `refused` as it is made.
    Raises RequestError where no file could be measured, OutputError, and as `open_pair`.
    """
    for one in (model, rival):
        open_pair(one)
    rows, refused = measured_each(paths, lambda path: _measured(path, model, rival, options), bars, on_file)
    return {
        "model": facts_of_model(model),
        "against": facts_of_model(rival),
        "quality": options.quality,
        "subsampling": options.subsampling,
        "files": rows,
        "refused": refused,
        "mean": {key: mean_metrics({row["file"]: row[key] for row in rows}) for key in ("model", "against", "gain")},
        "definitions": DEFINITIONS,
    }


def measured_each(
    paths: Sequence[Path],
    measure: Callable[[Path], dict[str, Any]],
    bars: Bars = no_bars,
    on_file: OnFile = lambda row: None,
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """What `measure` finds of each file, with the name it is called by as `file`; and file and why of those refused.

    on_file: called with each row of both as it is made. Raises RequestError where no file could be measured,
    OutputError.
    """
    rows: list[dict[str, Any]] = []
    refused: list[dict[str, str]] = []
    with bars(len(paths), "files") as bar:
        for name, path in zip(file_names(paths), paths, strict=True):
            bar.set_postfix_str(name, refresh=True)
            try:
                rows.append({"file": name, **measure(path)})
                on_file(rows[-1])
            except OutputError:  # not of this file: the next would fail, too
                raise
            except Exception as error:  # whatever it is: the other files have nothing to do with it
                refused.append({"file": name, "why": str(failure_of(error, name)).replace(str(path), name)})
                on_file(refused[-1])
            bar.update(1)
    if not rows:
        raise RequestError(f"None of the {len(paths)} files could be measured. The first: {refused[0]['why']}")
    return rows, refused


def facts_of_model(model: Model) -> dict[str, str]:
    """name, weights, configuration. Raises InvispError where its forward graph does not open."""
    card = model.runtime(Direction.FORWARD).card
    return {"name": model.name, "weights": card.weights, "configuration": str(card.config)}


def _measured(path: Path, model: Model, rival: Model, options: RunOptions) -> dict[str, Any]:
    original = Original(path)
    ours, theirs = (metrics_of(original, one, options) for one in (model, rival))
    height, width = original.frame.mosaic.shape
    return {
        "camera": original.frame.camera,
        "size": [width, height],
        "clipped": float(original.clipped.mean()),
        "model": ours,
        "against": theirs,
        "gain": {name: _difference(ours[name], theirs[name]) for name in ours},
    }


def _difference(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or theirs is None else ours - theirs
