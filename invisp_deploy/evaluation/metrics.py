"""Every figure that this package reports, with its definition.

The definitions are the text that reports print; `DEFINITIONS` maps a metric's name to it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.develop import develop
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.isp.steps import Curve, Float, steps

PAPER_GAMMA: Final = 2.2
_PATCHES: Final = 3
_STRIP: Final = 512
_AT_ONCE: Final = 1 << 18
"""Pixels whose colours are compared at once."""
_REACH: Final = 5
"""Radius of SSIM's window: sigma 1.5, cut off at 3.5 of it."""

DEFINITIONS: Final = {
    "rgb-psnr": "dB, peak 255: the picture decoded from the JPEG file against LibRaw's rendering of the RAW file "
    "(use_camera_wb, no_auto_bright), both 8 bit.",
    "raw-psnr-paper": "dB, peak 1: RAW recovered from the JPEG file against the RAW file, as in the paper: three "
    "channels, demosaiced, white balanced with gains divided by the largest (1 where the weights' contract applies "
    "none), gamma 1/2.2, clipped to [0, 1]; mean over 3x3 patches without overlap.",
    "raw-psnr": "dB, peak 1: RAW recovered from the JPEG file against the RAW file on the linear Bayer mosaic, "
    "(DN - black) / (white - black), not clipped, one figure over all pixels.",
    "raw-psnr-unclipped": "dB, peak 1: as raw-psnr, over the pixels at which no channel of LibRaw's rendering of the "
    "RAW file is 250 or above.",
    "raw-psnr-clipped": "dB, peak 1: as raw-psnr, over the other pixels, where a channel of LibRaw's rendering is 250 "
    "or above.",
}

Metrics = dict[str, float | None]
"""Name of `DEFINITIONS` -> dB; None where no pixel counts, or none differs (an infinite figure: JSON has none)."""


def rgb_psnr(picture: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> float:
    """(H, W, 3) uint8 both; `rgb-psnr`."""
    return psnr(picture, target, 255)


def rgb_ssim(picture: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> float:
    """(H, W, 3) uint8 both, at least 11x11: scikit-image's SSIM with the settings of Wang et al. (2004).

    Gaussian window of sigma 1.5, no sample covariance, mean over channels; in strips of rows, which bound the memory
    and change nothing. Needs scikit-image (extra `tables`).
    """
    from skimage.metrics import structural_similarity

    total, inner = 0.0, (len(picture) - 2 * _REACH) * (picture.shape[1] - 2 * _REACH)
    for first in range(_REACH, len(picture) - _REACH, _STRIP):
        last = min(first + _STRIP, len(picture) - _REACH)
        strip = slice(first - _REACH, last + _REACH)
        _, similarity = structural_similarity(
            picture[strip],
            target[strip],
            data_range=255,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        total += float(similarity[_REACH : last - first + _REACH, _REACH:-_REACH].mean(axis=-1).sum())
    return float(total / inner)


def ciede2000(picture: npt.NDArray[np.uint8], target: npt.NDArray[np.uint8]) -> Float:
    """(H, W, 3) uint8 sRGB both -> (H, W): scikit-image's CIE DE2000 (Sharma, Wu and Dalal, 2005), D65, in strips.

    Needs scikit-image (extra `tables`).
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    rows = max(_AT_ONCE // picture.shape[1], 1)
    strips = (slice(first, first + rows) for first in range(0, len(picture), rows))
    found = (deltaE_ciede2000(rgb2lab(target[strip]), rgb2lab(picture[strip])) for strip in strips)
    return np.concatenate([strip.astype(np.float32) for strip in found])


def raw_psnr(recovered: npt.NDArray[np.uint16], mosaic: npt.NDArray[np.uint16], recipe: Recipe) -> float:
    """(H, W) uint16 DN both; `raw-psnr`."""
    return psnr(recovered, mosaic, recipe.white - float(np.mean(recipe.black)))


def raw_psnr_of(
    pixels: npt.NDArray[np.bool_], recovered: npt.NDArray[np.uint16], mosaic: npt.NDArray[np.uint16], recipe: Recipe
) -> float | None:
    """`raw-psnr` over the pixels that are True in (H, W) `pixels`; None where none is."""
    count = int(pixels.sum())
    if count == 0:
        return None
    elsewhere_equal = np.where(pixels, recovered, mosaic)  # so that one definition of PSNR serves, in blocks of rows
    return raw_psnr(elsewhere_equal, mosaic, recipe) + 10 * math.log10(count / pixels.size)


def raw_psnr_paper(recovered: npt.NDArray[np.uint16], mosaic: npt.NDArray[np.uint16], recipe: Recipe) -> float:
    """(H, W) uint16 DN both; `raw-psnr-paper`."""
    measured = paper_recipe(recipe)
    height, width = mosaic.shape
    rows = np.linspace(0, height, _PATCHES + 1).astype(int)
    columns = np.linspace(0, width, _PATCHES + 1).astype(int)
    figures = []
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            window = (slice(int(top), int(bottom)), slice(int(left), int(right)))
            ours, true = (develop(array, measured, window) for array in (recovered, mosaic))
            figures.append(psnr(ours, true, 1))
    return float(np.mean(figures))


def mean_metrics(figures: Mapping[str, Metrics]) -> Metrics:
    """Metrics of files by their names -> the mean of each metric over the files that have it, None where none has."""
    found: dict[str, list[float]] = {}
    for metrics in figures.values():
        for name, value in metrics.items():
            found.setdefault(name, []).extend([] if value is None else [value])
    return {name: float(np.mean(values)) if values else None for name, values in found.items()}


_BALANCED: Final = 4
"""Steps until white-balanced planes: samples, levels, white balance, demosaic."""


def paper_recipe(recipe: Recipe) -> Recipe:
    """The recipe of the domain that the paper measures RAW in: camera RGB, gains divided by the largest, gamma 2.2."""
    red, green, blue = (gain / max(recipe.gains) for gain in recipe.gains)
    return replace(recipe, gains=(red, green, blue), curve=PAPER_GAMMA, matrix=None)


def paper_domain(planes: Float, recipe: Recipe) -> Float:
    """(3, H, W) of the contract's domain -> the domain that the paper measures RAW in, clipped to [0, 1]."""
    numbers = recipe.numbers()
    linear = planes
    for step in reversed(steps(recipe.color, recipe.curve)[_BALANCED:]):
        linear = step.inverse(linear, numbers)
    linear = linear / np.float32(max(recipe.gains))
    return Curve(PAPER_GAMMA).forward(np.clip(linear, 0, 1), numbers)
