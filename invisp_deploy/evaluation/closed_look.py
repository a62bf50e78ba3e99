"""A look as a closed form, the rival of networks that learn one: matrix, curve and 3D table, fitted to pictures.

::

    picture = g(v) + T(v),    v = bt709(M light)

M (3x3) mixes linear light, g is one monotone curve for all channels, T a table of 33 nodes a side that has what the
curve leaves, between them trilinear. That is what a colour profile with a "cube" holds. It sees one pixel at a
time: sharpening and noise reduction are beyond it. The way back is another one of these, from the picture's colours to
linear light, fitted to what the first makes: a table that clips or folds colours has no inverse of its own.

M and g are fitted in turns, M by Gauss-Newton and g by isotonic regression and monotone cubic interpolation (PCHIP);
then T by least squares with a penalty on second differences, the one that is best where each fifth of the pictures is
held back in turn. Needs scipy (extra `tables`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.config import CONFIGURATIONS
from invisp_deploy.contract import CameraContract
from invisp_deploy.dataset.open import Shot
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.develop import develop
from invisp_deploy.isp.steps import Bt709, Codes
from invisp_deploy.rendering.model import Model
from invisp_deploy.runtimes.around import StepsAround
from invisp_deploy.runtimes.base import Feeds, Runtime, graph_specs

SIZE: Final = 33
"""Nodes along a side of the table."""

_TRIAL_SIZE: Final = 17
"""The same while the penalty is chosen, which is one of curvature and no matter of nodes."""

_PENALTIES: Final = (1e-4, 1e-5, 3e-6, 1e-6, 3e-7, 1e-7, 3e-8, 1e-8)
"""Of the table's curvature, beside the mean squared error."""

_EDGE: Final = 32
_PER_WINDOW: Final = 256
_WINDOWS: Final = 2000
"""Windows of pictures that are looked at, with their edge in pixels, and pixels that are taken of each."""

_PARTS: Final = 5
"""Of the pictures, or where there are fewer, of their windows: each is held back once."""

_FLOOR: Final = 1e-10
"""Of the table itself beside its curvature, so that nodes without colours have a value."""

_ENOUGH: Final = 3e-4
"""Share of the first residual at which conjugate gradients end; a tenth of it changes no figure by 0.01 dB."""

_ROUNDS: Final = 6
_FEW: Final = 60_000
"""Colours that the matrix is fitted to: nine numbers need no more."""

_BINS: Final = 128
_BEYOND: Final = 1.0
"""Of white: how far the curve goes on beyond the colours that were seen."""

_TRIMMED: Final = 0.001
"""Share of the values at either end that lie beyond the table, whose last node they take."""

_STRIP: Final = 1 << 20
"""Pixels that are looked up at once."""

Colours = npt.NDArray[np.float64]
"""(N, 3): R, G and B."""


@dataclass(frozen=True)
class Examples:
    """Colours of the same places: as they come in, behind the curve of BT.709, and as they are to be. part: (N,), of
    `_PARTS`, which are held back in turn while the penalty is chosen.
    """

    given: Colours
    wanted: Colours
    part: npt.NDArray[np.intp]


@dataclass(frozen=True)
class ClosedLook:
    """matrix: (3, 3). knots: (2, K), the curve's places and values, both rising. ends: the table's first and last
    place. table: (n, n, n, 3) float32, by R, G and B. penalty: that it was fitted with.
    """

    matrix: npt.NDArray[np.float64]
    knots: npt.NDArray[np.float64]
    ends: tuple[float, float]
    table: npt.NDArray[np.float32]
    penalty: float

    @property
    def digest(self) -> str:
        """SHA-256 of all its numbers."""
        parts = (self.matrix, self.knots, np.array(self.ends), self.table)
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()

    def __call__(self, planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(3, H, W) behind the curve of BT.709 -> (3, H, W), not clipped."""
        from scipy.interpolate import PchipInterpolator
        from scipy.ndimage import map_coordinates

        curve = PchipInterpolator(*self.knots)
        places = np.linspace(self.knots[0, 0], self.knots[0, -1], 1 << 14)
        values = curve(places)
        made = np.empty_like(planes)
        given, shown = (each.reshape(3, -1) for each in (planes, made))
        for start in range(0, given.shape[1], _STRIP):
            part = slice(start, start + _STRIP)
            mixed = _mixed(given[:, part].T, self.matrix).T
            at = _on_table(mixed, self.ends) * (len(self.table) - 1)
            for channel in range(3):
                left = map_coordinates(self.table[..., channel], at, order=1, mode="nearest")
                shown[channel, part] = np.interp(mixed[channel], places, values) + left
        return made


def closed_looks(shots: Sequence[Shot], contract: CameraContract, seed: int = 0) -> dict[Direction, ClosedLook]:
    """The forward one, fitted to pairs of a prepared dataset, and the inverse one, fitted to the forward's pictures.

    Colours come from random windows of all shots. contract: of the steps around, of sRGB. Raises DatasetError for files
    that are damaged, ContractError for frames that cannot be developed.
    """
    seen = _examples(shots, contract, np.random.default_rng(seed))
    forward = fit_closed_look(seen)
    shown = forward(np.ascontiguousarray(seen.given.T, np.float32)[:, None])
    codes = Codes(8)
    decoded = codes.inverse(codes.forward(shown, {}), {})[:, 0].T.astype(np.float64)
    light = Bt709().inverse(seen.given.astype(np.float32), {}).astype(np.float64)
    return {Direction.FORWARD: forward, Direction.INVERSE: fit_closed_look(Examples(decoded, light, seen.part))}


def fit_closed_look(seen: Examples) -> ClosedLook:
    """The closed form of what happens to colours."""
    matrix, knots = _matrix_and_curve(seen)
    mixed = _mixed(seen.given, matrix)
    low, high = np.quantile(mixed, (_TRIMMED, 1 - _TRIMMED))
    at, left = _on_table(mixed, (low, high)), seen.wanted - _curve(knots)(mixed)
    parts = [_Sums.of(at[seen.part == part], left[seen.part == part], _TRIAL_SIZE) for part in np.unique(seen.part)]
    penalty = _best_penalty(parts)
    coarse = _added(parts).table(penalty)
    nodes_at = np.stack(np.meshgrid(*[np.linspace(0, 1, SIZE)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    table = _Sums.of(at, left, SIZE).table(penalty, _corners(nodes_at, _TRIAL_SIZE) @ coarse)
    nodes = table.reshape(SIZE, SIZE, SIZE, 3).astype(np.float32)
    return ClosedLook(matrix, knots, (float(low), float(high)), nodes, penalty)


def closed_look_model(looks: dict[Direction, ClosedLook], contract: CameraContract, name: str) -> Model:
    """Both as a model like any other, with the steps of the contract around them."""
    digest = hashlib.sha256("".join(looks[way].digest for way in Direction).encode()).hexdigest()
    runtimes = {way: StepsAround(_ClosedLookRuntime(looks[way], contract, way, digest)) for way in Direction}
    return Model.of(name, runtimes[Direction.FORWARD], runtimes[Direction.INVERSE])


class _ClosedLookRuntime(Runtime):
    def __init__(self, look: ClosedLook, contract: CameraContract, direction: Direction, weights: str) -> None:
        self.name = "numpy"
        self.card = GraphCard(direction, CONFIGURATIONS["closed-form"], contract, weights, form="tensor")
        self.inputs, self.outputs = graph_specs(self.card)
        self._look = look

    def _run(self, feeds: Feeds) -> dict[str, npt.NDArray[Any]]:
        made = self._look(feeds[self.inputs[0].name][0])
        if self.card.direction is Direction.INVERSE:
            made = Bt709().forward(made, {})
        return {self.outputs[0].name: made[None]}


def _examples(shots: Sequence[Shot], contract: CameraContract, random: np.random.Generator) -> Examples:
    """Colours of windows that do not overlap, as many of every shot, at random."""
    given, wanted, parts = [], [], []
    most = max(_WINDOWS // len(shots), 1)
    for place, shot in enumerate(shots):
        frame, recipe = shot.frame, shot.recipe(contract)
        height, width = frame.mosaic.shape
        edge = min(_EDGE, height, width)
        corners = list(product(range(0, height - edge + 1, edge), range(0, width - edge + 1, edge)))
        for count, chosen in enumerate(random.permutation(len(corners))[:most]):
            top, left = corners[chosen]
            window = (slice(top, top + edge), slice(left, left + edge))
            pixels = random.permutation(edge * edge)[:_PER_WINDOW]
            given.append(develop(frame.mosaic, recipe, window).reshape(3, -1).T[pixels])
            wanted.append(shot.target(window).reshape(-1, 3)[pixels] / 255)
            parts += [(place if len(shots) >= _PARTS else count) % _PARTS] * len(pixels)
    return Examples(np.concatenate(given).astype(np.float64), np.concatenate(wanted), np.array(parts))


def _mixed(given: npt.NDArray[Any], matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(N, 3) behind the curve -> the same with the light mixed by the matrix."""
    bt709 = Bt709()
    light = bt709.inverse(given.astype(np.float32), {}) @ matrix.T.astype(np.float32)
    return bt709.forward(light, {}).astype(np.float64)


def _on_table(mixed: npt.NDArray[np.float64], ends: tuple[float, float]) -> npt.NDArray[np.float64]:
    """Shares of the way from the table's first node to its last."""
    return np.clip((mixed - ends[0]) / (ends[1] - ends[0]), 0, 1)


def _matrix_and_curve(seen: Examples) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    few = slice(None, None, max(len(seen.given) // _FEW, 1))
    given, wanted = seen.given[few], seen.wanted[few]
    matrix = np.eye(3)
    light = Bt709().inverse(given.astype(np.float32), {}).astype(np.float64)
    for _ in range(_ROUNDS):
        mixed = _mixed(given, matrix)
        knots = _monotone(mixed, wanted)
        missed = wanted - _curve(knots)(mixed)
        slope = _curve(knots, 1)(mixed) * _bt709_slope(light @ matrix.T)
        steps = [np.linalg.lstsq(light * slope[:, [row]], missed[:, row], rcond=None)[0] for row in range(3)]
        matrix = matrix + np.array(steps)
    return matrix, _monotone(_mixed(seen.given, matrix), seen.wanted)


def _bt709_slope(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of the curve, by a difference: it has two pieces."""
    bt709, step = Bt709(), np.float32(1e-3)
    low, high = (bt709.forward((light + side * step).astype(np.float32), {}) for side in (-1, 1))
    return ((high - low) / (2 * step)).astype(np.float64)


def _monotone(mixed: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(2, K): means of bins, made to rise, and a knot beyond either end: the last quarters go on in their direction."""
    from scipy.optimize import isotonic_regression

    x, y = mixed.ravel(), wanted.ravel()
    low, high = x.min(), x.max()
    bins = np.minimum((x - low) / max(high - low, 1e-9) * _BINS, _BINS - 1).astype(int)
    counts = np.bincount(bins, minlength=_BINS)
    full = counts > 0
    places, means = (np.bincount(bins, each, _BINS)[full] / counts[full] for each in (x, y))
    values = isotonic_regression(means, weights=counts[full]).x
    quarters = low + (high - low) * np.array([0.25, 0.75])
    first, last = np.interp(quarters, places, values)
    rise = (first - values[0]) / max(quarters[0] - places[0], 1e-9)
    fall = (values[-1] - last) / max(places[-1] - quarters[1], 1e-9)
    beyond = np.array([places[0] - _BEYOND, *places, places[-1] + _BEYOND])
    return np.stack([beyond, [values[0] - _BEYOND * rise, *values, values[-1] + _BEYOND * fall]])


def _curve(
    knots: npt.NDArray[np.float64], derivative: int = 0
) -> Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
    """The curve, which is level beyond its knots."""
    from scipy.interpolate import PchipInterpolator

    inner, (first, last) = PchipInterpolator(*knots).derivative(derivative), knots[0, [0, -1]]

    def at(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        values: npt.NDArray[np.float64] = inner(np.clip(places, first, last))
        return values

    return at


def _corners(at: npt.NDArray[np.float64], size: int) -> Any:
    """(N, size**3), sparse: by what share each place takes each node, trilinear."""
    from scipy.sparse import csr_array

    places = at * (size - 1)
    below = np.minimum(places.astype(int), size - 2)
    share = places - below
    columns = np.empty((len(at), 8), np.int32)
    values = np.empty((len(at), 8))
    for index, corner in enumerate(product((0, 1), repeat=3)):
        node = below + corner
        columns[:, index] = (node[:, 0] * size + node[:, 1]) * size + node[:, 2]
        values[:, index] = np.prod(np.where(corner, share, 1 - share), axis=1)
    rows = np.arange(0, 8 * len(at) + 1, 8)
    return csr_array((values.ravel(), columns.ravel(), rows), shape=(len(at), size**3))


@lru_cache(maxsize=2)
def _roughness(size: int) -> Any:
    """(size**3, size**3), sparse: the mean over the table of its squared second derivatives, as a quadratic form."""
    from scipy.sparse import diags_array, eye_array, kron

    same = eye_array(size)
    first = diags_array([-np.ones(size - 1), np.ones(size - 1)], offsets=[0, 1], shape=(size - 1, size)) * (size - 1)
    second = (first.tocsr()[1:, 1:] @ first.tocsr()) * 1.0
    pure = [(second, same, same), (same, second, same), (same, same, second)]
    crossed = [(first, first, same), (first, same, first), (same, first, first)]
    total: Any = 0
    for times, (a, b, c) in [*((1, each) for each in pure), *((2, each) for each in crossed)]:
        differences = kron(kron(a, b), c).tocsr()
        total = total + times * (differences.T @ differences)
    return (total / size**3).tocsr()


@dataclass(frozen=True)
class _Sums:
    """All that least squares ask of places and what is wanted there: sums over them, of a table of so many nodes."""

    size: int
    count: int
    normal: Any
    sides: npt.NDArray[np.float64]
    squares: float

    @classmethod
    def of(cls, at: Colours, left: Colours, size: int) -> _Sums:
        weights = _corners(at, size)
        return cls(size, len(at), weights.T @ weights, weights.T @ left, float(np.square(left).sum()))

    def __add__(self, other: _Sums) -> _Sums:
        added = (getattr(self, name) + getattr(other, name) for name in ("count", "normal", "sides", "squares"))
        return _Sums(self.size, *added)

    def error(self, table: npt.NDArray[np.float64]) -> float:
        """Summed squares of what a table misses."""
        return float(np.sum(table * (self.normal @ table)) - 2 * np.sum(table * self.sides)) + self.squares

    def table(self, penalty: float, start: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
        """(size**3, 3): the least mean squared error plus the penalty, by conjugate gradients from a start."""
        from scipy.sparse import diags_array, eye_array
        from scipy.sparse.linalg import cg

        normal = self.normal / self.count + penalty * _roughness(self.size) + _FLOOR * eye_array(self.size**3)
        nearly = diags_array(1 / normal.diagonal())
        sides = self.sides / self.count
        first = np.zeros_like(sides) if start is None else start
        solved = [
            cg(normal, sides[:, channel], first[:, channel], rtol=_ENOUGH, maxiter=300, M=nearly)[0]
            for channel in range(3)
        ]
        return np.stack(solved, axis=1)


def _added(parts: Sequence[_Sums]) -> _Sums:
    first, *others = parts
    return sum(others, first)


def _best_penalty(parts: Sequence[_Sums]) -> float:
    """The one with the least error on parts that were held back; the largest where there is but one part."""
    errors = np.zeros(len(_PENALTIES))
    for held in parts if len(parts) > 1 else ():
        rest = _added([each for each in parts if each is not held])
        table = None
        for index, penalty in enumerate(_PENALTIES):
            table = rest.table(penalty, table)
            errors[index] += held.error(table)
    return _PENALTIES[int(errors.argmin())]
