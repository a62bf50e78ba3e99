"""Invertible camera pipelines from training to the edge: RAW to JPEG and back, as ONNX graphs.

>>> import invisp_deploy
>>> with invisp_deploy.load() as model:  # doctest: +SKIP
...     model.render("photo.CR2").save("photo.jpg")
...     model.recover("photo.jpg").save("photo.dng")

These names are the public ones; `invisp_deploy.training.train` and `invisp_deploy.calibration.calibrate` stand in their
rooms. Importing this package needs nothing but the standard library: a name is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from invisp_deploy.errors import InvispError

if TYPE_CHECKING:
    from invisp_deploy.export.write import export_onnx
    from invisp_deploy.formats.frame import RawFrame
    from invisp_deploy.formats.picture import Picture, read_picture
    from invisp_deploy.formats.raw import read_raw
    from invisp_deploy.isp.develop import develop, undevelop
    from invisp_deploy.rendering.model import Model, load

__all__ = [
    "InvispError",
    "Model",
    "Picture",
    "RawFrame",
    "develop",
    "export_onnx",
    "load",
    "read_picture",
    "read_raw",
    "undevelop",
]

__version__ = "0.1.0"

_ROOMS = {
    "Model": "rendering.model",
    "Picture": "formats.picture",
    "RawFrame": "formats.frame",
    "develop": "isp.develop",
    "export_onnx": "export.write",
    "load": "rendering.model",
    "read_picture": "formats.picture",
    "read_raw": "formats.raw",
    "undevelop": "isp.develop",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'invisp_deploy' has no attribute {name!r}")
    return getattr(import_module(f"invisp_deploy.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
