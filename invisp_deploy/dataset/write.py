"""One RAW file into a dataset: mosaic, picture, and last its facts. Runs in worker processes."""

from __future__ import annotations

import io
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from invisp_deploy.dataset.facts import Facts
from invisp_deploy.dataset.open import Shot
from invisp_deploy.dataset.sources import Source
from invisp_deploy.dataset.strips import jpeg_with_restarts
from invisp_deploy.errors import DatasetError, RawFileError, RequestError
from invisp_deploy.files import whole_file, write_whole
from invisp_deploy.formats.exif import MADE_SOFTWARE, SOFTWARE, load_exif
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.isp.frame import Mosaic


@dataclass(frozen=True)
class Task:
    """A RAW file, the dataset's folder, what its picture is coded with, and the camera it must be from."""

    source: Source
    folder: Path
    quality: int
    subsampling: str
    camera: str


def facts_path(folder: Path, name: str) -> Path:
    return folder / "facts" / f"{name}.json"


def write_shot(task: Task) -> Facts | str:
    """Write the three files of a shot, the facts last; the reason instead where the RAW file is refused.

    Raises OutputError if a file cannot be written.
    """
    path = task.source.path
    try:
        frame = read_raw(path)
        if task.camera and frame.camera.lower() != task.camera.lower():
            return f"{path} is from {frame.camera or 'an unknown camera'}, the dataset is of {task.camera}."
        pixels = render_libraw(path)
        if pixels.shape[:2] != frame.mosaic.shape:
            return f"{path}: LibRaw renders {pixels.shape[:2]}, the mosaic is {frame.mosaic.shape}."
        picture = jpeg_with_restarts(pixels, task.quality, task.subsampling)
        raw_bytes = path.stat().st_size
    except (RawFileError, RequestError, DatasetError) as error:
        return str(error)
    except OSError as error:
        return f"{path} could not be read: {error.strerror or error}."
    facts = _facts(task, frame, raw_bytes, picture)
    shot = Shot(task.folder, facts)
    with whole_file(shot.mosaic_path) as part:
        # not np.save: its error for a full disk has no code
        part.write_bytes(_npy_header(frame.mosaic) + np.ascontiguousarray(frame.mosaic).tobytes())
    write_whole(shot.target_path, picture)
    write_whole(facts_path(task.folder, facts.name), json.dumps(facts.to_dict()))
    return facts


def finished(folder: Path, source: Source) -> Facts | None:
    """Facts of a file that was prepared before and is still as it was written, from a source of that size."""
    try:
        facts = Facts.from_dict(json.loads(facts_path(folder, source.name).read_text(encoding="utf-8")))
        made = source.made or _names_a_photograph(facts.exif)
        same_source = (facts.made, facts.raw_bytes) == (made, source.path.stat().st_size)
        shot = Shot(folder, facts)
        shot.check()
        shot.frame  # noqa: B018  maps the mosaic, which finds a wrong shape
        whole = zlib.crc32(shot.target_path.read_bytes()) == facts.jpeg_crc
    except (OSError, ValueError, DatasetError, RawFileError):
        return None
    return facts if same_source and whole else None


def _facts(task: Task, frame: RawFrame, raw_bytes: int, picture: bytes) -> Facts:
    mosaic = frame.mosaic
    a, b, c, d = (int(mosaic[row::2, column::2].max()) for row in (0, 1) for column in (0, 1))
    return Facts(
        name=task.source.name,
        source=str(task.source.path.resolve()),
        made=task.source.made or _names_a_photograph(frame.exif),
        raw_bytes=raw_bytes,
        jpeg_bytes=len(picture),
        mosaic_bytes=len(_npy_header(mosaic)) + mosaic.nbytes,
        jpeg_crc=zlib.crc32(picture),
        height=mosaic.shape[0],
        width=mosaic.shape[1],
        brightest=(a, b, c, d),
        cfa=frame.cfa,
        black=frame.black,
        white=frame.white,
        gains=frame.gains,
        orientation=frame.orientation,
        color_matrix=frame.color_matrix,
        make=frame.make,
        model=frame.model,
        exif=frame.exif,
    )


def _names_a_photograph(exif: bytes) -> bool:
    return bool(load_exif(exif).get(SOFTWARE) == MADE_SOFTWARE)


def _npy_header(mosaic: Mosaic) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(mosaic))
    return stream.getvalue()
