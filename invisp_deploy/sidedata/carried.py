"""What a picture is to carry of its RAW: prepared when it is rendered, finished with the pixels that a file stores."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.gain_map import GainMap
from invisp_deploy.formats.pixels import Pixels, Rows, clipped_pixels
from invisp_deploy.isp.alignment import Alignment
from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.isp.shading import with_shading
from invisp_deploy.sidedata.correction import (
    Corrections,
    NetworkInverse,
    SampledWindow,
    clipped_windows,
    fitted_corrections,
    sampled_windows,
)
from invisp_deploy.sidedata.highlights import brighter, exposure_of, fitted_gain_map, highlights_of
from invisp_deploy.sidedata.linear import Highlights
from invisp_deploy.sidedata.noise import frame_noise
from invisp_deploy.sidedata.options import RawBudget
from invisp_deploy.sidedata.predictor import (
    DIGITS,
    PREDICTOR_LAYER,
    Predictor,
    closed_form_filters,
    digest_of,
    fitted_filters,
    predictor_size,
)
from invisp_deploy.sidedata.residual import RESIDUAL_LAYER, Bound, encode_residual, least_residual, uniform_bound
from invisp_deploy.sidedata.saturation import in_dn, saturated_at

_TIMES: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0)
"""Multiples of the noise that a budget is filled with."""

_ERRORS: Final = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256)
"""The same in DN, for a frame that does not show its noise."""

MOST_HIGHLIGHTS: Final = 64_000
"""Bytes of a gain map where no budget is named."""

_GAIN_MAP_SIZE: Final = 1500
"""Bytes by which a gain map is described, about."""

_SAMPLES, _CLIPPED_SAMPLES = 70_000, 30_000
"""2x2 squares that filters are fitted to; more change nothing in the second decimal of a decibel."""

_ALIGNED: Final = 16
"""Pixels that the coarsest gain map has one for."""

_STRIP: Final = 2
"""Pairs of rows that are sampled together."""


class Carried:
    """The layers that a picture of these codes, rendered from this frame, is to carry.

    mosaic: the frame's (H, W) DN, pixels: (H, W, 3), both even, aligned; recipe: of these. Of the mosaic no more is
    kept than will be needed. Called by what writes the picture. gain_map: None where nothing lies above white.
    look: None of a picture near the closed form, whose inverse filters are fitted from; of another look the network's
    inverse is nearer, and what is fitted filters that.

    Raises RequestError for a budget that holds nothing.
    """

    def __init__(
        self,
        frame: RawFrame,
        alignment: Alignment,
        mosaic: Mosaic,
        recipe: Recipe,
        pixels: Pixels,
        budget: RawBudget,
        *,
        look: NetworkInverse | None = None,
    ) -> None:
        if budget.most is not None and budget.most < predictor_size(1):
            raise RequestError(
                f"`raw_budget` is {budget.most} bytes, and the least that is carried, a predictor, takes "
                f"{predictor_size(1)} bytes: give it that room, or 0 for none."
            )
        self._recipe, self._shape, self._budget = recipe, mosaic.shape, budget
        # the way of 16 bits through the network is exact to a few DN; no filter is
        self._exact = pixels.dtype == np.uint16
        self._by_network = self._exact or look is not None
        self._frame = frame if budget.bounded or (budget.most is not None and look is None) else None
        self._alignment = alignment
        found = brighter(mosaic, recipe, pixels, 1.0 if look is None else exposure_of(mosaic, recipe, pixels))
        most: float = math.inf if budget.hdr else MOST_HIGHLIGHTS
        if budget.most is not None:
            most = budget.most - predictor_size(2) - _GAIN_MAP_SIZE
        self.gain_map: GainMap | None = None if found is None else fitted_gain_map(found, most)
        self._look = look
        self._windows = sampled_windows(mosaic) if look is not None and look.taken_back is not None else []
        starts = np.arange(0, len(mosaic) // 2, _STRIP)  # the last strip may be a shorter one
        self._open = _strips(mosaic, np.arange(starts.size), _SAMPLES)
        self._clipped: list[tuple[int, Mosaic]] = []
        self._clipped_windows: list[SampledWindow] = []
        self._ends = (recipe.white,) * 4
        if found is not None and self.gain_map is not None:
            counts = np.add.reduceat((found.count > 0).sum(axis=1), starts)
            among = np.flatnonzero(counts)
            self._clipped = _strips(mosaic, among, _CLIPPED_SAMPLES, per_strip=float(counts[among].mean()))
            self._ends = in_dn(found.ends, recipe)
            if self._windows:
                self._clipped_windows = clipped_windows(mosaic, found.count)

    def __call__(self, rows: Rows, digest: str) -> dict[str, bytes]:
        """The layers of a picture whose file gives these rows and whose record has that digest.

        Raises RequestError where a bound does not fit into the budget, or the noise is not known; MissingExtraError
        without what codes a residual.
        """
        height, width = self._shape
        recipe = self._recipe
        highlights = None if self.gain_map is None else highlights_of(self.gain_map, height, width)
        start, relative = closed_form_filters(recipe), self._budget.bounded
        white = int(np.ceil(recipe.white))
        of_open = (self._open, height, recipe, (recipe.white,) * 4, highlights, start)
        open_ = fitted_filters(rows, *of_open, clipped=False, relative=relative)
        clipped = None
        if highlights is not None:
            of_clipped = (self._clipped, height, recipe, self._ends, highlights, open_)
            clipped = fitted_filters(rows, *of_clipped, clipped=True)
        saturated = saturated_at(self._clipped, self._ends, white)
        predictor = Predictor(white, saturated, open_, clipped, digest[:DIGITS])
        if self._frame is not None:
            pixels = rows(0, height)
            predicted = predictor.predict(pixels, highlights)
            own = self._alignment.inverse(with_shading(predicted, recipe.shading, recipe.black))
            residual = self._residual(self._frame, np.ascontiguousarray(own), len(predictor.to_bytes()))
            if residual:
                predictor = replace(predictor, decoded=digest_of(pixels))
                return {PREDICTOR_LAYER: predictor.to_bytes(), RESIDUAL_LAYER: residual}
        if not self._by_network:
            return {PREDICTOR_LAYER: predictor.to_bytes()}
        predictor = replace(predictor, open=None, network=self._corrections(rows))
        if highlights is not None and not self._nearer(rows, predictor, highlights):
            predictor = replace(predictor, clipped=None)
        return {} if predictor.empty else {PREDICTOR_LAYER: predictor.to_bytes()}

    def _nearer(self, rows: Rows, predictor: Predictor, highlights: Highlights) -> bool:
        """Whether pixels that clip come nearer by highlights than by the network, which may see more than they show."""
        taken_back = None if self._look is None else self._look.taken_back
        if self._look is None or taken_back is None or not self._clipped_windows:
            return True
        margin = -(-self._look.halo // _ALIGNED) * _ALIGNED
        by_network = by_highlights = 0.0
        for window in self._clipped_windows:
            top, left, bottom, right = window.around(margin, self._shape)
            pixels = rows(top, bottom)[:, left:right].copy()
            network = taken_back(pixels)
            made = predictor.predict(pixels, highlights.cut(top, left, bottom, right), network.copy())
            y, x = window.top - top, window.left - left
            inner = slice(y, y + window.mosaic.shape[0]), slice(x, x + window.mosaic.shape[1])
            clipped = clipped_pixels(pixels)[inner]
            truth = window.mosaic[clipped].astype(np.float64)
            by_network += float(((network[inner][clipped] - truth) ** 2).sum())
            by_highlights += float(((made[inner][clipped] - truth) ** 2).sum())
        return by_highlights <= by_network

    def _corrections(self, rows: Rows) -> Corrections | None:
        taken_back = None if self._look is None else self._look.taken_back
        if self._look is None or taken_back is None or self._exact:
            return None
        windows = [*self._windows, *self._clipped_windows]  # most of the error is beside what clips
        return fitted_corrections(rows, windows, self._shape, self._recipe.white, taken_back, self._look.halo)

    def _residual(self, frame: RawFrame, predicted: Mosaic, taken: int) -> bytes:
        """The layer with the bound that is asked for, or the smallest that fits; empty where none is asked for or fits.

        taken: bytes of the predictor.
        """
        budget = self._budget
        most = math.inf
        if budget.most is not None:
            most = budget.most - taken - (len(self.gain_map.image) + _GAIN_MAP_SIZE if self.gain_map else 0)
        if budget.max_error is not None:
            asked = uniform_bound(budget.max_error)
        elif budget.max_noise is not None:
            asked = _noise_bound(frame, budget.max_noise)
        else:
            return _smallest_bound(frame, predicted, most)[1]
        residual = encode_residual(frame.mosaic, predicted, asked)
        if len(residual) <= most:
            return residual
        instead, fitting = _smallest_bound(frame, predicted, most)
        can, do = "no bound fits", "leave the bound out"
        if fitting:
            can, do = f"{instead} fits with {len(fitting):,} bytes", "ask for that"
        raise RequestError(
            f"The RAW within its bound needs {len(residual):,} bytes beside the predictor and the highlights, and "
            f"`raw_budget` leaves {max(most, 0):,.0f}: {can}; {do}, or give more room."
        )


def _noise_bound(frame: RawFrame, times: float) -> Bound:
    return frame_noise(frame).bound(float(np.mean(frame.black)), times)


def _smallest_bound(frame: RawFrame, predicted: Mosaic, most: float) -> tuple[str, bytes]:
    """The least bound for which a residual has at most `most` bytes, as it is asked for, and that residual; empty where
    none has. Bounds are multiples of the noise; where that is not known, DN.
    """
    found = ("", b"")
    if most < least_residual(*predicted.shape):
        return found
    option, numbers, bound_of = _askable(frame)
    least, last = 0, len(numbers) - 1
    while least <= last:
        middle = (least + last) // 2
        residual = encode_residual(frame.mosaic, predicted, bound_of(numbers[middle]))
        if len(residual) <= most:
            found, last = (f"`{option}` {numbers[middle]:g}", residual), middle - 1
        else:
            least = middle + 1
    return found


def _askable(frame: RawFrame) -> tuple[str, tuple[float, ...], Callable[[float], Bound]]:
    """What bounds on a frame are asked for by, numbers of it from the smallest bound on, and the bound of one."""
    try:
        noise = frame_noise(frame)
    except RequestError:
        return "max_error", _ERRORS, lambda most: uniform_bound(int(most))
    black = float(np.mean(frame.black))
    return "max_noise", _TIMES, lambda times: noise.bound(black, times) if times else uniform_bound(0)


def _strips(
    mosaic: Mosaic, among: npt.NDArray[np.intp], samples: int, per_strip: float | None = None
) -> list[tuple[int, Mosaic]]:
    """About so many squares in whole strips, evenly among those with these numbers. per_strip: squares that count in
    one, all of them where it is not said.
    """
    wanted = int(np.ceil(samples / (per_strip or _STRIP * mosaic.shape[1] / 2)))
    chosen = among[np.unique(np.linspace(0, len(among) - 1, min(wanted, len(among))).astype(int))]
    step = 2 * _STRIP
    return [(int(each) * _STRIP, mosaic[each * step : (each + 1) * step].copy()) for each in chosen]
