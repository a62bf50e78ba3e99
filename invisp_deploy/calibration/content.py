"""Is there a photograph in the mosaic? Ranges of noise, of a lens cap or of one flat colour say nothing.

The test is one number. In a photograph, sites of one colour that lie two pixels apart hold nearly the same value,
whatever its subject: light is smooth at that distance, measured against the contrast of the whole frame. In noise they
have nothing to do with each other. It is taken on the mosaic, because demosaicing makes neighbours alike even in noise,
and over the whole frame, because a tile of clear sky may be smooth and noisy at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import CalibrationError
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.isp.steps import Levels

LEAST_CORRELATION: Final = 0.1
"""Noise has 0.00; the whole frames looked at had 0.98 and more, a small cut of nothing but blue sky still 0.2."""

_LEAST_SIGNAL: Final = 0.01
"""Share of full scale that the brightest pixels of a photograph exceed."""

_LEAST_SPREAD: Final = 1.0
"""Standard deviation in DN below which a colour counts as constant."""


def check_content(mosaic: Mosaic, recipe: Recipe, path: Path) -> None:
    """Raise CalibrationError, naming the file, for a black frame, a constant one, or noise.

    mosaic: (H, W) uint16 DN, at least 8x8; recipe: at its top left pixel.
    """
    linear = Levels().forward(mosaic, recipe.numbers())
    bright = max(float(np.quantile(site, 0.999)) for site in _sites(linear))
    if bright < _LEAST_SIGNAL:
        raise CalibrationError(
            f"{path} is black: its brightest pixels reach {bright:.1%} of full scale; use photographs."
        )
    if max(float(site.std(dtype=np.float32)) for site in _sites(mosaic)) < _LEAST_SPREAD:
        raise CalibrationError(f"{path} holds one value throughout, nothing to measure ranges on: use photographs.")
    found = neighbour_correlation(mosaic)
    if found < LEAST_CORRELATION:
        raise CalibrationError(
            f"{path} looks like noise, not like a photograph: sites of one colour two pixels apart have a correlation "
            f"of {found:.2f}, expected above {LEAST_CORRELATION}; ranges of noise would be wrong for photographs."
        )


def neighbour_correlation(mosaic: Mosaic) -> float:
    """Correlation of sites of one colour that are neighbours in a row or column, the four planes weighted by variance.

    (H, W) uint16 -> at most 1; 0 for a mosaic without variance.
    """
    together = apart = 0.0
    for site in _sites(mosaic):
        plane = site.astype(np.float32)
        plane -= plane.mean()
        across = float(np.mean(plane[:, 1:] * plane[:, :-1]))
        down = float(np.mean(plane[1:] * plane[:-1]))
        together += (across + down) / 2
        apart += float(np.mean(np.square(plane)))
    return together / apart if apart else 0.0


def _sites(mosaic: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """(H, W) -> four (H/2, W/2), views: the sites of the 2x2 pattern, row by row."""
    return [mosaic[row::2, column::2] for row in (0, 1) for column in (0, 1)]
