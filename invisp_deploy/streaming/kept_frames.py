"""Raw frames of a camera to DNGs, which everything that takes RAW files takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from invisp_deploy.errors import InvispError, RequestError
from invisp_deploy.files import whole_folder
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.sensor.frame_line import NOTHING_SAID
from invisp_deploy.streaming.pipe_format import PipeFormat
from invisp_deploy.streaming.pipeline import Frame

SUFFIX: Final = ".dng"


def keep_frames(
    frames: Iterable[Frame],
    pipe: PipeFormat,
    folder: Path,
    *,
    every: int = 1,
    most: int | None = None,
    on_written: Callable[[Path], object] = lambda path: None,
) -> list[Path]:
    """Write a DNG of each frame, or of one in `every`, `most` at the most, all of them or none; their paths.

    frames: bytes of a frame each, as `piped` has them, with what came beside them. folder: new or empty.

    Raises RequestError for another folder; as `PipeFormat.mosaic` and `write_dng`; and what came beside a frame and
    cannot be used.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise RequestError(f"The output {folder} is not an empty folder: name another one.")
    names: list[str] = []
    with whole_folder(folder, names, overwrite=False) as part:
        for number, frame in enumerate(frames):
            if number % every:
                continue
            if isinstance(frame.beside, InvispError):
                raise frame.beside
            line = frame.beside or NOTHING_SAID
            write_dng(part / f"{frame.stem}{SUFFIX}", pipe.mosaic(frame.load, frame.name, line))
            names.append(f"{frame.stem}{SUFFIX}")
            on_written(folder / names[-1])
            if len(names) == most:
                break
    return [folder / name for name in names]
