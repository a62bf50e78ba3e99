"""How far two pictures are apart to the eye, and what many of them come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from invisp_deploy.isp.steps import Float


def lab_of(picture: Float) -> Float:
    """(3, h, w) in [0, 1] behind the curve of sRGB -> CIE L*a*b* (D65)."""
    from skimage.color import rgb2lab

    lab: Float = rgb2lab(picture, channel_axis=0)
    return lab


def colour_difference(lab: Float, true: Float) -> Float:
    """CIE DE2000 of two pictures in L*a*b*, (3, h, w) -> (h, w)."""
    from skimage.color import deltaE_ciede2000

    apart: Float = deltaE_ciede2000(true, lab, channel_axis=0).astype(np.float32)
    return apart


def mean_figures(files: Sequence[Any]) -> Any:
    """Of several files' figures under the same names, each the mean over those that have it; null where none has."""
    if isinstance(files[0], dict):
        return {key: mean_figures([each[key] for each in files]) for key in files[0]}
    known = [value for value in files if value is not None]
    return float(np.mean(known)) if known else None
