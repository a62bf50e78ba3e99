"""The camera contract: how a mosaic becomes the network's input, as data that travels with the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from invisp_deploy.errors import RequestError

CFA_PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR")
"""The four Bayer phases, read row by row from the top left pixel."""


LIBRAW = "libraw"
"""The look of LibRaw's rendering: as-shot white balance, no automatic brightening."""


@dataclass(frozen=True)
class CameraContract:
    """What weights expect of a frame. Never guessed from a camera's name: stored, carried, enforced.

    make, model: the camera that the weights were trained for, as the file spells it; both empty
        for weights that are tied to none (the authors' checkpoints say nothing).
    white: `file` divides by the file's white level; `adjusted` by the level that LibRaw's rendering
        maps to full scale (the brightest pixel where that exceeds three quarters of the file's white
        level); a number is that level for every file.
    white_balance: `max` divides the as-shot gains by their largest (nothing exceeds 1, green is pulled
        down), `min` by their smallest (green stays, clipped highlights exceed 1), `none` applies none.
    color: `camera`, the network sees the camera's own RGB; `srgb`, white-balanced RGB is clipped at 1 and taken to
        linear sRGB by the file's colour matrix, as LibRaw does, so one network serves every camera.
    clips: whether it is clipped there; a look that shows more of what is bright does not.
    curve: the network sees x**(1/curve) of a number, or `bt709`, the curve of ITU-R BT.709.
    cfa: `any` Bayer phase, or the phase (`RGGB`, ...) that frames are aligned to before a network that
        folds pixel squares sees them.
    shading: of the lens, which the camera's own rendering gives back (`isp.shading`); empty: nothing is.
    look: what the weights were taught to render: `libraw`, to which the steps without a network come close, or the name
        of another look.
    """

    make: str = ""
    model: str = ""
    white: str | int = "file"
    white_balance: str = "max"
    color: str = "camera"
    curve: float | str = 2.2
    cfa: str = "any"
    look: str = LIBRAW
    shading: tuple[float, ...] = ()
    clips: bool = True

    def __post_init__(self) -> None:
        _choice("white_balance", self.white_balance, ("max", "min", "none"))
        _choice("cfa", self.cfa, ("any", *CFA_PATTERNS))
        if isinstance(self.white, bool) or not (
            self.white in ("file", "adjusted") or (isinstance(self.white, int) and 0 < self.white <= 65535)
        ):
            raise RequestError(
                "A camera contract's 'white' must be 'file', 'adjusted' or a level from 1 to 65535, "
                f"got {self.white!r}."
            )
        _choice("color", self.color, ("camera", "srgb"))
        if not is_curve(self.curve):
            raise RequestError(
                f"A camera contract's 'curve' must be 'bt709' or a gamma from 1 (none) to 4, got {self.curve!r}."
            )
        if self.color == "srgb" and self.curve != "bt709":
            raise RequestError(
                "A camera contract of 'color' srgb has the 'curve' bt709: linear sRGB has values below 0, "
                f"which no gamma takes; got {self.curve!r}."
            )
        if not isinstance(self.make, str) or not isinstance(self.model, str):
            raise RequestError(
                f"A camera contract's 'make' and 'model' must be text, got {self.make!r} and {self.model!r}."
            )

        if not isinstance(self.look, str) or not self.look.strip():
            raise RequestError(f"A camera contract's 'look' must be a name, got {self.look!r}.")
        if not isinstance(self.clips, bool):
            raise RequestError(f"A camera contract's 'clips' is true or false, got {self.clips!r}.")
        if not isinstance(self.shading, tuple):
            raise RequestError(f"A camera contract's 'shading' is a list of numbers, got {self.shading!r}.")

    @property
    def camera(self) -> str:
        """Name of the camera for messages; empty where the weights are tied to none."""
        return camera_name(self.make, self.model)

    def accepts(self, make: str, model: str) -> bool:
        """Whether a frame of that camera fits these weights."""
        return not self.camera or self.camera.lower() == camera_name(make, model).lower()

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "shading": list(self.shading)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CameraContract:
        """Strict inverse of `to_dict`; raises RequestError for missing or unknown fields."""
        expected = {field.name for field in fields(cls)}
        if not isinstance(data, Mapping) or set(data) != expected:
            found = sorted(map(str, data)) if isinstance(data, Mapping) else repr(data)
            raise RequestError(f"A camera contract has the fields {sorted(expected)}, got {found}.")
        shading = data["shading"]
        return cls(**{**data, "shading": tuple(shading) if isinstance(shading, list) else shading})


def is_curve(curve: object) -> bool:
    """Whether a contract may have that curve."""
    number = isinstance(curve, (int, float)) and not isinstance(curve, bool)
    return curve == "bt709" or (number and 1 <= curve <= 4)  # type: ignore[operator]


def camera_name(make: str, model: str) -> str:
    """Make and model as one name; models that repeat their make are not doubled.

    >>> camera_name("Canon", "Canon EOS 30D")
    'Canon EOS 30D'
    """
    make, model = make.strip(), model.strip()
    return model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()


def _choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise RequestError(f"A camera contract's '{name}' must be one of {', '.join(choices)}, got {value!r}.")


UNIVERSAL = CameraContract(
    white="adjusted", white_balance="min", color="srgb", curve="bt709", cfa="RGGB",
)  # fmt: skip
"""Any Bayer camera: LibRaw's rendering but for its demosaicing."""
