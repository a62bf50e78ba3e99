"""What a camera says of a frame, beside its mosaic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from invisp_deploy.contract import CFA_PATTERNS, camera_name
from invisp_deploy.errors import RawFileError

Mosaic = npt.NDArray[np.uint16]
"""(H, W), DN, in sensor order."""

ColorMatrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True)
class FrameFacts:
    """What a file states of its mosaic; the record of the way back holds it as it is.

    cfa: the 2x2 pattern read row by row from the top left pixel, one of RGGB, GRBG, GBRG, BGGR.
    black: DN at the four positions of that pattern, row by row.
    white: DN of full scale as the file states it.
    gains: as-shot white-balance gains of R, G, B (any common factor), None where the file has none.
    orientation: EXIF orientation 1..8 that shows the picture upright.
    color_matrix: CIE XYZ (D65) to camera RGB, rows R, G, B, as DNG's ColorMatrix; None if unknown.
    make, model: as the file spells them; empty if it does not say.

    Raises RawFileError for a value that no camera states.
    """

    cfa: str
    black: tuple[float, float, float, float]
    white: int
    gains: tuple[float, float, float] | None = None
    orientation: int = 1
    color_matrix: ColorMatrix | None = None
    make: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        if self.cfa not in CFA_PATTERNS:
            raise RawFileError(f"A mosaic is one of {', '.join(CFA_PATTERNS)}, got {self.cfa!r}.")
        if not _numbers(self.black, 4) or not _numbers((self.white,), 1):
            raise RawFileError(f"Levels are numbers, four of black and one of white, got {self.black}, {self.white!r}.")
        if not 0 <= min(self.black) <= max(self.black) < self.white <= 65535:
            raise RawFileError(
                f"The black level {self.black} must lie below the white level {self.white}: the levels are wrong."
            )
        if self.gains is not None and not (_numbers(self.gains, 3) and min(self.gains) > 0):
            raise RawFileError(f"White-balance gains are three numbers above 0, got {self.gains}.")
        if self.orientation not in range(1, 9):
            raise RawFileError(f"An EXIF orientation is 1 to 8, got {self.orientation}.")
        if self.color_matrix is not None and not (
            len(self.color_matrix) == 3 and all(_numbers(row, 3) for row in self.color_matrix)
        ):
            raise RawFileError(f"A colour matrix has three rows of three numbers, got {self.color_matrix}.")
        if not _is_text(self.make) or not _is_text(self.model):
            raise RawFileError(f"Make and model are text, got {self.make!r} and {self.model!r}.")

    @property
    def camera(self) -> str:
        """Make and model as one name; empty if the file does not say."""
        return camera_name(self.make, self.model)


def facts_from_json(data: Mapping[str, Any]) -> FrameFacts:
    """Strict inverse of `dataclasses.asdict` after JSON. Raises RawFileError for other fields or a value as above."""
    expected = [field.name for field in fields(FrameFacts)]
    if not isinstance(data, Mapping) or set(data) != set(expected):
        raise RawFileError(f"The facts of a frame are {', '.join(expected)}, got {data!r}: write them again.")
    return FrameFacts(**tuples(data))


def tuples(value: Any) -> Any:
    """JSON's lists as tuples, all the way down."""
    if isinstance(value, list):
        return tuple(map(tuples, value))
    return {name: tuples(inner) for name, inner in value.items()} if isinstance(value, dict) else value


def _is_text(value: object) -> bool:
    """Whether a file can hold it: JSON has halves of characters, which UTF-8 has not."""
    return isinstance(value, str) and not any("\ud800" <= each <= "\udfff" for each in value)


def _numbers(values: object, count: int) -> bool:
    """Whether these are so many finite numbers."""
    if not isinstance(values, tuple) or len(values) != count:
        return False
    plain = all(isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in values)
    return plain and bool(np.isfinite(values).all())
