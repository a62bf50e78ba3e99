"""RAW files made from ordinary photographs by undoing what a camera does: photographs in, DNGs out.

The steps of Brooks et al., "Unprocessing Images for Learned Raw Denoising" (CVPR 2019): sRGB curve undone, exposure,
the camera's colour matrix undone, a white balance undone, mosaic in the camera's CFA, photon and read noise, the
camera's black level and bit depth. Of which camera: `one_camera` or `many_cameras`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ImageFileError, InvispError, OutputError, RequestError, failure_of
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.metadata import MADE_SOFTWARE
from invisp_deploy.training.many_cameras import ManyCameras
from invisp_deploy.training.one_camera import OneCamera

_SCALES: Final = (0.6, 1.4)
_LARGEST: Final = 2_200_000
_SMALLEST: Final = 64


def make_dngs(
    photos: Sequence[Path],
    cameras: OneCamera | ManyCameras,
    folder: Path,
    *,
    per_photo: int = 1,
    seed: int = 0,
    on_written: Callable[[Path], object] = lambda path: None,
    on_refused: Callable[[InvispError], object] = lambda error: None,
) -> list[Path]:
    """Write `per_photo` DNGs STEM-N.dng for each photograph, each at its own size, exposure and light.

    Sizes vary by 0.6 to 1.4 (at most 2.2 MP), because photographs that were scaled down are sharper than what a sensor
    sees. Equal seeds give equal files. A photograph of which nothing can be made, for whatever
    reason, is reported and left out. Raises RequestError where two photographs share a name, OutputError where a DNG
    cannot be written.
    """
    counts = Counter(photo.stem for photo in photos)
    if doubled := sorted(stem for stem, count in counts.items() if count > 1):
        raise RequestError(f"Two photographs are named {doubled[0]}: rename one.")
    written = []
    for index, photo in enumerate(photos):
        for number in range(per_photo):
            rng = np.random.default_rng((seed, index, number))
            path = folder / f"{photo.stem}-{number}.dng"
            try:
                write_dng(path, cameras.frame(_photograph(photo, rng), rng), software=MADE_SOFTWARE)
            except OutputError:  # not of this photograph: the next would fail, too
                raise
            except Exception as error:  # whatever it is: the other photographs have nothing to do with it
                on_refused(failure_of(error, str(photo)))
                break
            written.append(path)
            on_written(path)
    return written


def _photograph(path: Path, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path, formats=("JPEG", "PNG", "TIFF")) as image:
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
