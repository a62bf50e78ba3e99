"""What a picture is to carry of its RAW: prepared when it is rendered, finished with the pixels that a file stores."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.gain_map import GainMap
from invisp_deploy.formats.pixels import Pixels, Rows
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.sidedata.highlights import brighter, fitted_gain_map, highlights_of
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.sidedata.predictor import PREDICTOR_LAYER, Predictor, fitted_filters, predictor_size

MOST_HIGHLIGHTS: Final = 64_000
"""Bytes of a gain map where no budget is named."""

DIGITS: Final = 16
"""Of a record's digest, hexadecimal, by which a layer knows its picture."""

_GAIN_MAP_SIZE: Final = 1500
"""Bytes by which a gain map is described, about."""

_SAMPLES: Final = 100_000
"""2x2 squares that a filter is fitted to; more change nothing in the second decimal of a decibel."""

_STRIP: Final = 2
"""Pairs of rows that are sampled together."""


class Carried:
    """The layers that a picture of these codes, rendered from this mosaic by this recipe, is to carry.

    mosaic: (H, W) DN, pixels: (H, W, 3), both even, aligned. Of the mosaic no more is kept than will be needed. Called
    by what writes the picture. gain_map: None where nothing lies above white.

    Raises RequestError for a budget that holds nothing.
    """

    def __init__(self, mosaic: Mosaic, recipe: Recipe, pixels: Pixels, budget: RawBudget) -> None:
        self._recipe, self._shape = recipe, mosaic.shape
        self._deep = pixels.dtype == np.uint16  # their way through the network is exact to a few DN; no filter is
        most = MOST_HIGHLIGHTS if budget.most is None else budget.most - predictor_size(2) - _GAIN_MAP_SIZE
        if budget.most is not None and budget.most < predictor_size(1):
            raise RequestError(
                f"`raw_budget` is {budget.most} bytes, and the least that is carried, a predictor, takes "
                f"{predictor_size(1)} bytes: give it that room, or 0 for none."
            )
        found = brighter(mosaic, recipe, pixels)
        self.gain_map: GainMap | None = None if found is None else fitted_gain_map(found, most)
        self._open = _strips(mosaic, np.arange(len(mosaic) // 2 // _STRIP))
        self._clipped: list[tuple[int, Mosaic]] = []
        if found is not None and self.gain_map is not None:
            rows = found.count[: len(found.count) // _STRIP * _STRIP].reshape(-1, _STRIP * found.count.shape[1])
            self._clipped = _strips(mosaic, np.flatnonzero(rows.any(axis=1)), share=float((rows > 0).mean()))

    def __call__(self, rows: Rows, digest: str) -> dict[str, bytes]:
        """The layers of a picture whose file gives these rows and whose record has that digest."""
        height, width = self._shape
        highlights = None if self.gain_map is None else highlights_of(self.gain_map, height, width)
        recipe = self._recipe
        of_all = (height, recipe.cfa, recipe.white, highlights)
        open_ = fitted_filters(rows, self._open, *of_all, clipped=False)
        clipped = None if highlights is None else fitted_filters(rows, self._clipped, *of_all, open_, clipped=True)
        if self._deep:
            open_ = None
        if open_ is None and clipped is None:
            return {}
        predictor = Predictor(recipe.cfa, int(np.ceil(recipe.white)), open_, clipped, digest[:DIGITS])
        return {PREDICTOR_LAYER: predictor.to_bytes()}


def _strips(mosaic: Mosaic, among: npt.NDArray[np.intp], share: float = 1.0) -> list[tuple[int, Mosaic]]:
    """About `_SAMPLES` squares in whole strips, evenly among those with these numbers, of which a share counts."""
    wanted = int(np.ceil(_SAMPLES / (_STRIP * mosaic.shape[1] // 2 * max(share, 0.01))))
    chosen = among[np.unique(np.linspace(0, len(among) - 1, min(wanted, len(among))).astype(int))]
    step = 2 * _STRIP
    return [(int(each) * _STRIP, mosaic[each * step : (each + 1) * step].copy()) for each in chosen]
