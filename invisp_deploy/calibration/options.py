"""What a calibration can be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from invisp_deploy.calibration.record import METHODS
from invisp_deploy.config import NetworkConfig
from invisp_deploy.errors import RequestError

DEFAULT_METHOD: Final = "mse"
"""Lost least of all with the shipped weights; docs/precision.md compares."""


@dataclass(frozen=True)
class CalibrationOptions:
    """method: of `METHODS`; percentile: in percent, for the method of that name.

    max_tiles: over all files; tile: edge of one, pixels. quality, subsampling: of the JPEG between the directions.
    max_drop: dB of RAW PSNR that the int8 graph may lose; None keeps nothing fp16.
    held_tiles, held_size: tiles that losses are measured on, from at most so many files.
    """

    method: str = DEFAULT_METHOD
    percentile: float = 99.99
    max_tiles: int = 48
    tile: int = 256
    quality: int = 90
    subsampling: str = "4:2:2"
    seed: int = 0
    max_drop: float | None = None
    held_tiles: int = 12
    held_size: int = 128

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise RequestError(f"The method must be one of {', '.join(METHODS)}, got {self.method!r}.")
        if not 0 < self.percentile <= 100:
            raise RequestError(f"A percentile lies above 0 and is at most 100, got {self.percentile:g}.")
        if self.max_tiles < 1 or self.held_tiles < 1:
            raise RequestError(f"There is at least one tile, got {self.max_tiles} and {self.held_tiles} held out.")
        if self.max_drop is not None and not (math.isfinite(self.max_drop) and self.max_drop >= 0):
            raise RequestError(f"The largest drop is a number of dB, 0 or more, got {self.max_drop:g}.")

    def check(self, config: NetworkConfig) -> None:
        """Raise RequestError unless tiles fit the network: multiples of its squeeze, of 2, and of at least 32."""
        multiple = math.lcm(2, config.squeeze)
        for name, size in (("tile", self.tile), ("held-out tile", self.held_size)):
            if size < 32 or size % multiple or size > 2048:
                raise RequestError(
                    f"The edge of a {name} is a multiple of {multiple} from 32 to 2048 pixels, got {size}."
                )
