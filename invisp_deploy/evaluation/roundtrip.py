"""The round trip of RAW files through files on disk: RAW -> JPEG -> DNG, measured, and drawn where it is asked for."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ContractError, RequestError
from invisp_deploy.evaluation.metrics import (
    DEFINITIONS,
    Metrics,
    raw_psnr,
    raw_psnr_of,
    raw_psnr_paper,
    rgb_psnr,
)
from invisp_deploy.files import check_output, whole_file, write_whole
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.pixels import clipped_pixels
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.rendering.files import RunResult, StartProgress, run_file
from invisp_deploy.rendering.model import Model
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.tiled import silent
from invisp_deploy.report.markdown import number
from invisp_deploy.report.round_trip import WHITE_DIFFERENCE, Sheet, draw_sheet, round_trip_page
from invisp_deploy.sidedata.options import RawBudget


class Original:
    """A RAW file, which every model's way there and back is compared with: read once, rendered by LibRaw once.

    Raises RawFileError, RequestError as `read_raw`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.frame = read_raw(path)

    @cached_property
    def target(self) -> npt.NDArray[np.uint8]:
        """LibRaw's rendering, (H, W, 3) uint8. Raises RawFileError."""
        return render_libraw(self.path)

    @cached_property
    def clipped(self) -> npt.NDArray[np.bool_]:
        """(H, W): where LibRaw's rendering clips. Raises RawFileError."""
        return clipped_pixels(self.target)


@dataclass(frozen=True)
class RoundTrip:
    """One file there and back. picture: decoded from the JPEG file, the frame's own window (H, W, 3) uint8."""

    original: Original
    recovered: RawFrame
    picture: npt.NDArray[np.uint8]
    recipe: Recipe
    runs: tuple[RunResult, RunResult]
    metrics: Metrics


@dataclass(frozen=True)
class RoundTripReport:
    """Files of a report, and the figures."""

    jpeg: Path
    dng: Path
    picture: Path
    report: Path
    metrics: Metrics


def round_trip(
    original: Original,
    jpeg: Path,
    dng: Path,
    model: Model,
    options: RunOptions,
    start: StartProgress = lambda total: silent,
) -> RoundTrip:
    """Render a RAW file to `jpeg`, take that back to `dng`, compare with the file and with LibRaw's rendering.

    Raises InvispError.
    """
    frame = original.frame
    open_pair(model)
    there = run_file(frame, jpeg, model, options, start, name=str(original.path))
    picture = read_picture(jpeg)
    back = run_file(picture, dng, model, options, start, name=str(jpeg))
    recovered = read_raw(dng)
    recipe = frame.recipe(model.runtime(Direction.FORWARD).card.contract)
    decoded = own_pixels(picture, jpeg)
    figures = {
        "rgb-psnr": rgb_psnr(decoded, original.target),
        "raw-psnr-paper": raw_psnr_paper(recovered.mosaic, frame.mosaic, recipe),
        "raw-psnr": raw_psnr(recovered.mosaic, frame.mosaic, recipe),
        "raw-psnr-unclipped": raw_psnr_of(~original.clipped, recovered.mosaic, frame.mosaic, recipe),
        "raw-psnr-clipped": raw_psnr_of(original.clipped, recovered.mosaic, frame.mosaic, recipe),
    }
    metrics = {name: None if value is None or math.isinf(value) else value for name, value in figures.items()}
    return RoundTrip(original, recovered, decoded, recipe, (there, back), metrics)


def open_pair(model: Model) -> None:
    """Both directions, so that a pair that does not fit is refused before anything is rendered. Raises InvispError."""
    for way in Direction:
        model.runtime(way)


def metrics_of(original: Original, model: Model, options: RunOptions) -> Metrics:
    """Of `round_trip` by the model alone, through files that are not kept and carry no more than it needs.

    Raises InvispError.
    """
    alone = replace(options, raw_budget=RawBudget(0))
    with TemporaryDirectory() as folder:
        return round_trip(original, Path(folder) / "photo.jpg", Path(folder) / "photo.dng", model, alone).metrics


def round_trips(
    paths: Sequence[Path], model: Model, options: RunOptions, on_file: Callable[[Path], object] = lambda path: None
) -> dict[str, Metrics]:
    """`metrics_of` files by their `file_names`."""
    figures = {}
    for name, path in zip(file_names(paths), paths, strict=True):
        figures[name] = metrics_of(Original(path), model, options)
        on_file(path)
    return figures


def file_names(paths: Sequence[Path]) -> list[str]:
    """What files are called in figures: by their names, those that share one by their paths."""
    counts = Counter(path.name for path in paths)
    return [path.name if counts[path.name] == 1 else str(path) for path in paths]


def report_round_trip(
    raw: Path, folder: Path, model: Model, options: RunOptions, start: StartProgress = lambda total: silent
) -> RoundTripReport:
    """`round_trip` with STEM.jpg, STEM.dng, roundtrip.png, report.json and report.md in `folder`.

    None of the files may be there already unless `options.overwrite`, and none may be the RAW file itself
    (RequestError). Raises InvispError.
    """
    made = RoundTripReport(
        folder / f"{raw.stem}.jpg", folder / f"{raw.stem}.dng", folder / "roundtrip.png", folder / "report.md", {}
    )
    facts_file = folder / "report.json"
    outputs = (made.jpeg, made.dng, made.picture, facts_file, made.report)
    if raw.resolve() in [output.resolve() for output in outputs]:
        raise RequestError(f"The report would replace {raw} itself: name another folder.")
    for output in outputs:
        check_output(output, overwrite=options.overwrite)
    original = Original(raw)
    trip = round_trip(original, made.jpeg, made.dng, model, options, start)
    made.metrics.update(trip.metrics)
    size = made.jpeg.stat().st_size
    sheet = Sheet(
        original.frame.mosaic,
        trip.recovered.mosaic,
        trip.recipe,
        trip.picture,
        (
            f"RAW: {raw.name}, {raw.stat().st_size / 1e6:.1f} MB",
            f"JPEG: {size / 1e6:.1f} MB, {number(trip.metrics['rgb-psnr'], 1)} dB to LibRaw's rendering",
            f"RAW recovered from the JPEG: {number(trip.metrics['raw-psnr-paper'], 1)} dB (raw-psnr-paper)",
            f"difference of the two RAWs, white = {WHITE_DIFFERENCE:.0%} of full scale",
        ),
    )
    from PIL import Image

    with whole_file(made.picture) as part:
        Image.fromarray(draw_sheet(sheet)).save(part, "PNG")
    forward, inverse = (model.runtime(direction) for direction in Direction)
    facts: dict[str, Any] = {
        "file": raw.name,
        "camera": original.frame.camera,
        "size": [original.frame.mosaic.shape[1], original.frame.mosaic.shape[0]],
        "clipped": float(original.clipped.mean()),
        "weights": forward.card.weights,
        "configuration": str(forward.card.config),
        "runtimes": [forward.name, inverse.name],
        "quality": options.quality,
        "subsampling": options.subsampling,
        "jpeg_bytes": size,
        "raw_bytes": raw.stat().st_size,
        "seconds": {"render": trip.runs[0].seconds, "recover": trip.runs[1].seconds},
        "metrics": trip.metrics,
        "definitions": {name: DEFINITIONS[name] for name in trip.metrics},
    }
    write_whole(facts_file, json.dumps(facts, indent=2, sort_keys=True) + "\n")
    write_whole(made.report, round_trip_page(facts))
    return made


def own_pixels(picture: Picture, path: Path) -> npt.NDArray[np.uint8]:
    """The frame's own window of a picture of 8 bits that was rendered. Raises ContractError where no record is left."""
    if picture.record is None:
        raise ContractError(f"{path} lost its way back.")
    return picture.record.alignment.inverse(picture.pixels).astype(np.uint8, copy=False)
