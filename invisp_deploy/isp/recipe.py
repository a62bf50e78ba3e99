"""The numbers of one frame: what the contract's rules come to for it, and how graphs take them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from invisp_deploy.contract import CFA_PATTERNS, CameraContract, is_curve
from invisp_deploy.errors import ContractError
from invisp_deploy.isp.colour import as_color_matrix, camera_to_srgb, daylight_gains, inverse_matrix
from invisp_deploy.isp.demosaic import window_cfa
from invisp_deploy.isp.frame import ColorMatrix, FrameFacts, Mosaic
from invisp_deploy.isp.shading import Shading, check_shading

Numbers = Mapping[str, npt.NDArray[Any]]
"""The graph inputs of one frame by name, each of the type and shape that `GRAPH_INPUTS` gives it."""

ADJUST_THRESHOLD: Final = 0.75
"""LibRaw's default `adjust_maximum_thr`: brighter data lower the white level of a rendering to their maximum."""


@dataclass(frozen=True)
class Recipe:
    """The numbers of one frame that the contract's rules resolve to; the picture's record carries them.

    cfa: pattern at the top left pixel of the frame that this recipe belongs to.
    black: DN per position of the 2x2 pattern, row by row; white: DN of full scale.
    gains: factors of R, G and B after the contract's normalisation.
    curve: of the network's domain, as the contract has it.
    matrix: white-balanced camera RGB to linear sRGB, rows R, G, B; None where the domain is the camera's own RGB.
    clips: whether white-balanced RGB is clipped at 1 before the matrix.
    shading: of the lens, taken out of the mosaic before all that is above; empty: nothing is.

    Raises ContractError for numbers that no frame has.
    """

    cfa: str
    black: tuple[float, float, float, float]
    white: float
    gains: tuple[float, float, float]
    curve: float | str
    matrix: ColorMatrix | None = None
    shading: Shading = ()
    clips: bool = True

    def __post_init__(self) -> None:
        numbers = (*self.black, self.white, *self.gains)
        if len(self.black) != 4 or len(self.gains) != 3 or not all(map(_is_number, numbers)):
            raise ContractError(f"A recipe has 4 black levels, a white one and 3 gains, got {numbers}.")
        if not is_curve(self.curve):
            raise ContractError(f"A recipe's curve is bt709 or a gamma from 1 to 4, got {self.curve!r}.")
        if self.matrix is not None:
            inverse_matrix(self.matrix)
        check_shading(self.shading)
        if not isinstance(self.clips, bool):
            raise ContractError(f"A recipe clips or does not, got {self.clips!r}.")
        if self.cfa not in CFA_PATTERNS:
            raise ContractError(f"A recipe's mosaic is one of {', '.join(CFA_PATTERNS)}, got {self.cfa!r}.")
        if not 0 <= min(self.black) <= max(self.black) < self.white <= 65535:
            raise ContractError(
                f"The contract's white level {self.white:g} does not exceed the frame's black level "
                f"{max(self.black):g}: these weights expect another camera or bit depth."
            )
        if not 1e-4 <= min(self.gains) <= max(self.gains) <= 1e4:
            raise ContractError(f"Gains lie between 0.0001 and 10000, got {self.gains}.")

    @property
    def color(self) -> str:
        """Of the network's domain, as the contract has it."""
        return "camera" if self.matrix is None else "srgb"

    def shifted(self, rows: int, columns: int) -> Recipe:
        """The same recipe as seen from pixel (rows, columns); by the pattern's period, also from (-rows, -columns)."""
        a, b, c, d = np.roll(np.reshape(self.black, (2, 2)), (-rows, -columns), (0, 1)).ravel().tolist()
        return replace(self, cfa=window_cfa(self.cfa, rows, columns), black=(a, b, c, d))

    def numbers(self) -> dict[str, npt.NDArray[Any]]:
        """All graph inputs beside the picture that this frame has values for; phase and curve may be in the graph."""
        rows = (each for each in GRAPH_INPUTS if not each.of_matrix or self.matrix is not None)
        return {each.name: np.array(each.value(self), each.dtype).reshape(each.shape) for each in rows}


@dataclass(frozen=True)
class GraphInput:
    """One input of graphs beside their picture. source: where in a frame the number comes from, in words.

    taken: whether the graph of that direction (`forward`, `inverse`) and contract has it. of_matrix: it is made of the
    frame's colour matrix.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    source: str
    value: Callable[[Recipe], Any]
    taken: Callable[[CameraContract, str], bool] = lambda contract, direction: True
    of_matrix: bool = False


GRAPH_INPUTS: Final = (
    GraphInput(
        "black", "float32", (4,), "black level, DN, at the 2x2 pattern's sites, row by row", lambda recipe: recipe.black
    ),
    GraphInput("white", "float32", (1,), "DN of full scale, after the contract's rule", lambda recipe: recipe.white),
    GraphInput("gains", "float32", (3,), "white balance of R, G, B, after the contract's rule", lambda r: r.gains),
    GraphInput(
        "cfa", "int32", (4,), "colour of each site, 0 R, 1 G, 2 B; in graphs for any phase",
        lambda r: ["RGB".index(colour) for colour in r.cfa],
        lambda contract, direction: contract.cfa == "any",
    ),
    GraphInput(
        "to_srgb", "float32", (3, 3), "camera RGB to linear sRGB, of the colour matrix; in forward graphs of sRGB",
        lambda r: r.matrix,
        lambda contract, direction: contract.color == "srgb" and direction == "forward",
        of_matrix=True,
    ),
    GraphInput(
        "to_camera", "float32", (3, 3), "linear sRGB to camera RGB, its inverse; in inverse graphs of sRGB",
        lambda r: None if r.matrix is None else inverse_matrix(r.matrix),
        lambda contract, direction: contract.color == "srgb" and direction == "inverse",
        of_matrix=True,
    ),
)  # fmt: skip
"""The one table of graph inputs: numpy's steps, the ONNX writer, runtimes and their users read it alike."""


def graph_inputs(contract: CameraContract, direction: str) -> tuple[GraphInput, ...]:
    """The rows that a graph of that contract and direction has."""
    return tuple(each for each in GRAPH_INPUTS if each.taken(contract, direction))


def recipe_for(facts: FrameFacts, mosaic: Mosaic, contract: CameraContract) -> Recipe:
    """Resolve the contract's rules for one frame.

    Raises ContractError where the frame lacks what the contract asks for.
    """
    if contract.white == "file":
        white = float(facts.white)
    elif contract.white == "adjusted":
        white = adjusted_white(facts, mosaic)
    else:
        white = float(contract.white)
    gains = (1.0, 1.0, 1.0)
    if contract.white_balance != "none":
        given = light_of(facts).gains
        divisor = (max if contract.white_balance == "max" else min)(given)
        gains = (given[0] / divisor, given[1] / divisor, given[2] / divisor)
    matrix = None
    if contract.color == "srgb":
        if facts.color_matrix is None:
            raise ContractError(
                "The file has no colour matrix, and none is known for its camera: pass `color_matrix`, nine numbers "
                "from CIE XYZ (D65) to camera RGB, row by row, as DNG's ColorMatrix."
            )
        matrix = as_color_matrix(camera_to_srgb(facts.color_matrix))
    return Recipe(facts.cfa, facts.black, white, gains, contract.curve, matrix, contract.shading, contract.clips)


@dataclass(frozen=True)
class Light:
    """White-balance gains of R, G, B, any common factor. source: `as shot`, or `daylight` of the colour matrix."""

    gains: tuple[float, float, float]
    source: str


def light_of(facts: FrameFacts) -> Light:
    """The gains that a frame is rendered with: as shot, else for daylight by its colour matrix, as LibRaw does.

    Raises ContractError where the frame has neither.
    """
    if facts.gains is not None:
        return Light(facts.gains, "as shot")
    if facts.color_matrix is None:
        raise ContractError(
            "The file has no as-shot white balance and no colour matrix to take daylight from: pass `white_balance`, "
            "three gains of R, G and B."
        )
    return Light(daylight_gains(facts.color_matrix), "daylight")


def adjusted_white(facts: FrameFacts, mosaic: Mosaic) -> float:
    """DN that LibRaw's rendering maps to full scale (its `adjust_maximum` with the default threshold).

    The file's white level, unless the brightest pixel lies below it and above three quarters of it, both
    counted from black: then that pixel.
    """
    brightest = max(
        float(mosaic[row::2, column::2].max()) - facts.black[row * 2 + column] for row in (0, 1) for column in (0, 1)
    )
    base = min(facts.black)
    span = facts.white - base
    return base + brightest if ADJUST_THRESHOLD * span < brightest < span else float(facts.white)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and math.isfinite(value)
