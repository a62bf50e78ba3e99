"""What comes beside one raw frame: its gains, black, exposure, as a line of JSON."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from invisp_deploy.errors import RawFileError
from invisp_deploy.plain_json import parse_json
from invisp_deploy.sensor.camera_file import four_levels, three_gains

MOST_BYTES: Final = 1 << 16
"""Of a line."""


@dataclass(frozen=True)
class FrameLine:
    """What a line says of its frame; None: as the camera file has it.

    frame: which frame from 0, for lines that may get lost. gains: of R, G, B, white balance. black: DN at the sites of
    the pattern. exposure: seconds. gain: of the sensor, 1 at its least. iso: sensitivity.
    """

    frame: int | None = None
    gains: tuple[float, float, float] | None = None
    black: tuple[float, float, float, float] | None = None
    exposure: float | None = None
    gain: float | None = None
    iso: int | None = None


NOTHING_SAID: Final = FrameLine()
"""Of a frame that came alone."""


def read_frame_line(line: bytes, name: str) -> FrameLine:
    """A line of the side channel. name: of its frame. Raises RawFileError for one that is none."""
    try:
        fields = parse_json(line)
    except ValueError as error:
        raise RawFileError(f"The line for {name} is no JSON ({error}): {_EXAMPLE}") from error
    if not isinstance(fields, dict):
        raise RawFileError(f"The line for {name} is {_shown(fields)}, expected one JSON object: {_EXAMPLE}")
    said: dict[str, Any] = {}
    for field, value in fields.items():
        if field not in _FIELDS:
            near = difflib.get_close_matches(field, _FIELDS, 1)
            hint = f"did you mean {', '.join(near)}?" if near else f"expected {', '.join(_FIELDS)}."
            raise RawFileError(f"The line for {name} has the field {_shown(field)}, which none has: {hint}")
        read, expected = _FIELDS[field]
        try:
            said[field] = read(value)
        except (TypeError, ValueError):
            raise RawFileError(f"The line for {name}: '{field}' is {expected}, got {_shown(value)}.") from None
    return FrameLine(**said)


_EXAMPLE: Final = 'such as {"gains": [2.1, 1, 1.6], "exposure": 0.01, "gain": 2}.'


def _above_0(most: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= most:
            raise ValueError
        return float(value)

    return read


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError
        return value

    return read


def _shown(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:57]}..."


_FIELDS: Final[dict[str, tuple[Callable[[Any], Any], str]]] = {
    "frame": (_whole(0, 1 << 53), "the number of its frame, from 0"),
    "gains": (three_gains, "three gains of R, G and B above 0"),
    "black": (four_levels, "a DN, or four of them, one for each site of the 2x2 pattern"),
    "exposure": (_above_0(1e5), "the seconds that the frame was exposed, above 0"),
    "gain": (_above_0(1e5), "the gain of the sensor, a number above 0"),
    "iso": (_whole(1, 65535), "a sensitivity, a whole number from 1 to 65535"),
}
