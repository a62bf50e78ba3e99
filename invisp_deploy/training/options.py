"""Options of a training run."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from invisp_deploy.errors import RequestError

__all__ = ["TrainOptions"]


@dataclass(frozen=True)
class TrainOptions:
    """What a run depends on beside its data, configuration and contract; stored with the checkpoint.

    steps: optimiser steps. patch: edge of the square crops, pixels. batch: crops per step.
    learning_rate: peak, after a linear warm-up of 50 steps, before a linear decay to zero.
    raw_weight: lambda of eq. 8. quality, subsampling: the JPEG that is simulated.
    seed: decides initial weights and every crop; a resumed run repeats what a whole one does.
    """

    steps: int = 20_000
    patch: int = 128
    batch: int = 1
    learning_rate: float = 4e-4
    raw_weight: float = 1.0
    quality: int = 90
    subsampling: str = "4:2:2"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low in (("steps", 1), ("patch", 16), ("batch", 1), ("seed", 0)):
            if getattr(self, name) < low:
                raise RequestError(f"--{name} must be at least {low}, got {getattr(self, name)}.")
        if self.patch % 4:
            raise RequestError(f"--patch must be a multiple of 4, got {self.patch}.")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise RequestError(f"--learning-rate must be a number above 0, got {self.learning_rate}.")
        if not (math.isfinite(self.raw_weight) and self.raw_weight >= 0):
            raise RequestError(f"--raw-weight must be a number of at least 0, got {self.raw_weight}.")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
