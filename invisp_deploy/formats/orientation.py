"""The eight ways in which a picture can lie, by the numbers of EXIF's Orientation (Exif 2.3, 4.6.4)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

ORIENTATIONS: Final = range(1, 9)

TURNS: Final = {
    # number: (rows become columns, then mirrored left to right, then top to bottom)
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}

WORDS: Final = {
    1: "as it was",
    2: "mirrored left to right",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "mirrored along its diagonal",
    6: "turned by 90 degrees clockwise",
    7: "mirrored along its other diagonal",
    8: "turned by 90 degrees counter-clockwise",
}
"""What was done to a picture that was turned upright by that number."""

_PROBE: Final = np.arange(6).reshape(2, 3)


def upright(pixels: npt.NDArray[Any], number: int) -> npt.NDArray[Any]:
    """(H, W, ...) -> the pixels as a viewer shows them for that orientation, a view."""
    transposed, across, down = TURNS[number]
    turned = pixels.swapaxes(0, 1) if transposed else pixels
    return turned[:: -1 if down else 1, :: -1 if across else 1]


def sensor_order(pixels: npt.NDArray[Any], number: int) -> npt.NDArray[Any]:
    """Inverse of `upright`."""
    transposed, across, down = TURNS[number]
    turned = pixels[:: -1 if down else 1, :: -1 if across else 1]
    return turned.swapaxes(0, 1) if transposed else turned


def one_after(first: int, second: int) -> int:
    """The orientation that shows at once what `first` and then `second` show."""
    wanted = upright(upright(_PROBE, first), second)
    return next(number for number in ORIENTATIONS if np.array_equal(upright(_PROBE, number), wanted))
