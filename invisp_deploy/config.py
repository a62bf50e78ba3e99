"""The network's configuration: everything that decides its shape, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from invisp_deploy.errors import RequestError

__all__ = ["CONFIGURATIONS", "DENSE_CONVOLUTIONS", "SCALE_BOUND", "NetworkConfig"]

DENSE_CONVOLUTIONS: Final = 5
"""3x3 convolutions in each of F, G and H; each widens the receptive field by one pixel to every side."""

SCALE_BOUND: Final = 0.8
"""|s| in y2 = x2 * exp(s) + t never exceeds this, so exp(s) stays within [0.449, 2.226]."""


@dataclass(frozen=True)
class NetworkConfig:
    """Depth, width and resolution of an invertible network.

    blocks: coupling blocks, each an invertible 1x1 convolution and an enhanced affine coupling.
    growth: channels that each inner convolution of a dense block adds.
    squeeze: edge of the pixel square that is folded into channels before the first block. 1 keeps
        3 channels at full resolution (the paper); 2 gives 12 channels at half resolution.
    """

    blocks: int = 8
    growth: int = 32
    squeeze: int = 1

    def __post_init__(self) -> None:
        for name, low, high in (("blocks", 1, 64), ("growth", 1, 256), ("squeeze", 1, 4)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise RequestError(f"`{name}` must be a whole number from {low} to {high}, got {value!r}.")

    @property
    def channels(self) -> int:
        """Channels that flow through the blocks: 3 colours times the squeezed pixel square."""
        return 3 * self.squeeze**2

    @property
    def split(self) -> tuple[int, int]:
        """Channels of x1 and x2; three channels split 1 + 2, twelve 6 + 6."""
        first = self.channels // 2
        return first, self.channels - first

    @property
    def halo(self) -> int:
        """Exact receptive radius in image pixels, the same in both directions.

        F is followed by G and H, so a block reaches two dense blocks far. Counted from the edges of a
        pixel square, so tiles begin and end at multiples of `squeeze`.
        """
        return 2 * DENSE_CONVOLUTIONS * self.blocks * self.squeeze

    @property
    def convolution_weights(self) -> int:
        """Weights of all convolutions without biases: multiply-accumulates per squeezed pixel."""
        first, second = self.split
        mixing = self.channels**2
        return self.blocks * (self._dense(second, first) + 2 * self._dense(first, second) + mixing)

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates for one image pixel and one direction."""
        return self.convolution_weights / self.squeeze**2

    def _dense(self, inputs: int, outputs: int) -> int:
        grown = sum((inputs + i * self.growth) * self.growth for i in range(DENSE_CONVOLUTIONS - 1))
        return 9 * (grown + (inputs + (DENSE_CONVOLUTIONS - 1) * self.growth) * outputs)

    def to_dict(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> NetworkConfig:
        """Strict inverse of `to_dict`; raises RequestError for missing or unknown fields."""
        expected = {"blocks", "growth", "squeeze"}
        if set(data) != expected:
            raise RequestError(
                f"A network configuration has the fields {sorted(expected)}, got {sorted(map(str, data))}."
            )
        return cls(**data)

    def __str__(self) -> str:
        for name, config in CONFIGURATIONS.items():
            if config == self:
                return name
        return f"{self.blocks} blocks, growth {self.growth}, squeeze {self.squeeze}"


CONFIGURATIONS: Final[dict[str, NetworkConfig]] = {
    "paper": NetworkConfig(blocks=8, growth=32, squeeze=1),
    "edge": NetworkConfig(blocks=8, growth=16, squeeze=2),
}
"""Configurations with a name: `paper` is the authors', `edge` a tenth of its work."""
