"""The network as NVIDIA's parser sees it: typed as the graph says, nothing added, nothing lost."""

from __future__ import annotations

import onnx
import pytest

from invisp_deploy.graph_card import Direction
from tests.engines.parsed import parse
from tests.graphs import Graphs


@pytest.mark.parametrize("direction", Direction)
def test_an_fp32_graph_is_float_throughout(graphs: Graphs, direction: Direction) -> None:
    parsed = parse(graphs.forward if direction is Direction.FORWARD else graphs.inverse)
    numbers = {"black": "FLOAT", "white": "FLOAT", "gains": "FLOAT"}
    given, made = ("mosaic", "rgb") if direction is Direction.FORWARD else ("rgb", "mosaic")
    assert parsed.inputs == {given: "UINT8", **numbers}
    assert parsed.outputs == {made: "UINT8", "mean": "FLOAT"}
    types = {dtype for layer in parsed.layers for dtype in layer.inputs + layer.outputs}
    assert types <= {"FLOAT", "INT32", "INT64", "BOOL", "UINT8"}  # shapes, masks of sites, and bytes
    assert parsed.of("QUANTIZE") == parsed.of("DEQUANTIZE") == []
    for kind in ("CONVOLUTION", "ACTIVATION", "UNARY"):
        assert {layer.outputs for layer in parsed.of(kind)} == {("FLOAT",)}


@pytest.mark.parametrize("direction", Direction)
def test_every_node_that_computes_becomes_one_layer_of_its_name(graphs: Graphs, direction: Direction) -> None:
    path = graphs.forward if direction is Direction.FORWARD else graphs.inverse
    nodes = onnx.load(path).graph.node
    parsed = parse(path)
    kinds = {"Conv": "CONVOLUTION", "LeakyRelu": "ACTIVATION", "Sigmoid": "ACTIVATION", "Exp": "UNARY"}
    inside = [node for node in nodes if node.op_type in kinds and node.name.startswith("block")]
    expected = sorted((kinds[node.op_type], node.name) for node in inside)
    layers = [layer for layer in parsed.layers if layer.kind in kinds.values() and layer.name.startswith("block")]
    found = sorted((layer.kind, layer.name) for layer in layers)
    assert found == expected
    assert len(parsed.of("CONVOLUTION", ".F.")) == (1 + 2 + 3 + 4 + 5) * 2
    assert len(parsed.of("UNARY", ".exp")) == 2
    sources = {layer.name: layer.sources for layer in parsed.of("CONVOLUTION", "block0.H.conv2.part")}
    assert sources == {"block0.H.conv2.part1": ("block0.y1",), "block0.H.conv2.part2": ("block0.H.relu1",)}
