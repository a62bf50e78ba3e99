"""The picture that a file of a dataset is to become: beside the RAW file, inside it, in a folder, or by a command."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

from invisp_deploy.contract import LIBRAW
from invisp_deploy.dataset.options import BESIDE, PREVIEW, PrepareOptions
from invisp_deploy.errors import DatasetError, MissingFileError, RequestError
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.pixels import Rgb8
from invisp_deploy.formats.walk import JPEG_SUFFIXES, PICTURE_SUFFIXES

SECONDS: Final = 600
"""What a command may take for one file."""

_EXIF: Final = 0x8769
_COLOR_SPACE: Final = 0xA001
_UNCALIBRATED: Final = 0xFFFF
"""Tags of Exif, and the only value beside that of sRGB."""

_LINES: Final = 3
"""Of what a command said, told of one that failed: the reason is seldom the very last."""


def check_pictures(options: PrepareOptions) -> None:
    """Raise MissingFileError for a folder of pictures that is not there, RequestError for a program that is not."""
    if options.render and shutil.which(program := shlex.split(options.render)[0]) is None:
        raise RequestError(f"`render` starts {program!r}, and there is no such program: install it, or give its path.")
    if options.target not in (LIBRAW, BESIDE, PREVIEW) and not Path(options.target).is_dir():
        raise MissingFileError(
            f"`target` is {BESIDE}, {PREVIEW}, {LIBRAW} or a folder of pictures: there is no folder {options.target}."
        )


def stored_picture(raw: Path, options: PrepareOptions) -> Path | None:
    """The picture of a RAW file that lies beside it or in the folder, by its name without ending; None for targets
    that are no file.

    Raises DatasetError where there is none, or more than one.
    """
    if options.render or options.target in (LIBRAW, PREVIEW):
        return None
    folder, endings = (raw.parent, JPEG_SUFFIXES) if options.target == BESIDE else (options.target, PICTURE_SUFFIXES)
    named = Path(folder) / raw.name
    found = {ending: path for ending in _both_cases(endings) if (path := named.with_suffix(ending)).is_file()}
    kinds = {ending.lower() for ending in found}
    if len(kinds) != 1:
        what = f"{len(kinds)} pictures" if kinds else "no picture"
        raise DatasetError(f"{raw}: {what} of its name in {folder}: expected one, {raw.stem}{' or '.join(endings)}.")
    return next(iter(found.values()))


def picture_for(raw: Path, options: PrepareOptions) -> tuple[Rgb8, int]:
    """(h, w, 3) uint8 as the file holds it, not turned by its orientation; and the file's bytes.

    Raises DatasetError where there is none, a command fails or takes longer than `SECONDS`, or it is not sRGB;
    ImageFileError for a picture that cannot be read.
    """
    if (path := stored_picture(raw, options)) is not None:
        return _pixels(path), path.stat().st_size
    with tempfile.TemporaryDirectory(prefix="invisp-") as folder:
        path = _rendered(raw, options.render, Path(folder)) if options.render else _preview(raw, Path(folder))
        return _pixels(path), path.stat().st_size


def _both_cases(endings: Iterable[str]) -> list[str]:
    return [form for ending in endings for form in (ending, ending.upper())]


def _pixels(path: Path) -> Rgb8:
    picture = read_picture(path)
    if profile := [note for note in picture.notes if note.startswith("its colours are of the profile")]:
        raise DatasetError(f"{path} is not in sRGB, {profile[0].partition(' and ')[0]}: save it in sRGB.")
    if _is_of_another_space(path):
        raise DatasetError(f"{path} is not in sRGB, its Exif says so (Adobe RGB in most cameras): save it in sRGB.")
    pixels = picture.pixels
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    return ((pixels.astype(np.uint32) * 255 + 32895) >> 16).astype(np.uint8)  # a 257th, rounded


def _is_of_another_space(path: Path) -> bool:
    """Whether a JPEG without a profile states a colour space other than sRGB (Exif 2.3, 4.6.5, ColorSpace)."""
    from PIL.JpegImagePlugin import JpegImageFile  # of this format alone, and without Pillow's own limit

    with path.open("rb") as stream:
        if stream.read(2) != b"\xff\xd8":
            return False
        stream.seek(0)
        image = JpegImageFile(stream)
        space = image.getexif().get_ifd(_EXIF).get(_COLOR_SPACE)
        return space == _UNCALIBRATED and not image.info.get("icc_profile")


def _preview(raw: Path, folder: Path) -> Path:
    import rawpy

    try:
        with rawpy.imread(os.fspath(raw)) as opened:
            preview = opened.extract_thumb()
    except rawpy.LibRawNoThumbnailError as error:
        raise DatasetError(f"{raw} holds no preview: choose another `target`.") from error
    except rawpy.LibRawError as error:
        raise DatasetError(
            f"{raw}: its preview cannot be read, LibRaw says {error}: choose another `target`."
        ) from error
    if not isinstance(preview.data, bytes):
        raise DatasetError(f"{raw}: its preview is no JPEG: choose another `target`.")
    path = folder / f"preview of {raw.stem}.jpg"
    path.write_bytes(preview.data)
    return path


def _rendered(raw: Path, command: str, folder: Path) -> Path:
    """What the command left in the folder, whatever it named it."""
    places = {"{raw}": os.fspath(raw.absolute()), "{out}": os.fspath(folder / "picture.jpg")}
    words = shlex.split(command)
    for place, value in places.items():
        words = [word.replace(place, value) for word in words]
    with (folder / ".said").open("w+b") as said:
        code = _run(words, said.fileno(), raw)
        said.seek(0)
        lines = said.read().decode(errors="replace").splitlines()
    last = " / ".join([line.strip() for line in lines if line.strip()][-_LINES:]) or "nothing"
    if code:
        raise DatasetError(f"{raw}: {words[0]} ended with {code} and said: {last}")
    made = [path for path in folder.iterdir() if path.is_file() and path.name != ".said"]
    if len(made) != 1:
        raise DatasetError(f"{raw}: {words[0]} wrote {len(made)} files, expected one at {{out}}; it said: {last}")
    return made[0]


def _run(words: list[str], said: int, raw: Path) -> int:
    """In a session of its own, so that what it started ends with it."""
    try:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True)
    except OSError as error:
        raise DatasetError(f"{raw}: {words[0]} cannot be started: {error.strerror or error}.") from error
    try:
        return process.wait(SECONDS)
    except subprocess.TimeoutExpired as error:
        raise DatasetError(f"{raw}: {words[0]} took longer than {SECONDS} seconds and was ended.") from error
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
