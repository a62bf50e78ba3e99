"""A prepared dataset of small crops of the sample, and methods whose figures are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from invisp_deploy.dataset.open import Dataset
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.prepare import prepare
from invisp_deploy.dataset.sources import sources_in
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.research.methods import Method
from tests.graphs import CANON_30D


class Exact(nn.Module):
    """Renders RAW as it is, times `gain`; recovers what it is given, divided by it. Only JPEG stands between."""

    renders = True

    def __init__(self, gain: float = 0.5, error: float = 0.0) -> None:
        super().__init__()
        self.gain, self.error = gain, error

    def forward(self, raw: Tensor) -> Tensor:
        return raw * self.gain

    def inverse(self, rgb: Tensor) -> Tensor:
        return rgb / self.gain + self.error


@pytest.fixture(scope="session")
def photo_set(sample_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Four files of 226x258 pixels, two for testing, the second of another CFA phase; must not be written to."""
    folder = tmp_path_factory.mktemp("photo_set")
    (folder / "raws").mkdir()
    for index, top in enumerate((400, 901, 1200, 1700)):
        part = np.ascontiguousarray(sample_frame.mosaic[top : top + 226, 1500:1758])
        frame = replace(sample_frame, mosaic=part, cfa="GBRG" if top % 2 else "RGGB")
        write_dng(folder / "raws" / f"file{index}.dng", frame)
    options = PrepareOptions(test_names=("file1", "file2"))
    return prepare(sources_in([folder / "raws"]), folder / "data", options)[0]


@pytest.fixture
def method() -> Callable[..., Method]:
    def build(label: str, network: nn.Module, **changes: Any) -> Method:
        made = Method(label, "invisp", CANON_30D, lambda frame: network, True, (0.0, 0.0))
        return replace(made, **changes)

    return build


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    return tmp_path
