"""The network's configuration: everything that decides its shape, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from invisp_deploy.errors import RequestError

SCALE_BOUND: Final = 0.8
"""|s| in y2 = x2 * exp(s) + t never exceeds this, so exp(s) stays within [0.449, 2.226]."""

KINDS: Final = ("dense", "chain")
"""Of F, G and H: every convolution reads all tensors before it (the paper), or the one before it."""

COUPLINGS: Final = ("affine", "additive")
"""Of x2 and y1: y2 = x2 exp(s(y1)) + G(y1) (the paper), or y2 = x2 + G(y1)."""


@dataclass(frozen=True)
class NetworkConfig:
    """Depth, width and resolution of an invertible network.

    blocks: coupling blocks, each an invertible 1x1 convolution and an enhanced affine coupling. 0 is no network at all:
        the steps around it alone, the closed form that every network is compared with.
    growth: channels that each inner convolution of F, G and H makes.
    squeeze: edge of the pixel square that is folded into channels before the first block. 1 keeps
        3 channels at full resolution (the paper); 2 gives 12 channels at half resolution.
    depth: convolutions in each of F, G and H.
    first: channels of x1, which F adds to; x2 has the rest. 0 is half of them, rounded down (1 of 3, 6 of 12).
    kind: of F, G and H. `dense`: 3x3 convolutions, each reading all before it (the paper). `chain`: one after the
        other, 3x3 first and last, 1x1 between (Kingma & Dhariwal, Glow, 2018).
    coupling: `affine` has F, G and H (the paper). `additive` has no H and no exponential (Dinh et al., NICE, 2014).
    """

    blocks: int = 8
    growth: int = 32
    squeeze: int = 1
    depth: int = 5
    first: int = 0
    kind: str = "dense"
    coupling: str = "affine"

    def __post_init__(self) -> None:
        for name, low, high in (
            ("blocks", 0, 64), ("growth", 1, 256), ("squeeze", 1, 4), ("depth", 2, 8), ("first", 0, 47),
        ):  # fmt: skip
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise RequestError(f"`{name}` must be a whole number from {low} to {high}, got {value!r}.")
        for name, known in (("kind", KINDS), ("coupling", COUPLINGS)):
            if getattr(self, name) not in known:
                raise RequestError(f"`{name}` must be one of {', '.join(known)}, got {getattr(self, name)!r}.")
        if self.first >= self.channels:
            raise RequestError(f"`first` must be below the {self.channels} channels, got {self.first}.")

    @property
    def channels(self) -> int:
        """Channels that flow through the blocks: 3 colours times the squeezed pixel square."""
        return 3 * self.squeeze**2

    @property
    def split(self) -> tuple[int, int]:
        """Channels of x1 and x2; three channels split 1 + 2, twelve 6 + 6, unless `first` says otherwise."""
        first = self.first or self.channels // 2
        return first, self.channels - first

    @property
    def functions(self) -> str:
        """The letters of a block's functions: FGH, or FG of an additive coupling."""
        return "FGH" if self.coupling == "affine" else "FG"

    @property
    def halo(self) -> int:
        """Exact receptive radius in image pixels, the same in both directions.

        F is followed by G (and H), so a block reaches twice as far as one of them, which has one (squeezed) pixel of
        each 3x3 convolution. Counted from the edges of a pixel square: tiles begin and end at multiples of `squeeze`.
        """
        radius = 2 if self.kind == "chain" else self.depth
        return 2 * radius * self.blocks * self.squeeze

    @property
    def widest(self) -> int:
        """Channels of the widest tensor that a convolution of F, G or H reads."""
        if self.kind == "chain":
            return max(*self.split, self.growth)
        return max(self.split) + (self.depth - 1) * self.growth

    @property
    def convolution_weights(self) -> int:
        """Weights of all convolutions without biases: multiply-accumulates per squeezed pixel."""
        first, second = self.split
        of_y1 = len(self.functions) - 1
        return self.blocks * (self._function(second, first) + of_y1 * self._function(first, second) + self.channels**2)

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates for one image pixel and one direction."""
        return self.convolution_weights / self.squeeze**2

    def _function(self, inputs: int, outputs: int) -> int:
        if self.kind == "chain":
            return 9 * (inputs + outputs) * self.growth + (self.depth - 2) * self.growth**2
        grown = sum((inputs + i * self.growth) * self.growth for i in range(self.depth - 1))
        return 9 * (grown + (inputs + (self.depth - 1) * self.growth) * outputs)

    def to_dict(self) -> dict[str, int | str]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NetworkConfig:
        """Strict inverse of `to_dict`; raises RequestError for missing or unknown fields."""
        expected = {each.name for each in fields(cls)}
        if not isinstance(data, Mapping) or set(data) != expected:
            found = sorted(map(str, data)) if isinstance(data, Mapping) else repr(data)
            raise RequestError(f"A network configuration has the fields {sorted(expected)}, got {found}.")
        return cls(**data)

    def __str__(self) -> str:
        for name, config in CONFIGURATIONS.items():
            if config == self:
                return name
        plain = NetworkConfig(self.blocks, self.growth, self.squeeze).to_dict()
        further = "".join(f", {name} {value}" for name, value in self.to_dict().items() if value != plain[name])
        return f"{self.blocks} blocks, growth {self.growth}, squeeze {self.squeeze}{further}"


CONFIGURATIONS: Final[dict[str, NetworkConfig]] = {
    "paper": NetworkConfig(blocks=8, growth=32, squeeze=1),
    "edge": NetworkConfig(blocks=8, growth=16, squeeze=2),
    "closed-form": NetworkConfig(blocks=0, growth=1, squeeze=2, depth=3, kind="chain", coupling="additive"),
    "universal": NetworkConfig(blocks=1, growth=8, squeeze=2, depth=2, kind="chain", coupling="additive"),
    "look": NetworkConfig(blocks=4, growth=16, squeeze=2, depth=3, kind="chain"),
    "nano": NetworkConfig(blocks=8, growth=32, squeeze=2, depth=3, kind="chain"),
}
"""Configurations with a name: `paper` is the authors', `edge` a tenth of its work, `nano` a fiftieth."""
