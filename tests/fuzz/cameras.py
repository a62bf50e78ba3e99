"""Camera files, lines beside frames, opcodes of lens shading."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from invisp_deploy.contract import UNIVERSAL
from invisp_deploy.plain_json import parse_json
from invisp_deploy.sensor.camera_file import camera_text, read_camera_file
from invisp_deploy.sensor.camera_frame import frame_of_camera
from invisp_deploy.sensor.frame_line import read_frame_line
from invisp_deploy.sensor.lens_shading import shading_of_opcodes, shading_opcodes
from tests.fuzz.mutate import of_bytes, of_json
from tests.fuzz.target import Target

FLAT = [[1.0, 1.25], [1.0, 1.0]]
CAMERA: dict[str, Any] = {
    "make": "Maker",
    "model": "Model",
    "format": "RG12",
    "width": 8,
    "height": 6,
    "stride": 16,
    "orientation": 6,
    "black": [128, 129.5, 130, 131],
    "white": 4000,
    "white_balance": [2.0, 1, 1.5],
    "noise": [[1, 1e-4, 1e-7], [8, 8e-4, 2e-7]],
    "lens_shading": [FLAT] * 4,
    "companding": [[0, 0], [1024, 1024], [4095, 4095]],
    "color_matrix": {
        "A": [[0.7, -0.3138, 0.1393], [-0.2214, 0.9898, 0.7122], [0.0062, 0.0959, 0.8515]],
        "D65": [[0.4284, -0.0947, -0.0036], [-0.1852, 0.8642, 0.2864], [0.0881, 0.0585, 0.5278]],
    },
}


def camera(data: bytes, folder: Path) -> None:
    """TOML as it comes; what is read is written, read the same, and has a frame."""
    path = folder / "camera.toml"
    path.write_bytes(data)
    found = read_camera_file(path)
    path.write_text(camera_text(found))
    assert read_camera_file(path) == found
    mosaic = np.full((6, 8), 1000, np.uint16)
    frame_of_camera(replace(found, format=found.format or "RG12"), mosaic, name="f").recipe(UNIVERSAL)


def fields(data: bytes, folder: Path) -> None:
    """Fields in JSON, so that values of other kinds stand where TOML is sound."""
    values = None
    with suppress(ValueError):
        values = parse_json(data)
    if isinstance(values, dict):
        camera(b"".join(_toml_lines(values)), folder)


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)


def line(data: bytes, folder: Path) -> None:
    read_frame_line(data, "frame 1")


def opcodes(data: bytes, folder: Path) -> None:
    found = shading_of_opcodes(data, 6, 8)
    assert found is None or len(found) == 4


def _lines() -> Sequence[bytes]:
    whole = {"frame": 7, "gains": [2.1, 1, 1.6], "black": [64, 65, 65, 64], "exposure": 0.01, "gain": 2, "iso": 200}
    return [json.dumps(whole).encode(), b'{"black": 64.5}']


def _opcodes() -> Sequence[bytes]:
    grid = ((1.0, 1.25), (1.5, 1.0))
    return [shading_opcodes((grid,) * 4, 6, 8)]


TARGETS = (
    Target(
        "camera file", lambda: [b"".join(_toml_lines(CAMERA)), Path(read_camera_file("imx477").name).read_bytes()],
        camera, of_bytes, 4,
    ),
    Target("fields of a camera file", lambda: [json.dumps(CAMERA).encode()], fields, of_json, 4),
    Target("line beside a frame", _lines, line, of_json, 4),
    Target("opcodes of lens shading", _opcodes, opcodes, of_bytes, 4),
)  # fmt: skip


def _toml_lines(values: dict[str, Any]) -> list[bytes]:
    return [f"{json.dumps(name)} = {toml(value)}\n".encode() for name, value in values.items()]
