"""One RAW frame: the mosaic and what the camera said about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from invisp_deploy.contract import CFA_PATTERNS, camera_name
from invisp_deploy.errors import RawFileError

__all__ = ["FLIP_TO_ORIENTATION", "ColorMatrix", "Mosaic", "RawFrame"]

Mosaic = npt.NDArray[np.uint16]
ColorMatrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]

FLIP_TO_ORIENTATION = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}
"""LibRaw's flip (bit 0 mirrors columns, bit 1 rows, bit 2 transposes) to the EXIF orientation."""


@dataclass(frozen=True)
class RawFrame:
    """A Bayer mosaic in sensor order (never rotated) with its camera data.

    mosaic: (H, W) uint16, DN.
    cfa: the 2x2 pattern read row by row from the top left pixel, one of RGGB, GRBG, GBRG, BGGR.
    black: DN at the four positions of that pattern, row by row.
    white: DN of full scale as the file states it.
    gains: as-shot white-balance gains of R, G, B (any common factor), None where the file has none.
    orientation: EXIF orientation 1..8 that shows the picture upright.
    color_matrix: CIE XYZ (D65) to camera RGB, rows R, G, B, as DNG's ColorMatrix; None if unknown.
    make, model: as the file spells them; empty if it does not say.
    exif: EXIF block (`Exif\\0\\0` + TIFF) with the tags worth keeping, empty if there are none.
    """

    mosaic: Mosaic
    cfa: str
    black: tuple[float, float, float, float]
    white: int
    gains: tuple[float, float, float] | None
    orientation: int = 1
    color_matrix: ColorMatrix | None = None
    make: str = ""
    model: str = ""
    exif: bytes = b""

    def __post_init__(self) -> None:
        if self.mosaic.ndim != 2 or self.mosaic.dtype != np.uint16 or min(self.mosaic.shape) < 2:
            raise RawFileError(
                f"A mosaic is a uint16 array of at least 2x2, got {self.mosaic.dtype} {self.mosaic.shape}."
            )
        if self.cfa not in CFA_PATTERNS:
            raise RawFileError(f"A mosaic is one of {', '.join(CFA_PATTERNS)}, got {self.cfa!r}.")
        if not 0 <= min(self.black) <= max(self.black) < self.white <= 65535:
            raise RawFileError(
                f"The black level {self.black} must lie below the white level {self.white}: the levels are wrong."
            )
        if self.orientation not in range(1, 9):
            raise RawFileError(f"An EXIF orientation is 1 to 8, got {self.orientation}.")

    @property
    def camera(self) -> str:
        """Make and model as one name; empty if the file does not say."""
        return camera_name(self.make, self.model)
