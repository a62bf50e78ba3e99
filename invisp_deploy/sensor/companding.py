"""Companded samples to DN by a table: straight pieces between the points that a sensor's data sheet prints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from invisp_deploy.errors import RequestError
from invisp_deploy.isp.frame import Mosaic

_MOST: Final = 65535


@dataclass(frozen=True)
class Companding:
    """Points of a curve, code and DN; between them it is straight, before the first and behind the last level.

    points: at least two, codes rising, DN not falling, all from 0 to 65535. A-law is 16 or so of them. Raises
    RequestError for others.
    """

    points: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        codes, values = zip(*self.points, strict=True) if self.points else ((), ())
        rises = all(one < two for one, two in zip(codes, codes[1:], strict=False))
        falls = any(one > two for one, two in zip(values, values[1:], strict=False))
        inside = all(0 <= number <= _MOST for number in (*codes, *values))
        if len(codes) < 2 or not rises or falls or not inside:
            raise RequestError(
                f"`companding` takes at least two points CODE:DN, codes rising, DN not falling, both 0 to {_MOST}, got "
                f"{self}: where a data sheet goes to 2^20, divide its DN, `black` and `white` by 16."
            )

    def __str__(self) -> str:
        return ",".join(f"{code}:{value}" for code, value in self.points)

    @property
    def white(self) -> int:
        """The largest DN that comes of it."""
        return self.points[-1][1]

    def expand(self, codes: Mosaic) -> Mosaic:
        """(H, W) uint16 of codes -> (H, W) uint16 of DN, rounded to the nearest."""
        given, values = np.array(self.points).T
        table = np.rint(np.interp(np.arange(_MOST + 1), given, values)).astype(np.uint16)
        return np.take(table, codes)


def companding_points(text: str) -> Companding:
    """`0:0,1024:1024,4095:65535`. Raises RequestError for anything else."""
    if not re.fullmatch(r"\d{1,6}:\d{1,6}(,\d{1,6}:\d{1,6})*", text := text.replace(" ", "")):
        raise RequestError(f"`companding` takes points CODE:DN such as 0:0,1024:1024,4095:65535, got {text!r}.")
    pairs = (point.split(":") for point in text.split(","))
    return Companding(tuple((int(code), int(value)) for code, value in pairs))
