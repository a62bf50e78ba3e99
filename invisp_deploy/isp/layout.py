"""How a graph holds mosaics, planes and codes, and the nodes that lead from one to another: no value changes.

Bytes of an image file's order at a graph's ends, (1, H, W, b); within, all at half the resolution, (1, 4 or 12, H/2,
W/2), as `steps` describes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

FLOAT: Final = 1
UINT8: Final = 2
"""onnx.TensorProto's numbers, so that steps need no onnx."""


class GraphNodes(Protocol):
    """What steps write nodes into: `export.nodes.Nodes`. All methods return the name of a tensor."""

    def node(self, operator: str, name: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node; its one output has the node's name unless another is given."""

    def once(self, operator: str, name: str, *inputs: str, **attributes: Any) -> str:
        """The same, unless a node of that name stands already."""

    def constant(self, name: str, array: npt.NDArray[Any]) -> str:
        """A constant, written once."""

    def split(self, name: str, sizes: Sequence[int], x: str, outputs: Sequence[str], constant: str = "") -> None:
        """Channels parted into outputs of these sizes."""


def folded(nodes: GraphNodes, planes: str, name: str, output: str = "") -> str:
    """(B, 3, H, W) -> (B, 12, H/2, W/2), colour by colour.

    SpaceToDepth of three planes has the sites first, of one plane at a time it needs no other order. A Gather of
    channels would do as well, but OpenVINO 2026.4 folds it into a convolution that follows, and wrongly.
    """
    apart = nodes.node("Reshape", f"{name}.apart", planes, sizes(nodes, "fold.one_plane", -1, 1, 0, 0))
    squares = nodes.node("SpaceToDepth", f"{name}.squares", apart, blocksize=2)
    return nodes.node("Reshape", f"{name}.folded", squares, sizes(nodes, "fold.joined", -1, 12, 0, 0), output=output)


def unfolded(nodes: GraphNodes, x: str, name: str, output: str = "") -> str:
    """The way back of `folded`."""
    return nodes.node("DepthToSpace", f"{name}.unfolded", x, output=output, blocksize=2, mode="CRD")


def in_squares(nodes: GraphNodes, name: str, x: str, channels: int) -> str:
    """(1, H, W, C) -> (H/2, 2, W/2, 2, C)."""
    rows = nodes.node("Reshape", f"{name}.rows", x, sizes(nodes, f"{name}.rows.shape", -1, 2, 0, channels))
    return nodes.node("Reshape", f"{name}.columns", rows, sizes(nodes, f"{name}.columns.shape", 0, 0, -1, 2, channels))


def planar_codes(nodes: GraphNodes, x: str, output: str) -> str:
    """(1, H, W, 3) -> (1, 12, H/2, W/2), colour by colour."""
    last = nodes.node("Transpose", "codes.last", in_squares(nodes, "codes", x, 3), perm=[0, 2, 4, 1, 3])
    joined = nodes.node("Reshape", "codes.joined", last, sizes(nodes, "codes.joined.shape", 0, 0, 1, 12))
    return nodes.node("Transpose", "codes.planar", joined, output=output, perm=[2, 3, 0, 1])


def interleaved_codes(nodes: GraphNodes, x: str) -> str:
    """The way back of `planar_codes`."""
    apart = nodes.node("Reshape", "codes.apart", x, sizes(nodes, "codes.apart.shape", 3, 4, 0, 0))
    rows = nodes.node("Transpose", "codes.rows", apart, perm=[2, 1, 3, 0])
    sites = nodes.node("Reshape", "codes.sites", rows, sizes(nodes, "codes.sites.shape", 0, 2, 2, -1, 3))
    columns = nodes.node("Transpose", "codes.columns", sites, perm=[0, 1, 3, 2, 4])
    wide = nodes.node("Reshape", "codes.wide", columns, sizes(nodes, "codes.wide.shape", 0, 0, -1, 3))
    return nodes.node("Reshape", "codes.interleaved", wide, sizes(nodes, "codes.interleaved.shape", 1, -1, 0, 3))


def joined_bytes(nodes: GraphNodes, name: str, x: str, channels: int) -> str:
    """uint8 (1, H, W, 2 channels), low byte before high -> FLOAT (1, channels, H, W)."""
    numbers = nodes.node("Cast", f"{name}.numbers", x, to=FLOAT)
    planar = nodes.node("Transpose", f"{name}.planar", numbers, perm=[0, 3, 1, 2])
    if channels > 1:
        order = np.arange(2 * channels).reshape(channels, 2).T.reshape(-1).astype(np.int64)
        planar = nodes.node("Gather", f"{name}.lows_first", planar, nodes.constant(f"{name}.order", order), axis=1)
    low, high = f"{name}.low", f"{name}.high"
    nodes.split(name, (channels, channels), planar, (low, high), f"{name}.halves")
    shifted = nodes.node("Mul", f"{name}.shifted", high, scalar(nodes, f"{name}.base", 256))
    return nodes.node("Add", f"{name}.values", low, shifted)


def parted_bytes(nodes: GraphNodes, name: str, x: str, channels: int, output: str) -> str:
    """FLOAT (1, channels, H, W) of whole numbers below 65536 -> uint8 (1, H, W, 2 channels), low byte before high."""
    base = scalar(nodes, f"{name}.base", 256)
    high = nodes.node("Floor", f"{name}.high", nodes.node("Div", f"{name}.bytes", x, base))
    low = nodes.node("Sub", f"{name}.low", x, nodes.node("Mul", f"{name}.rest", high, base))
    both = nodes.node("Concat", f"{name}.both", low, high, axis=1)
    if channels > 1:
        order = np.arange(2 * channels).reshape(2, channels).T.reshape(-1).astype(np.int64)
        both = nodes.node("Gather", f"{name}.pairs", both, nodes.constant(f"{name}.pair_order", order), axis=1)
    last = nodes.node("Transpose", f"{name}.interleaved", both, perm=[0, 2, 3, 1])
    return nodes.node("Cast", f"{name}.cast", last, output=output, to=UINT8)


def sizes(nodes: GraphNodes, name: str, *values: int) -> str:
    """A constant of INT64, as Reshape takes its sizes."""
    return nodes.constant(name, np.array(values, np.int64))


def scalar(nodes: GraphNodes, name: str, value: float) -> str:
    """A constant of no dimension, which Clip and NVIDIA's builder ask for."""
    return nodes.constant(name, np.array(value, np.float32))
