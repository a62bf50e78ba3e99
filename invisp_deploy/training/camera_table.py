"""Cameras of made RAW files: published colour matrices, levels and noise, none of a camera that models are judged on.

`cameras.json` beside this module is written by `scripts/camera_table.py`, which says what is left out. Its numbers are
those of RawSpeed's `cameras.xml` (LGPL-2+) and of darktable's `noiseprofiles.json` (GPL-3+) in Debian.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from invisp_deploy.isp.colour import as_color_matrix
from invisp_deploy.isp.frame import ColorMatrix


@dataclass(frozen=True)
class NoiseProfile:
    """Variance of a green value x in [0, 1] of a demosaiced picture at an ISO speed: shot * x + read."""

    iso: int
    shot: float
    read: float


@dataclass(frozen=True)
class TableCamera:
    """name: make and model. matrix: XYZ (D65) to camera RGB. black, white: DN. noise: by ISO, empty if not known."""

    name: str
    matrix: ColorMatrix
    black: int
    white: int
    noise: tuple[NoiseProfile, ...]


@cache
def table_cameras() -> tuple[TableCamera, ...]:
    """All cameras of the table, by name; no two have the same matrix."""
    text = files("invisp_deploy.training").joinpath("cameras.json").read_text(encoding="utf-8")
    return tuple(
        TableCamera(
            entry["name"],
            as_color_matrix(np.reshape(entry["matrix"], (3, 3)) / 10_000),
            entry["black"],
            entry["white"],
            tuple(NoiseProfile(*row) for row in entry["noise"]),
        )
        for entry in json.loads(text)["cameras"]
    )
