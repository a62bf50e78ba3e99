"""Between DN and the network's domain: black, white, white balance, demosaicing, gamma, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import ContractError
from invisp_deploy.isp.demosaic import demosaic, measured_weight, remosaic, window_cfa
from invisp_deploy.isp.frame import Mosaic, RawFrame

__all__ = ["ADJUST_THRESHOLD", "Levels", "adjusted_white", "levels_of", "network_input", "recovered_mosaic"]

Float = npt.NDArray[np.float32]

ADJUST_THRESHOLD = 0.75
"""LibRaw's default `adjust_maximum_thr`: brighter data lower the white level of a rendering to their maximum."""


@dataclass(frozen=True)
class Levels:
    """The numbers of one frame that the contract's rules resolve to; the JPEG's record carries them.

    cfa: pattern at the top left pixel of the frame that these levels belong to.
    black: DN per position of the 2x2 pattern, row by row; white: DN of full scale.
    gains: factors of R, G and B after the contract's normalisation.
    gamma: exponent of the way back. border: of demosaicing, one of `contract.BORDERS`.
    """

    cfa: str
    black: tuple[float, float, float, float]
    white: float
    gains: tuple[float, float, float]
    gamma: float
    border: str = "mirror"

    def shifted(self, rows: int, columns: int) -> Levels:
        """The same levels as seen from pixel (rows, columns); by the pattern's period, also from (-rows, -columns)."""
        a, b, c, d = np.roll(np.reshape(self.black, (2, 2)), (-rows, -columns), (0, 1)).ravel().tolist()
        return replace(self, cfa=window_cfa(self.cfa, rows, columns), black=(a, b, c, d))

    def tensors(self) -> dict[str, npt.NDArray[Any]]:
        """The further inputs of a camera graph (`graph_card.CAMERA_LEVELS`); gamma and border are in the graph."""
        return {
            "black": np.array(self.black, np.float32),
            "white": np.array([self.white], np.float32),
            "gains": np.array(self.gains, np.float32),
            "cfa": np.array(["RGB".index(colour) for colour in self.cfa], np.int32),
        }


def levels_of(frame: RawFrame, contract: CameraContract) -> Levels:
    """Resolve the contract's rules for one frame.

    Raises ContractError where the frame lacks what the contract asks for.
    """
    black = frame.black if contract.black == "file" else (0.0, 0.0, 0.0, 0.0)
    if contract.white == "file":
        white = float(frame.white)
    elif contract.white == "adjusted":
        white = adjusted_white(frame)
    else:
        white = float(contract.white)
    if white <= max(black):
        raise ContractError(
            f"The contract's white level {white:g} does not exceed the frame's black level {max(black):g}: "
            "these weights expect another camera or bit depth."
        )
    if contract.white_balance == "none":
        gains = (1.0, 1.0, 1.0)
    elif frame.gains is None:
        raise ContractError(
            "The file has no as-shot white balance, which these weights need: pass --white-balance R,G,B."
        )
    else:
        divisor = (max if contract.white_balance == "max" else min)(frame.gains)
        gains = (frame.gains[0] / divisor, frame.gains[1] / divisor, frame.gains[2] / divisor)
    return Levels(frame.cfa, black, white, gains, contract.gamma, contract.border)


def adjusted_white(frame: RawFrame) -> float:
    """DN that LibRaw's rendering maps to full scale (its `adjust_maximum` with the default threshold).

    The file's white level, unless the brightest pixel lies below it and above three quarters of it, both
    counted from black: then that pixel.
    """
    brightest = max(
        float(frame.mosaic[row::2, column::2].max()) - frame.black[row * 2 + column]
        for row in (0, 1)
        for column in (0, 1)
    )
    base = min(frame.black)
    span = frame.white - base
    return base + brightest if ADJUST_THRESHOLD * span < brightest < span else float(frame.white)


def network_input(mosaic: Mosaic, levels: Levels, window: tuple[slice, slice] | None = None) -> Float:
    """(H, W) uint16 DN -> (3, h, w) float32 of the network's domain, for a window of the frame.

    ((DN - black) / (white - black), clipped to [0, 1]) x gain, demosaiced, to the power 1/gamma. The
    range is [0, 1] with gains of at most 1 (edges of the border `reflect` reach 2.25 before gamma). A window
    sees its real neighbours, so windows join without seams.
    """
    height, width = mosaic.shape
    rows, columns = window or (slice(0, height), slice(0, width))
    top, left = max(rows.start - 1, 0), max(columns.start - 1, 0)
    part = mosaic[top : min(rows.stop + 1, height), left : min(columns.stop + 1, width)]
    scale, offset = _affine(levels, top, left, part.shape)
    linear = np.clip((part - offset) * scale, 0, 1, dtype=np.float32)
    linear *= _tiled(_site_gains(levels), top, left, part.shape)
    rgb = demosaic(linear, window_cfa(levels.cfa, top, left), levels.border)
    y, x = rows.start - top, columns.start - left
    rgb = rgb[:, y : y + rows.stop - rows.start, x : x + columns.stop - columns.start]
    return np.power(rgb, np.float32(1 / levels.gamma), dtype=np.float32)


def recovered_mosaic(
    tensor: Float, levels: Levels, origin: tuple[int, int] = (0, 0), shape: tuple[int, int] | None = None
) -> Mosaic:
    """(3, h, w) float32 of the network's domain -> (h, w) uint16 DN; undoes `network_input`.

    origin: row and column of the window in the frame, which set the CFA phase. shape: of the frame, which says where
    its edges are; default: the frame ends with the window. Values outside the domain are clipped to [black, white]
    before rounding.
    """
    row, column = origin
    gamma = remosaic(tensor, window_cfa(levels.cfa, row, column))
    linear = np.power(np.maximum(gamma, 0), np.float32(levels.gamma), dtype=np.float32)
    linear /= _tiled(_site_gains(levels), row, column, linear.shape)
    if levels.border == "reflect":
        bottom, right = row + linear.shape[0], column + linear.shape[1]
        height, width = shape or (bottom, right)
        edges = (row == 0, column == 0, bottom == height, right == width)
        linear /= measured_weight(linear.shape, window_cfa(levels.cfa, row, column), edges)
    scale, offset = _affine(levels, row, column, linear.shape)
    return np.rint(np.clip(linear, 0, 1) / scale + offset).astype(np.uint16)


def _site_gains(levels: Levels) -> tuple[float, ...]:
    return tuple(levels.gains["RGB".index(colour)] for colour in levels.cfa)


def _affine(levels: Levels, row: int, column: int, shape: tuple[int, ...]) -> tuple[Float, Float]:
    scale = tuple(1 / (levels.white - black) for black in levels.black)
    return _tiled(scale, row, column, shape), _tiled(levels.black, row, column, shape)


def _tiled(values: tuple[float, ...], row: int, column: int, shape: tuple[int, ...]) -> Float:
    """Four values of the 2x2 pattern spread over a window that starts at (row, column)."""
    square = np.roll(np.array(values, np.float32).reshape(2, 2), (-(row % 2), -(column % 2)), (0, 1))
    return np.tile(square, (-(-shape[0] // 2), -(-shape[1] // 2)))[: shape[0], : shape[1]]
