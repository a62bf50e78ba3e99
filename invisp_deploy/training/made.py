"""Folders of made DNGs: photographs in, RAW files of a camera out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ImageFileError, MissingFileError, RequestError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.exif import MADE_SOFTWARE
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.training.synthesis import measured_noise, unprocess

__all__ = ["PHOTO_SUFFIXES", "make_dngs", "photos_in"]

PHOTO_SUFFIXES: Final = (".jpg", ".jpeg", ".png")
_SCALES: Final = (0.6, 1.4)
_LARGEST: Final = 2_200_000
_SMALLEST: Final = 64


def photos_in(paths: Sequence[Path]) -> list[Path]:
    """Photographs named or lying in named folders, in name order. Raises RequestError if there are none."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(file for file in path.iterdir() if file.suffix.lower() in PHOTO_SUFFIXES)
        elif path.is_file():
            found.append(path)
        else:
            raise MissingFileError(f"There is no file or folder {path}.")
    if not found:
        raise RequestError(f"No photographs ({', '.join(PHOTO_SUFFIXES)}) in {', '.join(map(str, paths))}.")
    return found


def make_dngs(
    photos: Sequence[Path],
    like: RawFrame,
    folder: Path,
    *,
    per_photo: int = 1,
    saturation: int | None = None,
    seed: int = 0,
    on_written: Callable[[Path], object] = lambda path: None,
    on_refused: Callable[[ImageFileError], object] = lambda error: None,
) -> list[Path]:
    """Write `per_photo` DNGs STEM-N.dng for each photograph, each at its own size, exposure and light.

    saturation: DN at which the sensor clips, default the white level of `like`. Sizes vary by 0.6 to 1.4
    (at most 2.2 MP), because photographs that were scaled down are sharper than what a sensor sees.
    Equal seeds give equal files. An unreadable photograph is reported and left out.
    Raises RequestError for a wrong `saturation` or where two photographs share a name.
    """
    limit = like.white if saturation is None else saturation
    if not max(like.black) < limit <= like.white:
        raise RequestError(
            f"`saturation` must lie above the black level {max(like.black):g} and at most at the white level "
            f"{like.white}, got {limit}."
        )
    stems = [photo.stem for photo in photos]
    if doubled := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise RequestError(f"Two photographs are named {doubled[0]}: rename one.")
    noise = measured_noise(like)
    written = []
    for index, photo in enumerate(photos):
        for number in range(per_photo):
            rng = np.random.default_rng((seed, index, number))
            try:
                pixels = _photograph(photo, rng)
            except ImageFileError as error:
                on_refused(error)
                break
            path = folder / f"{photo.stem}-{number}.dng"
            made = unprocess(pixels, like, noise, limit, rng)
            write_dng(path, replace(made, preview=pixels), software=MADE_SOFTWARE)
            written.append(path)
            on_written(path)
    return written


def _photograph(path: Path, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
        raise ImageFileError(f"{path} is not a readable photograph: {error}.") from error
    if min(picture.size) < _SMALLEST:
        raise ImageFileError(
            f"{path} is {picture.width}x{picture.height}: too small, expected {_SMALLEST} pixels a side."
        )
    scale = float(np.exp(rng.uniform(*np.log(_SCALES))))
    scale = min(scale, (_LARGEST / (picture.width * picture.height)) ** 0.5)
    size = (round(picture.width * scale), round(picture.height * scale))
    return np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
