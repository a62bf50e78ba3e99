"""What a lens takes from the corners, as gains on a grid for each site of the mosaic, and as DNG's opcodes say it.

DNG specification 1.4, chapter 7, GainMap in OpcodeList2: gains of linear samples, which a program that develops the
file applies. A mosaic stays as the sensor gave it, so that the way back gives the sensor's numbers.
"""

from __future__ import annotations

import math
import struct
from typing import Final

LensShading = tuple[tuple[tuple[float, ...], ...], ...]
"""Four grids, one for each site of the 2x2 pattern, row by row; each of rows of gains from the top left to the bottom
right of the picture, from edge to edge."""

MOST_POINTS: Final = 256
"""Along a side of a grid."""

_GAIN_MAP: Final = 9
_VERSION: Final = (1, 3, 0, 0)
_OPTIONAL: Final = 1
"""Flag: a program that does not know the opcode may pass over it."""
_HEAD: Final = ">I4BII"
_PLACE: Final = ">4I2I2I2I4dI"
"""Top, left, bottom, right; first plane, planes; row and column pitch; points down and across; spacing and origin of
both, in parts of the picture; planes of the map."""


def shading_opcodes(shading: LensShading, height: int, width: int) -> bytes:
    """An opcode list of a mosaic of that size: a GainMap for each site."""
    return struct.pack(">I", len(shading)) + b"".join(
        _opcode(grid, site, height, width) for site, grid in enumerate(shading)
    )


def shading_of_opcodes(data: bytes, height: int, width: int) -> LensShading | None:
    """Inverse of `shading_opcodes`; None for a list of anything else: other opcodes, maps of a part of the picture."""
    try:
        (count,), place = struct.unpack_from(">I", data), 4
        grids: list[tuple[tuple[float, ...], ...]] = []
        for site in range(4):
            number, *_, size = struct.unpack_from(_HEAD, data, place)
            top, left, bottom, right, *rest = struct.unpack_from(_PLACE, data, place + struct.calcsize(_HEAD))
            plane, planes, down, across, rows, columns, *grid, map_planes = rest
            whole = (top, left) == (site // 2, site % 2) and bottom >= height and right >= width
            known = (number, plane, planes, down, across, map_planes) == (_GAIN_MAP, 0, 1, 2, 2, 1)
            spread = [1 / (rows - 1), 1 / (columns - 1), 0, 0]
            near = all(math.isclose(got, wanted, abs_tol=1e-6) for got, wanted in zip(grid, spread, strict=True))
            if count != 4 or not (whole and known and near) or max(rows, columns) > MOST_POINTS:
                return None
            gains = struct.unpack_from(
                f">{rows * columns}f", data, place + struct.calcsize(_HEAD) + size - 4 * rows * columns
            )
            grids.append(tuple(gains[columns * row : columns * (row + 1)] for row in range(rows)))
            place += struct.calcsize(_HEAD) + size
    except (struct.error, ZeroDivisionError):
        return None
    same = len({(len(grid), len(grid[0])) for grid in grids}) == 1
    sound = all(math.isfinite(gain) and gain > 0 for grid in grids for row in grid for gain in row)
    return tuple(grids) if same and sound and place == len(data) else None


def _opcode(grid: tuple[tuple[float, ...], ...], site: int, height: int, width: int) -> bytes:
    rows, columns = len(grid), len(grid[0])
    gains = struct.pack(f">{rows * columns}f", *(gain for row in grid for gain in row))
    spread = (1 / (rows - 1), 1 / (columns - 1), 0.0, 0.0)
    place = struct.pack(_PLACE, site // 2, site % 2, height, width, 0, 1, 2, 2, rows, columns, *spread, 1)
    return struct.pack(_HEAD, _GAIN_MAP, *_VERSION, _OPTIONAL, len(place) + len(gains)) + place + gains
