"""A camera file: what raw frames of a camera are and mean, as a person writes it once (TOML)."""

from __future__ import annotations

import difflib
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.errors import MissingFileError, RequestError
from invisp_deploy.isp.frame import ColorMatrix
from invisp_deploy.isp.two_lights import LIGHTS
from invisp_deploy.sensor.companding import Companding
from invisp_deploy.sensor.layouts import MOST_STRIDE, Layout, layout_named
from invisp_deploy.sensor.lens_shading import MOST_POINTS, LensShading

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GREY_WORLD: Final = "grey-world"
AS_GIVEN: Final = "as-given"
"""Ways to the gains of a frame: its own means, and what comes with it on the side channel."""

_FOLDER: Final = Path(__file__).parent / "cameras"
_LARGEST: Final = 1 << 20
"""Bytes of a camera file, at most."""
_EDGE: Final = 65536


@dataclass(frozen=True)
class CameraNoise:
    """Variance = a * x + b of a sample, x from 0 at black to 1 at white, as DNG's NoiseProfile has it. gain: the
    sensor's, at which that holds.
    """

    gain: float
    a: float
    b: float


@dataclass(frozen=True)
class CameraFile:
    """What raw frames of a camera are.

    name: of the file, for messages. make, model: as a contract spells them. format: a layout's name. black: DN at the
    four sites of the pattern, row by row. white: DN of full scale; both after `companding`.
    white_balance: gains of R, G, B (any common factor), `grey-world` or `as-given`.
    cfa: one of RGGB, GRBG, GBRG, BGGR. width, height: pixels. stride: bytes from row to row. None where the file leaves
    them open, or the format says it. orientation: EXIF's, 1 to 8.
    color_matrix: light -> CIE XYZ to camera RGB, rows R, G, B; none, one for D65 (or as DNG's for it), or two.
    noise: by rising gain. lens_shading: of the lens, empty if unknown. companding: codes of the sensor to DN; None
    where its samples are DN.
    """

    name: str
    make: str
    model: str
    format: str | None
    black: tuple[float, float, float, float]
    white: int
    white_balance: tuple[float, float, float] | str
    cfa: str | None = None
    width: int | None = None
    height: int | None = None
    stride: int | None = None
    orientation: int = 1
    color_matrix: tuple[tuple[str, ColorMatrix], ...] = ()
    noise: tuple[CameraNoise, ...] = ()
    lens_shading: LensShading = ()
    companding: Companding | None = None

    @property
    def layout(self) -> Layout:
        """Raises RequestError where the file leaves the format open."""
        if self.format is None:
            raise RequestError(f"{self.name} does not say which format its frames have: pass `format`, such as pRCC.")
        return layout_named(self.format)

    @property
    def pattern(self) -> str:
        """The colours of the frames' first 2x2 sites, by `cfa` or by the format. Raises as `layout`."""
        return self.cfa or self.layout.cfa

    def check(self) -> None:
        """Raise RequestError for fields that do not go together, as far as they are there."""
        if (self.width is None) is not (self.height is None):
            raise RequestError(
                f"{self.name} has one of 'width' and 'height': both belong together, or neither is there."
            )
        if self.format is not None:
            self._check_format(self.layout)
        if not max(self.black) < self.white:
            raise RequestError(
                f"{self.name}: 'white' is {self.white}, expected a DN above the black of {max(self.black):g}."
            )

    def _check_format(self, layout: Layout) -> None:
        if not self.pattern:
            raise RequestError(
                f"{self.name} has no field 'cfa', and the format {layout.name} leaves it open: it is one of "
                f"{', '.join(CFA_PATTERNS)}."
            )
        if layout.cfa not in ("", self.pattern):
            raise RequestError(
                f"{self.name}: 'cfa' is {self.cfa}, and the format {layout.name} has {layout.cfa}: leave 'cfa' out, or "
                "name the format of that pattern."
            )
        if layout.table and self.companding is None:
            raise RequestError(
                f"{self.name} has no field 'companding', and the format {layout.name} holds codes of a table."
            )
        most = layout.white if self.companding is None else self.companding.white
        if self.white > most:
            raise RequestError(
                f"{self.name}: 'white' is {self.white}, and samples of {layout.name} go to {most}: the levels are of "
                "another depth."
            )
        if self.width is not None:
            layout.stride_of(self.width, self.stride)


def shipped_cameras() -> list[str]:
    """Names of the camera files that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def names_camera_file(text: str) -> bool:
    """Whether that is the name of a shipped camera file, or of a file, which ends in .toml."""
    return text.lower().endswith(".toml") or text in shipped_cameras()


def read_camera_file(given: str | Path) -> CameraFile:
    """A camera file by its path, or one that is shipped by its name.

    Raises RequestError for a file that is none: no TOML, a field that is missing, unknown or of another kind, fields
    that do not go together; MissingFileError.
    """
    path = _FOLDER / f"{given}.toml" if str(given) in shipped_cameras() else Path(given)
    fields = _fields_of(path)
    for name in fields:
        if name not in _FIELDS:
            near = difflib.get_close_matches(name, _FIELDS, 2)
            hint = f"did you mean {', '.join(near)}?" if near else f"expected {', '.join(_FIELDS)}."
            raise RequestError(f"{path} has the field '{name}', which no camera file has: {hint}")
    read: dict[str, Any] = {}
    for name, field in _FIELDS.items():
        if name in fields:
            try:
                read[name] = field.read(fields[name])
            except (TypeError, ValueError, LookupError, OverflowError):
                raise RequestError(f"{path}: '{name}' is {field.expected}, got {_short(fields[name])}.") from None
        elif field.needed:
            raise RequestError(
                f"{path} has no field '{name}': it is {field.expected}; docs/cameras.md shows a whole one."
            )
    camera = CameraFile(str(path), **{"format": None, **read})
    try:
        camera.check()
    except RequestError as error:
        raise error if str(path) in str(error) else RequestError(f"{path}: {error}") from error
    return camera


def camera_text(camera: CameraFile, heading: Sequence[str] = ()) -> str:
    """The file of a camera, which `read_camera_file` reads as the same. heading: lines of comment."""
    lines = [f"# {line}".rstrip() for line in heading] + [""] * bool(heading)
    for name in _FIELDS:
        value = getattr(camera, name)
        if value is None or value == () or (name == "orientation" and value == 1):
            continue
        if name == "color_matrix":
            continue
        if name == "noise":
            value = [[each.gain, each.a, each.b] for each in camera.noise]
        if name == "companding":
            value = value.points
        lines.append(f"{name} = {_value(value)}")
    if camera.color_matrix:
        lines += ["", "[color_matrix]", *(f"{light} = {_value(matrix)}" for light, matrix in camera.color_matrix)]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    """In TOML, whose texts, numbers and lists are JSON's but for one character."""
    if isinstance(value, (list, tuple)):
        inner = [_value(each) for each in value]
        nested = any(isinstance(each, (list, tuple)) for each in value)
        return "[\n" + "".join(f"  {each},\n" for each in inner) + "]" if nested else f"[{', '.join(inner)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F") if isinstance(value, str) else repr(value)


def _fields_of(path: Path) -> dict[str, Any]:
    if not path.exists():
        known = ", ".join(shipped_cameras())
        raise MissingFileError(f"There is no camera file {path}: name a file, or one that is shipped ({known}).")
    if not path.is_file():
        raise RequestError(f"The camera file {path} is a folder, a pipe or a device: name a file.")
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise RequestError(f"The camera file {path} cannot be read: {error.strerror or error}.") from error
    try:
        if len(data) > _LARGEST:
            raise ValueError(f"it is larger than {_LARGEST} bytes")
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RequestError(f"The camera file {path} is no TOML ({reason}): docs/cameras.md shows one.") from error


@dataclass(frozen=True)
class _Field:
    """How a field is read, which raises ValueError or the like for what is none; what it is, in words; whether a file
    must have it.
    """

    read: Callable[[Any], Any]
    expected: str
    needed: bool = False


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _number(value: Any, least: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < least:
        raise ValueError
    return value


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError
        return value

    return read


def four_levels(value: Any) -> tuple[float, float, float, float]:
    """One black level for all sites of the pattern, or one for each. Raises TypeError or ValueError."""
    levels = value if isinstance(value, list) else [value] * 4
    a, b, c, d = (_number(level, 0) for level in levels)
    return a, b, c, d


def three_gains(value: Any) -> tuple[float, float, float]:
    """Gains of R, G, B above 0. Raises TypeError or ValueError."""
    red, green, blue = (_number(gain, 0) for gain in value)
    if not 0 < min(red, green, blue) <= max(red, green, blue) < 1e6:
        raise ValueError
    return red, green, blue


def _white_balance(value: Any) -> tuple[float, float, float] | str:
    if value in (GREY_WORLD, AS_GIVEN):
        return _text(value)
    if not isinstance(value, list):
        raise TypeError
    return three_gains(value)


def _matrices(value: Any) -> tuple[tuple[str, ColorMatrix], ...]:
    if not isinstance(value, dict) or not 1 <= len(value) <= 2 or not set(value) <= set(LIGHTS):
        raise ValueError
    if len(value) == 1 and "D65" not in value:
        raise ValueError
    found = []
    for light in sorted(value, key=lambda light: LIGHTS[light]):
        (a, b, c), (d, e, f), (g, h, i) = ([float(_number(number)) for number in row] for row in value[light])
        found.append((light, ((a, b, c), (d, e, f), (g, h, i))))
    return tuple(found)


def _noise(value: Any) -> tuple[CameraNoise, ...]:
    rows = tuple(CameraNoise(*(float(_number(number, 0)) for number in row)) for row in value)
    gains = [row.gain for row in rows]
    if not gains or min(gains) <= 0 or sorted(set(gains)) != gains or any(row.a + row.b <= 0 for row in rows):
        raise ValueError
    return rows


def _shading(value: Any) -> LensShading:
    grids = tuple(tuple(tuple(float(_number(gain, 0)) for gain in row) for row in grid) for grid in value)
    sizes = {(len(grid), *(len(row) for row in grid)) for grid in grids}
    sides = {side for grid in grids for side in (len(grid), len(grid[0]))}
    if len(grids) != 4 or len(sizes) != 1 or any(len({len(row) for row in grid}) != 1 for grid in grids):
        raise ValueError
    if (
        not 2 <= min(sides) <= max(sides) <= MOST_POINTS
        or min(gain for grid in grids for row in grid for gain in row) <= 0
    ):
        raise ValueError
    return grids


def _companding(value: Any) -> Companding:
    inside = _whole(0, _EDGE - 1)
    try:
        return Companding(tuple((inside(code), inside(level)) for code, level in value))
    except RequestError as error:
        raise ValueError from error


def _pattern(value: Any) -> str:
    if value not in CFA_PATTERNS:
        raise ValueError
    return _text(value)


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 80 else f"{said[:77]}..."


_FIELDS: Final[dict[str, _Field]] = {
    "make": _Field(_text, "the maker's name, a text", needed=True),
    "model": _Field(_text, "the camera's name, a text", needed=True),
    "format": _Field(_text, "a FourCC such as 'pRCC', or another name of docs/sensors.md"),
    "width": _Field(_whole(2, _EDGE), f"a whole number of pixels, 2 to {_EDGE}"),
    "height": _Field(_whole(2, _EDGE), f"a whole number of pixels, 2 to {_EDGE}"),
    "stride": _Field(_whole(1, MOST_STRIDE), "the bytes from one row to the next, a whole number"),
    "cfa": _Field(_pattern, f"one of {', '.join(CFA_PATTERNS)}"),
    "orientation": _Field(_whole(1, 8), "EXIF's orientation, 1 to 8"),
    "black": _Field(four_levels, "a DN, or four of them, one for each site of the 2x2 pattern", needed=True),
    "white": _Field(_whole(1, _EDGE - 1), f"a DN, a whole number from 1 to {_EDGE - 1}", needed=True),
    "white_balance": _Field(
        _white_balance, f"three gains of R, G and B above 0, or '{GREY_WORLD}' or '{AS_GIVEN}'", needed=True
    ),
    "color_matrix": _Field(
        _matrices,
        "a table of three rows of three numbers from CIE XYZ to camera RGB: one for D65, or two of the lights "
        f"{', '.join(LIGHTS)}",
    ),
    "noise": _Field(_noise, "rows of a gain of the sensor, a and b, by rising gain, where variance = a * x + b"),
    "lens_shading": _Field(
        _shading,
        f"four grids of gains above 0, one for each site of the 2x2 pattern, of 2 to {MOST_POINTS} rows and columns, "
        "all of one size",
    ),
    "companding": _Field(
        _companding,
        "rows of a code and its DN, codes rising and DN not falling, such as [[0, 0], [2048, 2048], [4095, 65535]]",
    ),
}
