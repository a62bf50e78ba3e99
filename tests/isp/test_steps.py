"""Every step, both ways, in numpy and in ONNX Runtime, at every Bayer phase and bit depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
from onnx import TensorProto, helper

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.export.nodes import Nodes
from invisp_deploy.isp.recipe import GRAPH_INPUTS, Numbers, Recipe
from invisp_deploy.isp.steps import Bt709, Codes, Colour, Curve, Demosaic, Levels, Samples, Step, WhiteBalance, steps

Array = npt.NDArray[Any]
TYPES = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "uint8": TensorProto.UINT8}
SHAPE = (10, 14)
MATRIX = ((1.75, -0.65, -0.1), (-0.2, 1.6, -0.4), (0.05, -0.6, 1.55))

DEPTHS = {
    8: ((16.0, 16.0, 17.0, 15.0), 255.0),
    10: ((64.0, 65.0, 63.0, 64.0), 1023.0),
    12: ((127.0, 128.0, 129.0, 126.0), 4095.0),
    14: ((600.5, 600.0, 601.0, 599.0), 15520.0),
    16: ((512.0, 512.5, 511.0, 512.0), 65535.0),
}
STEPS: dict[str, Step] = {
    "samples": Samples(),
    "samples for engines": Samples(for_engine=True),
    "levels": Levels(),
    "white balance": WhiteBalance(),
    "white balance, clipped": WhiteBalance(clips=True),
    "demosaic": Demosaic(),
    "demosaic, corrected": Demosaic(corrected=True),
    "colour": Colour(),
    "curve": Curve(2.2),
    "curve bt709": Bt709(),
    "codes 8": Codes(8),
    "codes 8 for engines": Codes(8, for_engine=True),
    "codes 16": Codes(16),
}


def recipe(cfa: str, bits: int) -> Recipe:
    black, white = DEPTHS[bits]
    return Recipe(cfa, black, white, (0.9, 0.5, 0.75), 2.2, MATRIX)


def given(name: str, bits: int) -> Array:
    """What goes into a step, in numpy's form, inside of what its inverse gives back."""
    random = np.random.default_rng(bits)
    if name.startswith("samples"):
        return random.integers(0, 1 << bits, SHAPE).astype(np.uint16)
    if name == "levels":
        return random.integers(round(max(DEPTHS[bits][0])) + 1, round(DEPTHS[bits][1]), SHAPE).astype(np.float32)
    if name in ("white balance", "white balance, clipped", "demosaic", "demosaic, corrected"):
        return random.random(SHAPE, np.float32)
    return random.random((3, *SHAPE), np.float32)


def beyond(name: str, step: Step, bits: int) -> tuple[Array, Array]:
    """What may come to a step and to its inverse, out of range included: DN below black and above white, a domain
    from -0.2 to 1.7, DN that are not whole.
    """
    random = np.random.default_rng(100 + bits)
    mosaic, planes = (
        np.float32(1.9) * random.random(shape, np.float32) - np.float32(0.2) for shape in (SHAPE, (3, *SHAPE))
    )
    if name.startswith("samples"):
        return random.integers(0, 1 << bits, SHAPE).astype(np.uint16), ((1 << bits) - 1) * random.random(
            SHAPE, np.float32
        )
    if name == "levels":
        return random.integers(0, 65536, SHAPE).astype(np.float32), mosaic
    if name.startswith("demosaic"):
        return mosaic, planes
    if name == "curve":
        return np.maximum(planes, 0), planes
    if name in ("colour", "curve bt709"):
        return planes, planes
    if isinstance(step, Codes):
        codes = random.integers(0, step.peak + 1, (*SHAPE, 3))
        return planes, codes.astype(np.uint8 if step.bits == 8 else np.uint16)
    return mosaic, mosaic


def sites(mosaic: Array) -> Array:
    """(H, W) -> (1, 4, H/2, W/2), as a graph holds a mosaic."""
    return np.stack([mosaic[row::2, column::2] for row in (0, 1) for column in (0, 1)])[None]


def as_bytes(pixels: Array) -> Array:
    return np.ascontiguousarray(pixels).view(np.uint8).reshape(1, *pixels.shape[:2], -1)


def graph_form(array: Array) -> Array:
    """Numpy's form of a mosaic, of planes or of codes as a graph holds it."""
    if array.dtype != np.float32:
        return as_bytes(array)
    return sites(array) if array.ndim == 2 else np.concatenate([sites(plane) for plane in array], 1)


def in_a_graph(write: Callable[..., str], x: Array, numbers: Numbers) -> Array:
    """A graph of one step alone in ONNX Runtime."""
    nodes = Nodes()
    write(nodes, "x", "y")
    kinds = [("x", x.dtype.name, x.shape), *((each.name, each.dtype, each.shape) for each in GRAPH_INPUTS)]
    inputs = [helper.make_tensor_value_info(name, TYPES[kind], shape) for name, kind, shape in kinds]
    made = TensorProto.UINT8 if nodes.nodes[-1].op_type == "Cast" else TensorProto.FLOAT
    outputs = [helper.make_tensor_value_info("y", made, None)]
    graph = helper.make_graph(nodes.nodes, "step", inputs, outputs, list(nodes.constants.values()))
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    taken = {one.name for one in session.get_inputs()}
    result: Array = session.run(["y"], {name: array for name, array in {"x": x, **numbers}.items() if name in taken})[0]
    return result


@pytest.mark.parametrize("bits", DEPTHS)
@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("name", STEPS)
def test_a_step_and_its_inverse_in_numpy_and_in_a_graph(name: str, cfa: str, bits: int) -> None:
    step, numbers, x = STEPS[name], recipe(cfa, bits).numbers(), given(name, bits)
    there = step.forward(x, numbers)
    back = step.inverse(there, numbers)
    assert (back.dtype, back.shape) == (x.dtype, x.shape)
    if isinstance(step, Codes):
        assert np.abs(back - x).max() <= 0.501 / step.peak, "half a code"
    else:
        np.testing.assert_allclose(back, x, rtol=3e-6, atol=1e-6, err_msg="the inverse undoes the step")
    outside, outside_back = beyond(name, step, bits)
    for given_to, given_back in ((x, there), (outside, outside_back)):
        made = in_a_graph(step.write_forward, graph_form(given_to), numbers)
        undone = in_a_graph(step.write_inverse, held(given_back, name), numbers)
        agree(made, held(step.forward(given_to, numbers), name))
        agree(undone, graph_form(step.inverse(given_back, numbers)))


def held(array: Array, name: str) -> Array:
    """What stands after a step in a graph: DN as sites, although numpy has them as a mosaic of their own type."""
    return sites(array) if name.startswith("samples") else graph_form(array)


def agree(made: Array, expected: Array) -> None:
    """Codes and DN to the bit, values to fp32 roundings of one division or power."""
    assert (made.dtype, made.shape) == (expected.dtype, expected.shape)
    if made.dtype == np.uint8:
        np.testing.assert_array_equal(made, expected, err_msg="the graph computes what numpy does")
    else:
        np.testing.assert_allclose(made, expected, rtol=4e-6, atol=1e-6, err_msg="the graph computes what numpy does")


@pytest.mark.parametrize("bits", DEPTHS)
@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("one_phase", [False, True])
@pytest.mark.parametrize("domain", [("camera", 2.2), ("srgb", "bt709")])
def test_all_steps_in_a_row_return_every_sample(
    domain: tuple[str, float | str], one_phase: bool, cfa: str, bits: int
) -> None:
    """Black to white, the ends included, in numpy and in one graph, for any phase or for its own, to the DN."""
    own, both = recipe(cfa, bits), steps(*domain, cfa if one_phase else "any")
    every = np.arange(round(max(own.black)) + 1, round(own.white) + 1)
    mosaic = np.resize(every, (64, 2 * (-(-every.size // 128)))).astype(np.uint16)
    x: Array = mosaic
    for step in both:
        x = step.forward(x, own.numbers())
    assert x.shape == (3, *mosaic.shape)
    graph = as_bytes(mosaic)

    def forward(nodes: Nodes, source: str, output: str) -> str:
        made = source
        for step in both:
            made = step.write_forward(nodes, made)
        return nodes.node("Identity", "out", made, output=output)

    def inverse(nodes: Nodes, source: str, output: str) -> str:
        made = source
        for step in reversed(both):
            made = step.write_inverse(nodes, made)
        return nodes.node("Cast", "out", made, output=output, to=TensorProto.UINT8)

    domain_of_graph = in_a_graph(forward, graph, own.numbers())
    np.testing.assert_allclose(domain_of_graph, graph_form(x), atol=4e-6)
    for step in reversed(both):
        x = step.inverse(x, own.numbers())
    np.testing.assert_array_equal(x, mosaic)
    np.testing.assert_array_equal(in_a_graph(inverse, domain_of_graph, own.numbers()), graph)


def test_values_outside_are_clipped_on_both_ways() -> None:
    own = recipe("RGGB", 12)
    below, above = np.zeros(SHAPE, np.uint16), np.full(SHAPE, 65535, np.uint16)
    for mosaic, ends in ((below, (0, 0)), (above, (1, 1))):
        level = Levels().forward(mosaic.astype(np.float32), own.numbers())
        assert (level.min(), level.max()) == ends
    assert Codes(8).forward(np.full((3, 2, 2), 1.7, np.float32), own.numbers()).max() == 255
    assert Codes(16).forward(np.full((3, 2, 2), -0.2, np.float32), own.numbers()).max() == 0


def test_constants_of_a_step_are_scalars_where_onnx_asks_for_them() -> None:
    """Bounds of Clip and exponents of Pow: NVIDIA's builder takes [1] for something else."""
    nodes = Nodes()
    x = "x"
    for step in steps("camera", 2.2):
        x = step.write_forward(nodes, x)
    Codes(8).write_forward(nodes, x, "rgb")
    bounds = {name for node in nodes.nodes if node.op_type == "Clip" for name in node.input[1:]}
    bounds |= {node.input[1] for node in nodes.nodes if node.op_type == "Pow"}
    assert {tuple(nodes.constants[name].dims) for name in bounds} == {()}
