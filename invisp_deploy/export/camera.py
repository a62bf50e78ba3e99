"""The camera's part of a pipeline as nodes: mosaic to the network's input, the network's output to the mosaic.

What `camera.levels` computes in numpy, inside the graph. The frame's numbers are inputs, so one graph serves all
frames and all four Bayer phases:

    black (4)   DN at the four sites of the 2x2 pattern, row by row       white (1)   DN of full scale
    gains (3)   of R, G and B after the contract's normalisation          cfa (4)     0, 1 or 2 (R, G, B) at each site

::

    mosaic --fold--> 4 sites --levels, gains--> x site masks --> 12 --unfold--> R, G, B with holes --3x3--> --> gamma
    network --fold--> 12 --x site masks, sum over colours--> 4 sites --levels undone--> unfold --> mosaic

Bilinear demosaicing is one 3x3 convolution for each colour over the plane with holes, mirrored by one pixel, which
keeps the phase. TensorRT has no 16-bit unsigned type: with `by_bytes` the mosaic is its own little-endian bytes,
uint8 (1, H, W, 2), which a view of the array is.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper

from invisp_deploy.export.nodes import Array, Nodes
from invisp_deploy.graph_card import CAMERA_LEVELS

__all__ = ["camera_levels", "mosaic_value", "rgb_value", "write_decoded", "write_encoded", "write_mosaic", "write_raw"]

_TYPES: Final = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}
_KERNELS: Final = np.array(
    [[[1, 2, 1], [2, 4, 2], [1, 2, 1]], [[0, 1, 0], [1, 4, 1], [0, 1, 0]], [[1, 2, 1], [2, 4, 2], [1, 2, 1]]],
    np.float32,
)


def camera_levels() -> list[ValueInfoProto]:
    """The inputs that carry a frame's numbers."""
    return [helper.make_tensor_value_info(name, _TYPES[kind], [size]) for name, kind, size in CAMERA_LEVELS]


def mosaic_value(*, by_bytes: bool) -> ValueInfoProto:
    if by_bytes:
        return helper.make_tensor_value_info("mosaic", TensorProto.UINT8, [1, "height", "width", 2])
    return helper.make_tensor_value_info("mosaic", TensorProto.UINT16, [1, 1, "height", "width"])


def rgb_value() -> ValueInfoProto:
    return helper.make_tensor_value_info("rgb", TensorProto.UINT8, [1, "height", "width", 3])


def write_raw(nodes: Nodes, output: str, gamma: float, *, by_bytes: bool) -> None:
    """mosaic -> `output`, FLOAT (1, 3, H, W) of the network's domain."""
    masks, gains = _masks(nodes), _site_gains(nodes)
    sites = nodes.node("SpaceToDepth", "camera.sites", _dn(nodes, by_bytes), blocksize=2)
    above = nodes.node("Sub", "camera.above", sites, _vector(nodes, "black", 4))
    linear = nodes.node("Clip", "camera.linear", nodes.node("Div", "camera.share", above, _span(nodes)), *_unit(nodes))
    balanced = nodes.node("Mul", "camera.balanced", linear, gains)
    spread = nodes.node("Mul", "camera.spread", nodes.node("Concat", "camera.thrice", *[balanced] * 3, axis=1), masks)
    planes = nodes.node("DepthToSpace", "camera.planes", spread, blocksize=2, mode="CRD")
    mirror = nodes.constant("camera.mirror", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    padded = nodes.node("Pad", "camera.padded", planes, mirror, mode="reflect")
    kernels = nodes.constant("camera.kernels", _KERNELS[:, None] / 4)
    rgb = nodes.node("Conv", "camera.demosaiced", padded, kernels, kernel_shape=[3, 3], group=3)
    nodes.node("Pow", "camera.gamma", rgb, _scalar(nodes, "camera.exponent", 1 / gamma), output=output)


def write_encoded(nodes: Nodes, x: str) -> None:
    """FLOAT (1, 3, H, W) sRGB -> rgb, clamped and rounded."""
    clamped = nodes.node("Clip", "camera.clamped", x, *_unit(nodes))
    codes = nodes.node("Round", "camera.codes", nodes.node("Mul", "camera.scaled", clamped, _peak(nodes)))
    last = nodes.node("Transpose", "camera.interleaved", codes, perm=[0, 2, 3, 1])
    nodes.node("Cast", "camera.rgb", last, output="rgb", to=TensorProto.UINT8)


def write_decoded(nodes: Nodes, output: str) -> None:
    """rgb -> `output`, FLOAT (1, 3, H, W) in [0, 1]."""
    numbers = nodes.node("Cast", "camera.numbers", "rgb", to=TensorProto.FLOAT)
    planar = nodes.node("Transpose", "camera.planar", numbers, perm=[0, 3, 1, 2])
    nodes.node("Div", "camera.unit", planar, _peak(nodes), output=output)


def write_mosaic(nodes: Nodes, x: str, gamma: float, *, by_bytes: bool) -> None:
    """FLOAT (1, 3, H, W) of the network's domain -> mosaic, clipped to [black, white] and rounded."""
    masks, gains = _masks(nodes), _site_gains(nodes)
    chosen = nodes.node("Mul", "camera.chosen", _planes_by_site(nodes, x), masks)
    parts = [f"camera.site{colour}" for colour in "RGB"]
    nodes.split("camera.by_site", (4, 4, 4), chosen, parts, "camera.parts")
    sites = nodes.node("Add", "camera.sites", nodes.node("Add", "camera.two", *parts[:2]), parts[2])
    positive = nodes.node("Max", "camera.positive", sites, _scalar(nodes, "camera.zero", 0))
    balanced = nodes.node("Pow", "camera.linear", positive, _scalar(nodes, "camera.exponent", gamma))
    native = nodes.node("Clip", "camera.native", nodes.node("Div", "camera.unbalanced", balanced, gains), *_unit(nodes))
    above = nodes.node("Mul", "camera.above", native, _span(nodes))
    dn = nodes.node("Round", "camera.codes", nodes.node("Add", "camera.dn", above, _vector(nodes, "black", 4)))
    joined = nodes.node("DepthToSpace", "camera.joined", dn, blocksize=2, mode="DCR")
    if not by_bytes:
        nodes.node("Cast", "camera.mosaic", joined, output="mosaic", to=TensorProto.UINT16)
        return
    base = _scalar(nodes, "camera.byte", 256)
    high = nodes.node("Floor", "camera.high", nodes.node("Div", "camera.bytes", joined, base))
    low = nodes.node("Sub", "camera.low", joined, nodes.node("Mul", "camera.rest", high, base))
    pair = nodes.node(
        "Transpose", "camera.pair", nodes.node("Concat", "camera.both", low, high, axis=1), perm=[0, 2, 3, 1]
    )
    nodes.node("Cast", "camera.mosaic", pair, output="mosaic", to=TensorProto.UINT8)


def _dn(nodes: Nodes, by_bytes: bool) -> str:
    """The mosaic as FLOAT (1, 1, H, W)."""
    numbers = nodes.node("Cast", "camera.numbers", "mosaic", to=TensorProto.FLOAT)
    if not by_bytes:
        return numbers
    planar = nodes.node("Transpose", "camera.planar", numbers, perm=[0, 3, 1, 2])
    weights = nodes.constant("camera.weights", np.array([1, 256], np.float32).reshape(1, 2, 1, 1))
    return nodes.node("Conv", "camera.dn", planar, weights, kernel_shape=[1, 1])


def _planes_by_site(nodes: Nodes, x: str) -> str:
    """(1, 3, H, W) -> (1, 12, H/2, W/2), colour by colour and within it site by site: CRD folded."""
    folded = nodes.node("SpaceToDepth", "camera.folded", x, blocksize=2)  # site by site, colour within
    order = np.arange(12).reshape(4, 3).T.reshape(-1)
    return nodes.node(
        "Gather", "camera.by_colour", folded, nodes.constant("camera.order", order.astype(np.int64)), axis=1
    )


def _masks(nodes: Nodes) -> str:
    """(1, 12, 1, 1): 1 where a site has that colour, colour by colour."""
    shape = nodes.constant("camera.mask_shape", np.array([1, 12, 1, 1], np.int64))
    return nodes.once("Reshape", "camera.masks", _sites_of_colours(nodes), shape)


def _sites_of_colours(nodes: Nodes) -> str:
    """(3, 4) FLOAT, one row for each colour."""
    colours = nodes.constant("camera.colours", np.arange(3, dtype=np.int32).reshape(3, 1))
    row = nodes.once("Reshape", "camera.cfa_row", "cfa", nodes.constant("camera.row", np.array([1, 4], np.int64)))
    return nodes.once("Cast", "camera.has", nodes.once("Equal", "camera.is", row, colours), to=TensorProto.FLOAT)


def _site_gains(nodes: Nodes) -> str:
    """(1, 4, 1, 1): the gain of each site's colour."""
    row = nodes.constant("camera.gain_row", np.array([1, 3], np.int64))
    site = nodes.once(
        "MatMul", "camera.site_gains", nodes.once("Reshape", "camera.gain", "gains", row), _sites_of_colours(nodes)
    )
    return nodes.once("Reshape", "camera.site_gain", site, _broadcast(nodes, 4))


def _span(nodes: Nodes) -> str:
    """(1, 4, 1, 1): white - black."""
    return nodes.once("Sub", "camera.span", _vector(nodes, "white", 1), _vector(nodes, "black", 4))


def _vector(nodes: Nodes, name: str, size: int) -> str:
    return nodes.once("Reshape", f"camera.{name}", name, _broadcast(nodes, size))


def _broadcast(nodes: Nodes, size: int) -> str:
    return nodes.constant(f"camera.of{size}", np.array([1, size, 1, 1], np.int64))


def _unit(nodes: Nodes) -> tuple[str, str]:
    return _scalar(nodes, "camera.zero", 0), _scalar(nodes, "camera.one", 1)


def _peak(nodes: Nodes) -> str:
    return _scalar(nodes, "camera.peak", 255)


def _scalar(nodes: Nodes, name: str, value: float) -> str:
    array: Array = np.array(value, np.float32)
    return nodes.constant(name, array)
