"""A look that is a closed form itself, and a prepared dataset of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.dataset.open import Dataset
from invisp_deploy.dataset.options import PrepareOptions
from invisp_deploy.dataset.prepare import prepare
from invisp_deploy.dataset.sources import sources_in
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import render_libraw

MIX = np.array([[1.15, -0.1, -0.05], [-0.08, 1.12, -0.04], [0.02, -0.22, 1.2]])


def looked(rgb: np.ndarray) -> np.ndarray:
    """Warmer, with contrast: of codes (H, W, 3) uint8. LibRaw's picture by Pillow's matrix and a curve of ours."""
    rows = [value for row in MIX for value in (*row, 0.0)]
    mixed = np.asarray(Image.fromarray(rgb).convert("RGB", rows), np.float64) / 255
    return np.rint(255 * (0.6 * mixed + 0.4 * (3 * mixed**2 - 2 * mixed**3))).astype(np.uint8)


@pytest.fixture(scope="session")
def look_data(sample_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Seven files of 320x384 pixels, two of them for testing, one of which clips."""
    raws, pictures = tmp_path_factory.mktemp("raws"), tmp_path_factory.mktemp("pictures")
    for index, name in enumerate("abcdefg"):
        top, left = 300 * index + 100, 410 * index + 50
        mosaic = np.ascontiguousarray(sample_frame.mosaic[top : top + 320, left : left + 384])
        if name == "g":
            mosaic = np.minimum(mosaic.astype(int) * 4, sample_frame.white).astype(np.uint16)
        write_dng(raws / f"{name}.dng", replace(sample_frame, mosaic=mosaic))
        Image.fromarray(looked(render_libraw(raws / f"{name}.dng"))).save(pictures / f"{name}.png")
    options = PrepareOptions(98, "4:4:4", test_names=("b", "g"), target=str(pictures))
    data, refused = prepare(sources_in([raws]), tmp_path_factory.mktemp("prepared") / "data", options)[:2]
    assert not refused
    return data
