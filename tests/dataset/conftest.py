"""Small RAW files of one camera, and a dataset prepared of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.dataset.open import Dataset
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.prepare import prepare
from invisp_deploy.dataset.sources import sources_in
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame


@pytest.fixture(scope="session")
def write_raws(small_frame: RawFrame) -> Callable[..., Path]:
    """Fills a folder with DNGs NAME.dng of 96x128 pixels, each another part of the sample."""

    def write(folder: Path, *names: str, model: str = "Canon EOS 30D") -> Path:
        folder.mkdir(exist_ok=True)
        for index, name in enumerate(names):
            row, column = 2 * (7 * index % 60), 2 * (11 * index % 50)
            part = np.ascontiguousarray(small_frame.mosaic[row : row + 96, column : column + 128])
            write_dng(folder / f"{name}.dng", replace(small_frame, mosaic=part, model=model))
        return folder

    return write


@pytest.fixture(scope="session")
def raws(write_raws: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six RAW files; must not be written to."""
    return write_raws(tmp_path_factory.mktemp("raws"), *"abcdef")


@pytest.fixture(scope="session")
def dataset(raws: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """All of `raws`, one for testing; must not be written to."""
    return prepare(sources_in([raws]), tmp_path_factory.mktemp("prepared") / "data", PrepareOptions())[0]
