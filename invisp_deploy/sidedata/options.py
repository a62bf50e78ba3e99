"""How much of its RAW a picture is to carry."""

from __future__ import annotations

import math
from dataclasses import dataclass

from invisp_deploy.errors import RequestError


@dataclass(frozen=True)
class RawBudget:
    """most: bytes that all layers of the way back but the record may take; 0 for none, None for a predictor of a
    kilobyte or two and, where the picture clips, at most 64 kB of highlights.

    max_error, max_noise: the largest error that a pixel of the RAW may have, in DN (0: none) or in standard deviations
    of the sensor's noise; at most one of them. Without one, and with room in `most`, the smallest that fits.

    hdr: the highlights are for eyes, too, and take the room that they need, for which `most` is None.

    Raises RequestError for numbers that bound nothing.
    """

    most: int | None = None
    max_error: int | None = None
    max_noise: float | None = None
    hdr: bool = False

    def __post_init__(self) -> None:
        if self.max_error is not None and self.max_noise is not None:
            raise RequestError("`max_error` and `max_noise` bound the same error, both were given: pass one of them.")
        if self.most is not None and self.most < 0:
            raise RequestError(f"`raw_budget` is a number of bytes, 0 or more, got {self.most}.")
        if self.hdr and self.most is not None:
            raise RequestError("With `hdr` the gain map takes the room that it needs: leave `raw_budget` out.")
        if self.max_error is not None and not 0 <= self.max_error <= 65535:
            raise RequestError(f"`max_error` is a number of DN from 0 to 65535, got {self.max_error}.")
        if self.max_noise is not None and not (math.isfinite(self.max_noise) and 0 < self.max_noise <= 1000):
            raise RequestError(f"`max_noise` is a multiple of the noise, above 0, at most 1000, got {self.max_noise}.")
        if self.most == 0 and self.bounded:
            raise RequestError("`raw_budget` 0 leaves no room for a bound: leave it out, or give no bound.")

    @property
    def bounded(self) -> bool:
        return self.max_error is not None or self.max_noise is not None
