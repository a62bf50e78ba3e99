"""Where each colour of a sensor has no more to say, measured: a file's white level may lie above that, or below.

Pixels that saturate pile up at one level, with their noise around it; a scene's own values do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.isp.frame import Mosaic
from invisp_deploy.isp.recipe import Recipe

Shares = npt.NDArray[np.float64]
"""(3,): of R, G and B, of the way from the black level to white."""

_BINS: Final = 200
"""From black to white."""

_LEAST: Final = 160
"""The bin from which a pile is looked for: 0.8 of white."""

_LAST: Final = 260
_LOOKED_AT: Final = 1 << 21
"""Pixels, about, in rows all over a mosaic: a pile shows in a few."""

_BELOW: Final = slice(-8, -3)
"""Bins that a pile is compared with, from its own: its noise is nearer."""

_TIMES: Final = 5
"""What a pile has of what lies below, at least: piles of ten cameras had 7 to 1000 times, and the rest at most 2.5."""

_SHARE: Final = 1e-4
"""Of the pixels of a colour, at least."""

_NOISE: Final = 0.03
"""How far below its pile a pixel counts as saturated."""


def saturated_from(mosaic: Mosaic, recipe: Recipe) -> Shares:
    """From which share of white each colour of a mosaic (H, W) is saturated; infinite for one that nowhere is."""
    found = np.full(3, np.inf)
    step = 2 * max(mosaic.size // _LOOKED_AT, 1)
    for colour, letter in enumerate("RGB"):
        counts = np.zeros(_LAST + 1)
        for site in range(4):
            if recipe.cfa[site] == letter:
                values = np.bincount(mosaic[site // 2 :: step, site % 2 :: 2].ravel())
                share = (np.arange(len(values)) - recipe.black[site]) / (recipe.white - recipe.black[site])
                bins = np.clip(share * _BINS, 0, _LAST).astype(int)
                counts += np.bincount(bins, weights=values, minlength=_LAST + 1)
        fullest = _LEAST + int(counts[_LEAST:].argmax())
        below = counts[fullest + _BELOW.start : fullest + _BELOW.stop].mean()
        if counts[fullest] >= _TIMES * (below + 1) and counts[fullest - 1 :].sum() >= _SHARE * counts.sum():
            found[colour] = fullest / _BINS - _NOISE
    return found


def in_dn(shares: Shares, recipe: Recipe) -> tuple[float, float, float, float]:
    """Of R, G and B -> DN of the sites of the recipe's pattern, row by row."""
    colours = ["RGB".index(letter) for letter in recipe.cfa]
    first, second, third, fourth = (
        float(black + shares[colour] * (recipe.white - black))
        for black, colour in zip(recipe.black, colours, strict=True)
    )
    return first, second, third, fourth


def saturated_at(strips: Sequence[tuple[int, Mosaic]], ends: Sequence[float], white: int) -> tuple[int, int, int, int]:
    """The median DN of each site from its end on, in strips of a mosaic; white where none has so many."""
    levels = []
    for site, (row, column) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        values = [strip[row::2, column::2] for _, strip in strips]
        there = np.concatenate([each[each >= ends[site]] for each in values]) if values else np.empty(0)
        levels.append(int(np.median(there)) if there.size else white)
    first, second, third, fourth = levels
    return first, second, third, fourth
