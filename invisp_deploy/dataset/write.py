"""One RAW file into the files of its shot: mosaic, picture, and last the facts; with these the shot is complete.

Of another program's picture a sheet is drawn, also where it is refused: what was compared, and where it agrees.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from invisp_deploy.dataset.open import Shot, ShotFacts, facts_path, sheet_path
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.registration import Registration, on_mosaic, register, shown_part
from invisp_deploy.dataset.sources import SourceFile
from invisp_deploy.dataset.strips import jpeg_with_restarts
from invisp_deploy.dataset.targets import picture_for
from invisp_deploy.errors import DatasetError, failure_of
from invisp_deploy.files import whole_file, write_whole
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.orientation import sensor_order
from invisp_deploy.formats.pixels import Rgb8
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.report.registration import ComparedPlace, registration_sheet

_SHEET_QUALITY = 85


@dataclass(frozen=True)
class Task:
    """A RAW file, the dataset's folder, and what its picture is and is coded with."""

    source: SourceFile
    folder: Path
    options: PrepareOptions


@dataclass(frozen=True)
class _Target:
    """What a shot learns towards, (h, w, 3) uint8, and the part of the frame that it shows."""

    pixels: Rgb8
    frame: RawFrame
    registration: Registration | None = None
    picture_bytes: int = 0
    top: int = 0
    left: int = 0


def write_shot(task: Task) -> ShotFacts | str:
    """Write the files of a shot, the facts last; the reason instead where the RAW file is refused.

    Raises OutputError if a file cannot be written.
    """
    path, sheets = task.source.path, list[Rgb8]()
    outcome: tuple[_Target, bytes, ShotFacts] | str
    try:
        frame = read_raw(path)
        pixels = render_libraw(path)
        if pixels.shape[:2] != frame.mosaic.shape:
            return f"{path}: LibRaw renders {pixels.shape[:2]}, the mosaic is {frame.mosaic.shape}."
        target = _registered(task, frame, pixels, sheets.append) if task.options.of_others else _Target(pixels, frame)
        picture = jpeg_with_restarts(target.pixels, task.options.quality, task.options.subsampling)
        outcome = target, picture, _facts(task, target, path.stat().st_size, picture)
    except Exception as error:  # whatever it is: the other files have nothing to do with it
        outcome = str(failure_of(error, str(path)))
    for sheet in sheets:
        write_whole(sheet_path(task.folder, task.source.name), _jpeg(sheet))
    if isinstance(outcome, str):
        return outcome
    target, picture, facts = outcome
    shot, mosaic = Shot(task.folder, facts), target.frame.mosaic
    with whole_file(shot.mosaic_path) as part:
        # not np.save: its error for a full disk has no code
        part.write_bytes(_npy_header(mosaic) + np.ascontiguousarray(mosaic).tobytes())
    write_whole(shot.target_path, picture)
    write_whole(facts_path(task.folder, facts.name), json.dumps(facts.to_dict()))
    return facts


def _registered(task: Task, frame: RawFrame, rendering: Rgb8, on_sheet: Callable[[Rgb8], object]) -> _Target:
    """The other program's picture, on the grid of the part of the mosaic that it shows."""
    path = task.source.path
    picture, size = picture_for(path, task.options)
    seen: list[tuple[int, Sequence[ComparedPlace]]] = [(1, ())]

    def sheet(said: str) -> Rgb8:
        orientation, places = seen[-1]
        return registration_sheet(rendering, sensor_order(picture, orientation), places, f"{path.name}: {said}")

    try:
        found = register(rendering, picture, lambda orientation, places: seen.append((orientation, places)))
        window = shown_part(found, rendering.shape[:2], picture.shape[:2])
    except DatasetError as error:
        on_sheet(sheet(str(error)))
        raise DatasetError(f"{path}: {error}") from error
    on_sheet(sheet(str(found)))
    part = RawFrame.of(frame.facts, frame.mosaic[window], frame.metadata)
    return _Target(on_mosaic(picture, found, window), part, found, size, window[0].start, window[1].start)


def _jpeg(sheet: Rgb8) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(sheet).save(stream, "JPEG", quality=_SHEET_QUALITY)
    return stream.getvalue()


def _facts(task: Task, target: _Target, raw_bytes: int, picture: bytes) -> ShotFacts:
    frame, mosaic = target.frame, target.frame.mosaic
    a, b, c, d = (int(mosaic[row::2, column::2].max()) for row in (0, 1) for column in (0, 1))
    return ShotFacts(
        name=task.source.name,
        source=str(task.source.path.absolute()),  # of a link its own name, which is the shot's
        made=task.source.made or frame.metadata.made_from_photograph,
        raw_bytes=raw_bytes,
        jpeg_bytes=len(picture),
        mosaic_bytes=len(_npy_header(mosaic)) + mosaic.nbytes,
        jpeg_crc=zlib.crc32(picture),
        height=mosaic.shape[0],
        width=mosaic.shape[1],
        brightest=(a, b, c, d),
        frame=frame.facts,
        metadata=frame.metadata,
        registration=target.registration,
        picture_bytes=target.picture_bytes,
        top=target.top,
        left=target.left,
    )


def _npy_header(mosaic: Mosaic) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(mosaic))
    return stream.getvalue()
