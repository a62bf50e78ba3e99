"""Written graphs against PyTorch: the network inside, number by number, and the steps around it, code by code.

Errors are largest absolute differences, divided by the largest magnitude on either side of the network where
that exceeds 1: fp32 rounding is relative, and untamed weights leave [0, 1] by far. ONNX Runtime computes on the
CPU with ORT_ENABLE_EXTENDED: the layouts that ORT_ENABLE_ALL adds round ten times worse (2.0e-6 against
2.6e-7 in the largest network) and would measure themselves.

Lower precisions differ from fp32 by design; they are held to the decibels of `tolerances.PARITY`, also relative to
the peak. ONNX Runtime computes fp16 convolutions in fp32 on a CPU: what fp16 costs, `invisp calibrate` measures.

A mosaic graph's steps are compared with those of `isp` in numpy around the network that the graph holds, at all four
Bayer phases, with levels that differ from site to site. In fp32 and fp16 the picture may differ by one code where a
rounding crosses a half. In int8 and fp8 the last bit of an input may move a value to the next value of the 8-bit grid,
so they are held to the decibels that their precision has against fp32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np
import onnx
import torch

from invisp_deploy.errors import ParityError
from invisp_deploy.export.graph import network_inside
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.recipe import Recipe
from invisp_deploy.isp.steps import Array, Float
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.runtimes.around import StepsAround
from invisp_deploy.runtimes.base import Feeds, Runtime, graph_specs
from invisp_deploy.runtimes.golden import natural_planes, natural_recipe, shares
from invisp_deploy.tolerances import TOLERANCES, Figure, parity_for

_CEILING: Final = 200.0
_EDGE: Final = 24
_PHASES: Final = Recipe("RGGB", (127.0, 128.0, 129.0, 130.0), 4095.0, (1.0, 0.51, 0.85), 2.2)


@dataclass(frozen=True)
class ShapeParity:
    """Relative errors at one input shape (batch, 3, height, width).

    forward, inverse: ONNX Runtime against PyTorch, both given the same input. round_trip: the inverse graph
    on what the forward graph made of `raw`, against `raw`. peak: largest magnitude on either side. *_psnr: the same
    three in decibels to that peak, at most 200.
    """

    shape: tuple[int, int, int, int]
    forward: float
    inverse: float
    round_trip: float
    forward_psnr: float
    inverse_psnr: float
    round_trip_psnr: float
    peak: float


@dataclass(frozen=True)
class PhaseParity:
    """At one Bayer phase: largest difference of the picture in codes; decibels of picture and mosaic, at most 200."""

    cfa: str
    bits: int
    codes: int
    picture_psnr: float
    mosaic_psnr: float


def check_steps(card: GraphCard, forward: onnx.ModelProto, inverse: onnx.ModelProto) -> list[PhaseParity]:
    """Compare the steps of two mosaic graphs with those in numpy around the networks inside. card: of either.

    Tolerances: `step-codes-8` or `step-codes-16`, and `step-mosaic-psnr`; of int8 and fp8 those of `PARITY`.
    Raises ParityError.
    """
    pairs = (_pair(card, forward, Direction.FORWARD), _pair(card, inverse, Direction.INVERSE))
    every = [_of_contract(_PHASES, card).shifted(row, column) for row in (0, 1) for column in (0, 1)]
    return [_phase(card, pairs, recipe) for recipe in every if card.contract.cfa in ("any", recipe.cfa)]


def check_parity(
    network: InvISP, forward: onnx.ModelProto, inverse: onnx.ModelProto, precision: str = "fp32"
) -> list[ShapeParity]:
    """Compare two float models with `network` (fp32, eval mode, CPU) at every shape of `parity_shapes`.

    Tolerances: `onnxruntime-parity` and `round-trip`; of lower precisions those of `PARITY`. Raises ParityError
    that names direction, shape, error and tolerance; also for wrong names or shapes, values that are not finite, and
    models that do not load.
    """
    graphs = {
        Direction.FORWARD: _Session(forward, Direction.FORWARD),
        Direction.INVERSE: _Session(inverse, Direction.INVERSE),
    }
    found = [_compare(network, graphs, shape, seed) for seed, shape in enumerate(parity_shapes(network.config.squeeze))]
    for entry in found:
        if precision == "fp32":
            _gate(entry, graphs, network)
        else:
            _gate_lowered(entry, graphs, precision)
    return found


def headroom(network: InvISP, computing: InvISP, precision: str) -> float:
    """By how many decibels the graphs of a lowered network pass `check_parity`; below zero they will be refused.

    computing: `network` with F, G and H in that precision, in PyTorch (network.lowered). Its graphs differ from it by
    single roundings, which move the figures by less than 0.1 dB at the limits. Minus infinity where it computes values
    that are not finite.
    """
    graphs = {direction: _Simulated(computing, direction) for direction in Direction}
    limits = _lowered_limits(precision)
    found = [_compare(network, graphs, shape, seed) for seed, shape in enumerate(parity_shapes(network.config.squeeze))]
    spare = [float(getattr(entry, name)) - limit for entry in found for name, limit in limits.items()]
    return -math.inf if any(map(math.isnan, spare)) else min(spare)


def conditions(network: InvISP) -> list[float]:
    """Condition number (2-norm, float64) of each 1x1 matrix: what its inverse may multiply an error by."""
    return [float(np.linalg.cond(block.invconv.matrix().detach().cpu().numpy())) for block in network.blocks()]


def parity_shapes(squeeze: int) -> list[tuple[int, int, int, int]]:
    """A square, odd (or odd when halved) sides, a batch of two and the smallest frame there is."""
    sizes = ((1, 64, 64), (1, 33, 47), (2, 17, 25), (1, 1, 1))
    return [(batch, 3, height * squeeze, width * squeeze) for batch, height, width in sizes]


def pytorch_pair(network: InvISP, raw: Float) -> tuple[Float, Float]:
    """PyTorch's forward of `raw`, and its inverse of that."""
    with torch.no_grad():
        srgb = network(torch.from_numpy(raw))
        return srgb.numpy(), network.inverse(srgb).numpy()


def _compare(
    network: InvISP, graphs: Mapping[Direction, _Direction], shape: tuple[int, int, int, int], seed: int
) -> ShapeParity:
    raw = natural_planes(shape, seed)
    srgb, raw_back = pytorch_pair(network, raw)
    if not np.isfinite(srgb).all() or not np.isfinite(raw_back).all():
        raise ParityError(
            f"PyTorch itself computes values that are not finite at {_by(shape)}: these weights are of no use in fp32."
        )
    peak = max(1.0, *(float(np.abs(array).max()) for array in (raw, srgb, raw_back)))
    made = graphs[Direction.FORWARD].run(raw)
    back, around = graphs[Direction.INVERSE].run(srgb), graphs[Direction.INVERSE].run(made)
    return ShapeParity(
        shape,
        forward=_error(made, srgb) / peak,
        inverse=_error(back, raw_back) / peak,
        round_trip=_error(around, raw) / peak,
        forward_psnr=_decibels(made, srgb, peak),
        inverse_psnr=_decibels(back, raw_back, peak),
        round_trip_psnr=_decibels(around, raw, peak),
        peak=peak,
    )


def _gate(found: ShapeParity, graphs: dict[Direction, _Session], network: InvISP) -> None:
    for label, error, name in (
        (f"{graphs[Direction.FORWARD].name} differs from PyTorch", found.forward, "onnxruntime-parity"),
        (f"{graphs[Direction.INVERSE].name} differs from PyTorch", found.inverse, "onnxruntime-parity"),
        ("The round trip through both graphs misses its start", found.round_trip, "round-trip"),
    ):
        limit = TOLERANCES[name].limit
        if not error <= limit:
            raise ParityError(
                f"{label} by {error:.1e} at {_by(found.shape)} (values up to {found.peak:.3g}), the tolerance `{name}` "
                f"is {limit:.0e}: nothing was exported; {_advice(max(conditions(network)), found.peak)}"
            )


def _gate_lowered(found: ShapeParity, graphs: dict[Direction, _Session], precision: str) -> None:
    labels = {
        "forward_psnr": f"{graphs[Direction.FORWARD].name} reaches",
        "inverse_psnr": f"{graphs[Direction.INVERSE].name} reaches",
        "round_trip_psnr": "The round trip through both graphs reaches",
    }
    for name, limit in _lowered_limits(precision).items():
        decibels = getattr(found, name)
        if not decibels >= limit:
            raise ParityError(
                f"{labels[name]} {decibels:.1f} dB against fp32 at {_by(found.shape)}, {precision} must reach "
                f"{limit:g} dB: nothing was exported; calibrate again, which keeps layers in fp16 until this holds, or "
                "take a higher precision."
            )


def _lowered_limits(precision: str) -> dict[str, float]:
    """Figure of a `ShapeParity` -> the least that it must reach."""
    limits = parity_for(precision)
    return {
        "forward_psnr": limits.psnr,
        "inverse_psnr": limits.psnr,
        "round_trip_psnr": limits.round_trip_psnr,
    }


class _Direction(Protocol):
    """One direction, however it is computed."""

    def run(self, array: Float) -> Float: ...


class _Simulated:
    """One direction of a network in PyTorch."""

    def __init__(self, network: InvISP, direction: Direction) -> None:
        self.apply = network if direction is Direction.FORWARD else network.inverse

    @torch.inference_mode()
    def run(self, array: Float) -> Float:
        made: Float = self.apply(torch.from_numpy(array)).numpy()
        return made


class _Session:
    """One model in ONNX Runtime."""

    def __init__(self, model: onnx.ModelProto, direction: Direction) -> None:
        self.direction = direction
        self.name = f"the {direction.value} graph"
        self.session = _session(model, self.name)
        names = [node.name for node in (*self.session.get_inputs(), *self.session.get_outputs())]
        expected = [direction.input_name, direction.output_name]
        if names != expected:
            raise ParityError(f"{self.name} has the input and output {names}, expected {expected}.")

    def run(self, array: Float) -> Float:
        result: Float = self.session.run([self.direction.output_name], {self.direction.input_name: array})[0]
        if result.shape != array.shape:
            raise ParityError(f"{self.name} makes {_by(result.shape)} of {_by(array.shape)}, expected the same shape.")
        if not np.isfinite(result).all():
            raise ParityError(f"{self.name} makes values that are not finite at {_by(array.shape)}, PyTorch does not.")
        return result


class _Bytes(Runtime):
    """A model in memory as a runtime."""

    def __init__(self, model: onnx.ModelProto, direction: Direction, card: GraphCard) -> None:
        self.name = f"the {direction.value} graph"
        self.card = replace(card, direction=direction)
        self.inputs, self.outputs = graph_specs(self.card)
        self._session = _session(model, self.name)

    def _run(self, feeds: Feeds) -> dict[str, Array]:
        names = [spec.name for spec in self.outputs]
        return dict(zip(names, self._session.run(names, dict(feeds)), strict=True))


def _session(model: onnx.ModelProto, name: str) -> Any:
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf, NotImplemented

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidGraph, InvalidProtobuf, NotImplemented) as error:
        raise ParityError(f"ONNX Runtime {onnxruntime.__version__} does not load {name}: {error}") from error


def _pair(card: GraphCard, model: onnx.ModelProto, direction: Direction) -> tuple[Runtime, Runtime]:
    """A mosaic graph, and the network inside it with the steps in numpy around it."""
    inside = _Bytes(network_inside(model, direction), direction, replace(card, form="tensor"))
    return _Bytes(model, direction, card), StepsAround(inside, card.bits)


def _of_contract(recipe: Recipe, card: GraphCard) -> Recipe:
    own = natural_recipe(card)
    return replace(recipe, curve=own.curve, matrix=own.matrix, clips=own.clips)


def _phase(
    card: GraphCard, pairs: tuple[tuple[Runtime, Runtime], tuple[Runtime, Runtime]], recipe: Recipe
) -> PhaseParity:
    (forward, render), (inverse, recover) = pairs
    edge = _EDGE * card.config.squeeze
    plane = natural_planes((1, 3, edge, edge + 2 * card.config.squeeze), 7)[0, 1]
    mosaic = np.rint(127 + plane * (recipe.white - 100)).astype(np.uint16)  # some pixels below black, some above white
    numbers = recipe.numbers()
    rgb, expected = forward.apply(mosaic, numbers), render.apply(mosaic, numbers)
    back, expected_back = inverse.apply(rgb, numbers), recover.apply(rgb, numbers)
    found = PhaseParity(
        recipe.cfa,
        card.bits,
        int(np.abs(rgb.astype(np.int64) - expected).max()),
        min(psnr(shares(rgb, numbers), shares(expected, numbers)), _CEILING),
        min(psnr(shares(back, numbers), shares(expected_back, numbers)), _CEILING),
    )
    _gate_phase(found, card.precision)
    return found


def _gate_phase(found: PhaseParity, precision: str) -> None:
    decibels = parity_for(precision).psnr
    figures = [
        Figure("picture PSNR", found.picture_psnr, decibels, "dB", True),
        Figure("mosaic PSNR", found.mosaic_psnr, decibels, "dB", True),
    ]
    if precision in ("fp32", "fp16"):
        codes = TOLERANCES[f"step-codes-{found.bits}"].limit
        figures = [
            Figure("picture", found.codes, codes, f"codes of {found.bits} bits", False),
            Figure("mosaic PSNR", found.mosaic_psnr, TOLERANCES["step-mosaic-psnr"].limit, "dB", True),
        ]
    for figure in figures:
        if not figure.ok:
            raise ParityError(
                f"The graph's {figure.name} against the steps in numpy at {found.cfa} is {figure.value:.5g} "
                f"{figure.unit}, {figure.limit:g} {'at least' if figure.at_least else 'at most'} are expected: nothing "
                "was exported; please report it."
            )


def _advice(condition: float, peak: float) -> str:
    if condition > 100 or peak > 10:
        return (
            f"weights with such values or a 1x1 matrix of condition number {condition:.1e} multiply the rounding of "
            "fp32: train them further."
        )
    return (
        f"the weights are tame (condition numbers up to {condition:.1f}), so the export is at fault: please report it."
    )


def _error(array: Float, reference: Float) -> float:
    return float(np.abs(array.astype(np.float64) - reference).max())


def _decibels(array: Float, reference: Float, peak: float) -> float:
    return min(psnr(array / peak, reference / peak), _CEILING)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
