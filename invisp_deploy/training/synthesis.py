"""RAW files of a given camera, made from ordinary photographs by undoing what a camera does: photographs in, DNGs out.

The steps of Brooks et al., "Unprocessing Images for Learned Raw Denoising" (CVPR 2019), with the data
of one real file of the camera instead of random ones: sRGB curve undone, exposure, the camera's colour
matrix undone, a white balance undone, mosaic in the camera's CFA, photon and read noise, the camera's
black level and bit depth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import ImageFileError, RequestError
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.exif import MADE_SOFTWARE
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.colour import srgb_to_camera, srgb_to_linear
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.steps import Codes, Demosaic, WhiteBalance

_SCALES: Final = (0.6, 1.4)
_LARGEST: Final = 2_200_000
_SMALLEST: Final = 64
_EXPOSURE: Final = (0.35, 1.5)
_WARMTH: Final = (-0.35, 0.22)
_WARMTH_BLUE: Final = 1.25
_TINT: Final = 0.04
_ISO_GAIN: Final = (0.8, 6.0)


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


@dataclass(frozen=True)
class Noise:
    """Variance of a mosaic value x in [0, 1] at base gain: shot * x + read; both grow with the ISO gain."""

    shot: float
    read: float


def measured_noise(frame: RawFrame) -> Noise:
    """Noise of a real frame from its flattest places.

    Immerkaer's second-difference estimate (CVIU 64, 1996) in 16x16 blocks of each CFA plane; in each of 24
    brightness bins the lowest twentieth counts as flat; a line through the variances, each weighted by the
    blocks of its bin (where most of the picture is, flat places are surest), gives the two terms.
    """
    levels, variances, weights = [], [], []
    for index in range(4):
        row, column = divmod(index, 2)
        site = frame.mosaic[row::2, column::2].astype(np.float64)
        # not `Levels`, which clips: around black, noise lies on both sides
        plane = (site - frame.black[index]) / (frame.white - frame.black[index])
        smooth = plane[:-2] - 2 * plane[1:-1] + plane[2:]
        residual = np.abs(smooth[:, :-2] - 2 * smooth[:, 1:-1] + smooth[:, 2:])
        deviation = np.sqrt(np.pi / 2) / 6 * _block_means(residual)
        brightness = _block_means(plane[1:-1, 1:-1])
        usable = (brightness > 0.002) & (brightness < 0.9)
        for low, high in _bins(brightness[usable]):
            inside = deviation[usable & (brightness >= low) & (brightness < high)]
            if inside.size >= 40:
                variances.append(float(np.quantile(inside, 0.05)) ** 2)
                levels.append((low + high) / 2)
                weights.append(inside.size)
    if len(levels) < 2:
        raise RequestError("The sample RAW file is too small or too dark to measure its noise: use another one.")
    weight = np.sqrt(weights) / np.array(variances)  # an estimate's error grows with the estimate
    design = np.stack((levels, np.ones(len(levels))), 1) * weight[:, None]
    shot, read = np.linalg.lstsq(design, np.array(variances) * weight, rcond=None)[0]
    return Noise(max(float(shot), 1e-7), max(float(read), 1e-8))


def unprocess(
    photo: npt.NDArray[np.uint8], like: RawFrame, noise: Noise, saturation: int, rng: np.random.Generator
) -> RawFrame:
    """(H, W, 3) uint8 sRGB -> a frame of the camera that `like` comes from, at least 2x2, even sides.

    saturation: DN at which the sensor clips, at most the white level. Exposure, warmth, tint and ISO gain
    are drawn from `rng`. Raises RequestError where `like` lacks colour matrix or white balance.
    """
    if like.color_matrix is None or like.gains is None:
        raise RequestError("The sample RAW file has no colour matrix or no as-shot white balance: use another one.")
    height, width = (size - size % 2 for size in photo.shape[:2])
    linear = srgb_to_linear(Codes().inverse(photo[:height, :width], {}).transpose(1, 2, 0))
    linear *= np.float32(np.exp(rng.uniform(*np.log(_EXPOSURE))))
    camera = linear @ srgb_to_camera(like.color_matrix).T.astype(np.float32)
    gains = _white_balance(like.gains, rng)
    made = replace(like, gains=gains, orientation=1)
    numbers = made.recipe(CameraContract(white_balance="min", curve=1)).numbers()
    sites = WhiteBalance().inverse(Demosaic().inverse(camera.transpose(2, 0, 1), numbers), numbers)
    return replace(made, mosaic=_digitised(sites, like, noise, saturation, rng))


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


def _white_balance(gains: tuple[float, float, float], rng: np.random.Generator) -> tuple[float, float, float]:
    """The camera's gains under warmer or colder light: red and blue move in opposite directions."""
    warmth = rng.uniform(*_WARMTH)
    red = gains[0] / gains[1] * np.exp(warmth + rng.normal(0, _TINT))
    blue = gains[2] / gains[1] * np.exp(-_WARMTH_BLUE * warmth + rng.normal(0, _TINT))
    return round(float(red), 6), 1.0, round(float(blue), 6)


def _digitised(
    linear: npt.NDArray[np.float32], like: RawFrame, noise: Noise, saturation: int, rng: np.random.Generator
) -> Mosaic:
    gain = np.exp(rng.uniform(*np.log(_ISO_GAIN)))
    light = np.clip(linear, 0, 1)
    variance = noise.shot * gain * light + noise.read * gain
    # not `Levels`, which clips to [0, 1]: the sensor clips after the noise, and black lies within it
    noisy = light + rng.standard_normal(light.shape, np.float32) * np.sqrt(variance)
    black = np.tile(np.array(like.black).reshape(2, 2), (light.shape[0] // 2, light.shape[1] // 2))
    digital: Mosaic = np.clip(np.rint(noisy * (saturation - black) + black), 0, saturation).astype(np.uint16)
    return digital


def _block_means(plane: npt.NDArray[np.float64], edge: int = 16) -> npt.NDArray[np.float64]:
    rows, columns = (size // edge for size in plane.shape)
    blocks = plane[: rows * edge, : columns * edge].reshape(rows, edge, columns, edge)
    means: npt.NDArray[np.float64] = blocks.mean(axis=(1, 3))
    return means


def _bins(brightness: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
    if not brightness.size:
        return []
    edges = np.linspace(brightness.min(), brightness.max() + 1e-9, 25)
    return [(float(low), float(high)) for low, high in pairwise(edges)]
