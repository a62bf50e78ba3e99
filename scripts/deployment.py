"""What a frame costs on a GPU, on paper: `deployment.py PAGE`.

Builds plans of made weights with TensorRT for RTX, which needs no GPU, and writes between `<!-- begin plans -->` and
`<!-- end plans -->` of PAGE what they move and multiply for a pixel, and what that comes to on devices. Weights do not
change a plan's layers.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx

from invisp_deploy.arithmetic import FP32, FULL_SCALE, QUANTISED, Arithmetic, quantised_tensors
from invisp_deploy.config import CONFIGURATIONS
from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.engines.build import BuildSettings, build_plan
from invisp_deploy.engines.plan_layers import PlanLayer
from invisp_deploy.export.graph import build_graph
from invisp_deploy.export.views import ForwardView, InverseView
from invisp_deploy.files import write_whole
from invisp_deploy.graph_card import Direction, GraphCard
from invisp_deploy.network.checkpoint import Checkpoint
from invisp_deploy.network.invisp import InvISP
from invisp_deploy.report.markdown import table
from invisp_deploy.runtimes.tensorrt.backend import load_backend
from invisp_deploy.runtimes.tensorrt.engine_card import Profile

NETWORKS: Final = (("closed-form", ("fp32",)), ("universal", ("fp32", "fp16", "int8", "fp8")))

HEIGHT, WIDTH = 1088, 1920
"""Of the tile: a frame of 1080p, so no halo is computed twice."""

TARGET: Final = "sm89"
"""The first that runs fp8."""

FRAMES: Final = {"1080p60": 1920 * 1080 * 60, "4K30": 3840 * 2160 * 30}
"""Pixels a second."""


@dataclass(frozen=True)
class Device:
    """rate: of its memory, GB/s. half: dense fp16 operations of the GPU's tensor cores, 10^12 a second."""

    name: str
    rate: float
    half: float


DEVICES: Final = (
    Device("Jetson Orin Nano 8 GB (Super)", 102, 17),
    Device("Jetson Orin NX 16 GB", 102.4, 15),
    Device("Jetson AGX Orin 64 GB", 204.8, 43),
    Device("GeForce RTX 4090", 1008, 165),
)
"""As NVIDIA publishes them; the page says where."""


@dataclass(frozen=True)
class Cost:
    """Of one plan, for a pixel. parts: what of the graph -> bytes. types: of its convolutions of F, G and H."""

    network: str
    precision: str
    direction: Direction
    macs: float
    parts: Counter[str]
    types: str

    @property
    def bytes(self) -> float:
        return sum(self.parts.values())


def main() -> None:
    page = Path(sys.argv[1])
    costs = [
        cost(network, precision, direction)
        for network, precisions in NETWORKS
        for precision in precisions
        for direction in Direction
    ]
    pattern = re.compile(r"(<!-- begin plans -->\n).*?(<!-- end plans -->)", re.S)
    text = "\n\n".join((plans(costs), devices(costs)))
    filled, count = pattern.subn(lambda found: f"{found[1]}\n{text}\n\n{found[2]}", page.read_text(encoding="utf-8"))
    if count != 1:
        sys.exit(f"The page has {count} places for the plans, expected one.")
    write_whole(page, filled)


def cost(network: str, precision: str, direction: Direction) -> Cost:
    config = CONFIGURATIONS[network]
    arithmetic = FP32
    if precision in QUANTISED:
        arithmetic = Arithmetic(precision, dict.fromkeys(quantised_tensors(config), 1 / FULL_SCALE[precision]))
    elif precision != "fp32":
        arithmetic = Arithmetic(precision)
    checkpoint = Checkpoint(InvISP(config), UNIVERSAL)
    view = (ForwardView if direction is Direction.FORWARD else InverseView)(checkpoint.network)
    card = GraphCard(direction, config, UNIVERSAL, checkpoint.weights, precision, scales=arithmetic.digest)
    model = build_graph(view, card, arithmetic=arithmetic)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        onnx.save(model, path)
        profile = Profile((HEIGHT, WIDTH), (HEIGHT, WIDTH), (HEIGHT, WIDTH))
        built = build_plan(load_backend("tensorrt-rtx"), path, BuildSettings("tensorrt-rtx", profile, (TARGET,)))
    parts: Counter[str] = Counter()
    for layer in built.layers:
        if layer.moved is None:
            sys.exit(f"The plan does not say what {', '.join(layer.nodes) or layer.kind} moves.")
        parts[part(layer)] += layer.moved / (HEIGHT * WIDTH)  # type: ignore[assignment]
    types = ", ".join(sorted(set(built.convolutions.values()))) or "–"
    return Cost(network, precision, direction, macs(model), parts, types)


def part(layer: PlanLayer) -> str:
    """What of the graph a layer computes: that of its nodes which stands first of `PARTS`."""
    found = {_part(node) for node in layer.nodes}
    return next((name for name in PARTS if name in found), PARTS[-1])


PARTS: Final = ("F, G, H", "spine", "steps")


def _part(node: str) -> str:
    if re.match(r"block\d+\.(F|G|H|GH)\.", node):
        return PARTS[0]
    return PARTS[1] if node.startswith("block") else PARTS[2]


def macs(model: onnx.ModelProto) -> float:
    """Multiply-accumulates of all convolutions for a pixel; the picture's sides are the tile's."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    for side, size in zip(model.graph.input[0].type.tensor_type.shape.dim[1:3], (HEIGHT, WIDTH), strict=True):
        side.dim_value = size
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {
        value.name: [side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.input, *graph.output)
    }
    shapes |= {constant.name: list(constant.dims) for constant in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            _, outputs, height, width = shapes[node.output[0]]
            _, inputs, rows, columns = shapes[node.input[1]]
            total += outputs * height * width * inputs * rows * columns
    return total / (HEIGHT * WIDTH)


def plans(costs: list[Cost]) -> str:
    head = ("network", "precision", "direction", "bytes", *PARTS, "multiply-accumulates", "F, G, H multiply")
    rows = [
        (f"`{c.network}`", c.precision, c.direction.value, f"**{c.bytes:.0f}**",
         *(f"{c.parts[name]:.0f}" for name in PARTS), f"{c.macs:,.0f}", c.types)
        for c in costs
    ]  # fmt: skip
    return table(head, rows)


def devices(costs: list[Cost]) -> str:
    """The larger direction of each precision that a GPU is given, against each device."""
    shown = [c for c in costs if c.direction is Direction.FORWARD and c.precision != "fp8"]
    columns = [f"`{c.network}` {c.precision}" for c in shown]
    rows = []
    for device in DEVICES:
        for frames, pixels in FRAMES.items():
            cells = [f"{c.bytes * pixels / 1e9:.0f} GB/s, {c.bytes * pixels / 1e9 / device.rate:.0%}" for c in shown]
            operations = max(2 * c.macs * pixels / 1e12 for c in shown)
            rows.append((device.name, frames, *cells, f"{operations:.1f} of {device.half:g}"))
    return table(("device", "frames", *columns, "10^12 operations a second, fp16"), rows)


if __name__ == "__main__":
    main()
