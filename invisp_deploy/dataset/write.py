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
from typing import Final

import numpy as np

from invisp_deploy.dataset.coarse import shrunk_by, times_coarser, with_detail
from invisp_deploy.dataset.open import Shot, ShotFacts, facts_path, sheet_path
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.registration import SMALLEST_SCALE, Registration, on_mosaic, register, shown_part
from invisp_deploy.dataset.sources import SourceFile
from invisp_deploy.dataset.strips import jpeg_with_restarts
from invisp_deploy.dataset.targets import picture_for
from invisp_deploy.dataset.tones import Tones, given_tones
from invisp_deploy.errors import DatasetError, failure_of
from invisp_deploy.files import whole_file, write_whole
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.orientation import sensor_order
from invisp_deploy.formats.pixels import Rgb8
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.report.registration import ComparedPlace, registration_sheet

SMALLEST_PICTURE: Final = 320
"""Pixels of the longer side. Of a GoPro's picture of 4,000 pixels, made so small, a matrix and a curve were fitted, and
compared with it: 640 pixels cost 0.3 dB, 320 cost 1.1, and 160 cost 5.4 (means of 8x8 pixels, beside 1,600 pixels).
"""

_SHEET_QUALITY: Final = 85


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
    coarser: int = 1
    tones: Tones | None = None


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
    times = times_coarser(rendering.shape[:2], picture.shape[:2], SMALLEST_SCALE)
    if times > 1 and max(picture.shape[:2]) < SMALLEST_PICTURE:
        raise DatasetError(
            f"{path}: the picture is {picture.shape[1]}x{picture.shape[0]}, expected {SMALLEST_PICTURE} pixels along a "
            "side at least: fewer tell no colours and tones that are worth learning."
        )
    reference = rendering if times == 1 else shrunk_by(rendering, times)
    said = "" if times == 1 else f", of which the colours and tones alone are taken, with a {times}th of the resolution"
    seen: list[tuple[int, Sequence[ComparedPlace]]] = [(1, ())]

    def sheet(caption: str) -> Rgb8:
        orientation, places = seen[-1]
        return registration_sheet(reference, sensor_order(picture, orientation), places, f"{path.name}: {caption}")

    try:
        found = register(reference, picture, lambda orientation, places: seen.append((orientation, places)))
        window = shown_part(found, reference.shape[:2], picture.shape[:2])
    except DatasetError as error:
        on_sheet(sheet(str(error)))
        raise DatasetError(f"{path}: {error}") from error
    on_sheet(sheet(f"{found}{said}"))
    pixels = on_mosaic(picture, found, window)
    rows, columns = (slice(part.start * times, part.stop * times) for part in window)
    ours = rendering[rows, columns]
    if times > 1:
        pixels = with_detail(pixels, ours)
    part = RawFrame.of(frame.facts, frame.mosaic[rows, columns], frame.metadata)
    return _Target(pixels, part, found, size, rows.start, columns.start, times, given_tones(ours, pixels))


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
        coarser=target.coarser,
        tones=target.tones,
    )


def _npy_header(mosaic: Mosaic) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(mosaic))
    return stream.getvalue()
