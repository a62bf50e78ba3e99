"""How each convolution of F, G and H computes: the precision of a graph, tensor by tensor.

F, G and H see the same tensors in both directions, so one table of scales serves both graphs. What is quantised
has the name that the graphs give it: the inputs `blockN.x2` (of F) and `blockN.y1` (of G and H), and the outputs
`blockN.F.relu1` to `relu4` of the inner convolutions.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import RequestError
from invisp_deploy.graph_card import PRECISIONS

QUANTISED: Final = ("int8", "fp8")
"""Precisions that need scales."""

FULL_SCALE: Final = {"int8": 127.0, "fp8": 448.0}
"""Largest magnitude of a symmetric 8-bit integer, and of FP8 E4M3."""

REMAINDER: Final = 16.0
"""What an 8-bit function's input leaves when rounded is read times this, as channels of its own."""


@dataclass(frozen=True)
class Arithmetic:
    """precision: of `PRECISIONS`. scales: tensor name -> what neighbours of its grid differ by, for int8 and fp8.

    channels: inner tensor -> share of its scale that each of its channels has, in (0, 1]; all 1 where absent.
    kept: functions ("block3.G") or convolutions ("block3.G.conv5") that stay fp16 in an int8 or fp8 graph.
    """

    precision: str = "fp32"
    scales: Mapping[str, float] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    channels: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise RequestError(f"The precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}.")
        if self.precision not in QUANTISED and (self.scales or self.kept):
            raise RequestError(f"Scales and kept layers belong to {' or '.join(QUANTISED)}, not to {self.precision}.")

    def of(self, convolution: str) -> str:
        """Precision of one convolution, by name such as "block3.G.conv5"."""
        dense = convolution.rpartition(".")[0]
        return "fp16" if convolution in self.kept or dense in self.kept else self.precision

    @property
    def digest(self) -> str:
        """SHA-256 of the table of scales; empty without one."""
        lines = {name: [float(scale).hex()] for name, scale in self.scales.items()}
        for name, shares in self.channels.items():
            lines[name] += [float(share).hex() for share in shares]
        table = json.dumps(lines, sort_keys=True)
        return hashlib.sha256(table.encode()).hexdigest() if self.scales else ""

    def check(self, config: NetworkConfig) -> None:
        """Raise RequestError unless scales and kept layers are those of a network of that configuration."""
        if self.precision not in QUANTISED:
            return
        expected = quantised_tensors(config)
        if missing := [name for name in expected if name not in self.scales]:
            raise RequestError(f"There is no scale for {missing[0]} and {len(missing) - 1} others of {config}.")
        if foreign := sorted(set(self.scales) - set(expected)):
            raise RequestError(f"There is a scale for {foreign[0]}, which a network of {config} does not have.")
        if bad := [name for name in expected if not (math.isfinite(self.scales[name]) and self.scales[name] > 0)]:
            raise RequestError(f"The scale of {bad[0]} must be a number above 0, got {self.scales[bad[0]]}.")
        inner = {name for name in expected if ".relu" in name}
        for name, shares in self.channels.items():
            if name not in inner or len(shares) != config.growth or not all(0 < share <= 1 for share in shares):
                raise RequestError(
                    f"The channels of {name} must be {config.growth} shares above 0 and at most 1 of an inner tensor."
                )
        layers = {*coupling_functions(config), *_convolutions(config)}
        if foreign := sorted(self.kept - layers):
            raise RequestError(f"{foreign[0]} cannot stay fp16: a network of {config} has no such layer.")


FP32: Final = Arithmetic()
"""Nothing lowered."""


def coupling_functions(config: NetworkConfig) -> list[str]:
    """Names of all F, G and H, in forward order."""
    return [f"block{index}.{part}" for index in range(config.blocks) for part in config.functions]


def block_input(dense: str) -> str:
    """Name of the tensor that a function reads: x2 for F, y1 for G and H."""
    block, _, part = dense.rpartition(".")
    return f"{block}.{'x2' if part == 'F' else 'y1'}"


def quantised_tensors(config: NetworkConfig) -> list[str]:
    """Names of all tensors that a convolution of F, G or H reads, in forward order, each once."""
    names: dict[str, None] = {}
    for dense in coupling_functions(config):
        names[block_input(dense)] = None
        for index in range(1, config.depth):
            names[f"{dense}.relu{index}"] = None
    return list(names)


def _convolutions(config: NetworkConfig) -> list[str]:
    return [f"{dense}.conv{index}" for dense in coupling_functions(config) for index in range(1, config.depth + 1)]
