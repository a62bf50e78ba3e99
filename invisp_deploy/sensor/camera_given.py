"""A camera file and what is said by hand beside it: what the file leaves open is filled, what it says stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from invisp_deploy.errors import RequestError
from invisp_deploy.sensor.camera_file import AS_GIVEN, CameraFile
from invisp_deploy.sensor.layouts import layout_named

_OPEN: Final = (None, (), AS_GIVEN)
_PARAMETERS: Final = {"width": "pipe", "height": "pipe"}


def with_given(camera: CameraFile, given: Mapping[str, Any]) -> CameraFile:
    """The camera with what its file leaves open. given: field of a camera file -> value as that has it, None for what
    is not given.

    Raises RequestError for a value that contradicts the file, and where size, format, depth or stride are wrong or
    missing.
    """
    said = {name: value for name, value in given.items() if value is not None}
    for name, value in said.items():
        stated = getattr(camera, name)
        if stated not in _OPEN and not _is_same(name, stated, value):
            raise RequestError(
                f"`{_PARAMETERS.get(name, name)}` says {_short(value)}, and {camera.name} has {_short(stated)} as "
                f"'{name}': leave it out, or write a camera file of your own."
            )
    filled = replace(camera, **{name: value for name, value in said.items() if getattr(camera, name) in _OPEN})
    if filled.width is None:
        raise RequestError(f"{camera.name} does not say how large its frames are: pass `pipe` WIDTHxHEIGHT.")
    most = filled.layout.white
    if camera.format is None and filled.companding is None and not most / 2 < filled.white <= most:
        raise RequestError(
            f"The `format` {filled.layout.name} has {filled.layout.bits} bits, and the levels of {camera.name} are not "
            f"of that depth: its white is {filled.white}. Write a camera file of your own with levels of that depth."
        )
    filled.check()
    return filled


def _is_same(name: str, stated: object, value: object) -> bool:
    return layout_named(str(stated)) == layout_named(str(value)) if name == "format" else stated == value


def _short(value: object) -> str:
    return str(value).replace("'", "")
