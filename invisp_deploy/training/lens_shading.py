"""What a camera's rendering gives back of what the lens took from the corners, estimated from pairs.

A look makes of a colour the same colour wherever it is; a lens's falloff depends on the place alone. So the logarithm
of what the target shows is fitted by a function of the colour and one of the distance from the centre, side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.errors import ContractError, TrainingError
from invisp_deploy.isp.colour import srgb_to_linear
from invisp_deploy.isp.develop import develop
from invisp_deploy.isp.shading import Shading, check_shading, gain_at
from invisp_deploy.isp.steps import bt709_light
from invisp_deploy.tolerances import TOLERANCES

if TYPE_CHECKING:
    from invisp_deploy.training.data import Pair

_SQUARE: Final = 16
"""Pixels a side that are averaged: noise, sharpening and a shift of a fraction of a pixel do not count."""

_STRIP: Final = 16 * _SQUARE
_DARK, _LIGHT = 0.003, 0.9
"""Shares of white between which neither picture is black or clips."""

_COLOURED: Final = 1.5
"""Largest logarithm of a ratio of colours: beyond it gamuts end, and the function of the colour has a kink."""

_ROUNDS: Final = 15
_LUMINANCE: Final = np.array([0.2126, 0.7152, 0.0722])
_LEAST_ERROR: Final = 0.01
_FEWEST: Final = 2000
"""Squares; fewer are no picture of a lens."""

_Values = npt.NDArray[np.float64]


def fitted_shading(pairs: Sequence[Pair]) -> Shading:
    """Gains from 1 in the centre on, rising or level, as `isp.shading` has them; pairs of one camera and lens.

    Raises TrainingError where the left and the right halves disagree, or where too few squares tell.
    """
    parts = [_squares(pair) for pair in pairs]
    colours, shown, squared, left = (np.concatenate(each, axis=0) for each in zip(*parts, strict=True))
    if min(left.sum(), (~left).sum()) < _FEWEST:
        raise TrainingError(
            f"`lens_shading` needs {_FEWEST} squares of {_SQUARE}x{_SQUARE} pixels that are neither black nor white in "
            f"each half of the pictures, got {min(left.sum(), (~left).sum())}: train with more or larger files, or "
            "without it."
        )
    halves = [_falloff(colours[half], shown[half], squared[half]) for half in (left, ~left)]
    most = TOLERANCES["lens-shading-halves"].limit
    at_edge = [float(np.exp(np.array([0.5, 0.25]) @ each)) for each in halves]
    if abs(at_edge[0] / at_edge[1] - 1) > most:
        raise TrainingError(
            f"`lens_shading` finds gains of {at_edge[0]:.3f} in the left halves and {at_edge[1]:.3f} in the right "
            f"ones, at 0.7 of the way to the corner, expected at most {most:.0%} between them: it is no lens's, "
            "or the camera lightens parts of its pictures; train without it."
        )
    return _polynomial(_falloff(colours, shown, squared))


def _squares(pair: Pair) -> tuple[_Values, _Values, _Values, npt.NDArray[np.bool_]]:
    """Of each square that counts: logarithms of its luminance, red by green and blue by green (n, 3), and of what the
    target shows; the squared distance from the centre; whether it is in the left half.
    """
    height, width = (side // _SQUARE * _SQUARE for side in pair.mosaic.shape)
    seen, shown = [], []
    for top in range(0, height, _STRIP):
        window = (slice(top, min(top + _STRIP, height)), slice(0, width))
        domain = develop(pair.mosaic, pair.recipe, window).transpose(1, 2, 0).astype(np.float64)
        seen.append(_means(bt709_light(domain)))
        shown.append(_means(srgb_to_linear((pair.target(window) / 255).astype(np.float32)).astype(np.float64)))
    scene, target = np.concatenate(seen), np.concatenate(shown)
    down, across = ((np.arange(count) + 0.5) * _SQUARE for count in scene.shape[:2])
    whole = pair.mosaic.shape
    corner = (whole[0] / 2) ** 2 + (whole[1] / 2) ** 2
    squared = ((down[:, None] - whole[0] / 2) ** 2 + (across - whole[1] / 2) ** 2) / corner
    left = np.broadcast_to(across < whole[1] / 2, squared.shape)
    light, shines = scene @ _LUMINANCE, target @ _LUMINANCE
    lowest, highest = np.minimum(scene, target).min(axis=2), np.maximum(scene, target).max(axis=2)
    logarithms = np.log(np.maximum(np.stack([light, *scene.transpose(2, 0, 1)]), _DARK / 10))
    red, blue = logarithms[1] - logarithms[2], logarithms[3] - logarithms[2]
    there = (lowest > _DARK) & (highest < _LIGHT) & (np.maximum(abs(red), abs(blue)) < _COLOURED)
    colours = np.stack([logarithms[0], red, blue], axis=-1)
    return colours[there], np.log(shines[there]), squared[there], left[there]


def _falloff(colours: _Values, shown: _Values, squared: _Values) -> _Values:
    """(2,): the logarithm of the gain by squared distance and by its square, before the look, whose contrast counts.

    Gauss and Newton; least absolute errors, which places that were lightened or sharpened do not move, by reweighted
    squares.
    """
    bright, red, blue = colours.T
    places = np.stack([squared, squared**2], axis=1)
    falloff, weight, slope = np.zeros(2), np.ones(len(shown)), np.ones(len(shown))
    for _ in range(_ROUNDS):
        given = bright + places @ falloff
        powers = np.stack([given**power for power in range(6)], axis=1)
        of_colour = np.stack([red, blue, red**2, blue**2, red * blue, red * given, blue * given], axis=1)
        unknown = np.concatenate([powers, of_colour, places * slope[:, None]], axis=1)
        found = np.linalg.lstsq(unknown * weight[:, None], shown * weight, rcond=None)[0]
        falloff = falloff + found[-2:]
        slope = powers[:, :5] @ (found[1:6] * np.arange(1, 6)) + red * found[11] + blue * found[12]
        weight = 1 / np.sqrt(np.maximum(abs(shown - unknown @ found), _LEAST_ERROR))
    return np.asarray(falloff, np.float64)


def _polynomial(falloff: _Values) -> Shading:
    """The gain itself by powers of the squared distance."""
    squared = np.linspace(0, 1, 65)
    wanted = np.exp(falloff[0] * squared + falloff[1] * squared**2)
    terms = np.stack([squared, squared**2, squared**3], axis=1)
    shading = tuple(round(float(each), 6) for each in np.linalg.lstsq(terms, wanted - 1, rcond=None)[0])
    try:
        check_shading(shading)
    except ContractError as error:
        gains = gain_at(squared, shading)
        raise TrainingError(
            f"`lens_shading` finds gains of {gains.min():.3f} to {gains.max():.3f}, expected those of a lens, from 1 "
            "on: train without it."
        ) from error
    return shading


def _means(light: _Values) -> _Values:
    """(h, w, 3) -> those of its squares."""
    rows, columns = (side // _SQUARE for side in light.shape[:2])
    means: _Values = light.reshape(rows, _SQUARE, columns, _SQUARE, 3).mean(axis=(1, 3))
    return means
