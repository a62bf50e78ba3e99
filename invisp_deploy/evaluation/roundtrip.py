"""The round trip of RAW files through files on disk: RAW -> JPEG -> DNG, measured, and drawn where it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from invisp_deploy.errors import ContractError, RequestError
from invisp_deploy.evaluation.metrics import DEFINITIONS, raw_psnr, raw_psnr_paper, rgb_psnr
from invisp_deploy.files import check_output, whole_file, write_whole
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import Picture, read_picture
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.graph_card import Direction
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.rendering.files import RunResult, StartProgress, run_file
from invisp_deploy.rendering.model import Model
from invisp_deploy.rendering.options import RunOptions
from invisp_deploy.rendering.tiled import silent
from invisp_deploy.report.round_trip import WHITE_DIFFERENCE, Sheet, draw_sheet, round_trip_page


@dataclass(frozen=True)
class RoundTrip:
    """One file there and back. picture: decoded from the JPEG file, the frame's own window (H, W, 3) uint8.

    metrics: name to dB, as `evaluation.metrics.DEFINITIONS` defines them.
    """

    frame: RawFrame
    recovered: RawFrame
    picture: Any
    recipe: Recipe
    runs: tuple[RunResult, RunResult]
    metrics: dict[str, float]


@dataclass(frozen=True)
class RoundTripReport:
    """Files of a report, and the figures."""

    jpeg: Path
    dng: Path
    picture: Path
    report: Path
    metrics: dict[str, float]


def round_trip(
    raw: Path, jpeg: Path, dng: Path, model: Model, options: RunOptions, start: StartProgress = lambda total: silent
) -> RoundTrip:
    """Render a RAW file to `jpeg`, take that back to `dng`, compare with the file and with LibRaw's rendering.

    Raises InvispError.
    """
    frame = read_raw(raw)
    for way in Direction:  # a pair that does not fit is refused before anything is rendered
        model.runtime(way)
    there = run_file(frame, jpeg, model, options, start, name=str(raw))
    picture = read_picture(jpeg)
    back = run_file(picture, dng, model, options, start, name=str(jpeg))
    recovered = read_raw(dng)
    recipe = frame.recipe(model.runtime(Direction.FORWARD).card.contract)
    decoded = _own(picture, jpeg)
    metrics = {
        "rgb-psnr": rgb_psnr(decoded, render_libraw(raw)),
        "raw-psnr-paper": raw_psnr_paper(recovered.mosaic, frame.mosaic, recipe),
        "raw-psnr": raw_psnr(recovered.mosaic, frame.mosaic, recipe),
    }
    return RoundTrip(frame, recovered, decoded, recipe, (there, back), metrics)


def round_trips(
    paths: Sequence[Path], model: Model, options: RunOptions, on_file: Callable[[Path], object] = lambda path: None
) -> dict[str, dict[str, float]]:
    """File name -> metrics of `round_trip` through files that are not kept.

    Files that share their name are told apart by their path.
    """
    names = [path.name for path in paths]
    figures = {}
    for path in paths:
        with TemporaryDirectory() as folder:
            trip = round_trip(path, Path(folder) / "photo.jpg", Path(folder) / "photo.dng", model, options)
        figures[path.name if names.count(path.name) == 1 else str(path)] = trip.metrics
        on_file(path)
    return figures


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
    trip = round_trip(raw, made.jpeg, made.dng, model, options, start)
    made.metrics.update(trip.metrics)
    size = made.jpeg.stat().st_size
    sheet = Sheet(
        trip.frame.mosaic,
        trip.recovered.mosaic,
        trip.recipe,
        trip.picture,
        (
            f"RAW: {raw.name}, {raw.stat().st_size / 1e6:.1f} MB",
            f"JPEG: {size / 1e6:.1f} MB, {trip.metrics['rgb-psnr']:.1f} dB to LibRaw's rendering",
            f"RAW recovered from the JPEG: {trip.metrics['raw-psnr-paper']:.1f} dB (raw-psnr-paper)",
            f"difference of the two RAWs, white = {WHITE_DIFFERENCE:.0%} of full scale",
        ),
    )
    from PIL import Image

    with whole_file(made.picture) as part:
        Image.fromarray(draw_sheet(sheet)).save(part, "PNG")
    forward, inverse = (model.runtime(direction) for direction in Direction)
    facts: dict[str, Any] = {
        "file": raw.name,
        "camera": trip.frame.camera,
        "size": [trip.frame.mosaic.shape[1], trip.frame.mosaic.shape[0]],
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


def _own(picture: Picture, path: Path) -> Any:
    """The frame's own window of a rendered picture."""
    if picture.record is None:
        raise ContractError(f"{path} lost its way back.")
    return picture.record.alignment.inverse(picture.pixels).astype(np.uint8, copy=False)
