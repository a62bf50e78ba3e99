"""Pages and pictures of the experiments from plain data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from invisp_deploy.report.experiments import (
    PAPER_TABLE_1,
    PAPER_TABLE_2,
    write_error_maps,
    write_rate_curves,
    write_training_curves,
)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_what_the_paper_reports() -> None:
    assert PAPER_TABLE_1["InvISP, DSQ"].canon_5d[2] == 48.22
    assert PAPER_TABLE_2["Nikon D700"]["InvISP"] == (34.98, 0.4655)


def test_training_is_drawn_where_logs_have_it(tmp_path: Path) -> None:
    path = tmp_path / "training.png"
    assert not write_training_curves(path, {"silent": ()})
    assert not path.exists()
    log = ({"step": 1, "seconds": 60.0}, {"step": 1, "rgb_psnr": 20.0, "raw_psnr": 25.0}, {"step": 2, "seconds": 90.0})
    raw_only = ({"step": 1, "seconds": 60.0, "rgb_psnr": None, "raw_psnr": 25.0},)
    assert write_training_curves(path, {"silent": (), "loud": log, "RAW only": raw_only})
    assert pixels(path).shape[0] > 300


def test_the_rate_is_drawn(tmp_path: Path) -> None:
    points = [
        {"quality": quality, "bits per pixel": quality / 50, "raw-psnr": 40.0, "rgb-psnr": 35.0} for quality in (70, 98)
    ]
    write_rate_curves(tmp_path / "rate.png", {"rows": [{"label": "ours", "points": points}]})
    assert pixels(tmp_path / "rate.png").shape[1] > 600


def test_error_maps_stand_four_in_a_row(tmp_path: Path) -> None:
    panels = {str(index): np.full((32, 32, 3), 40 * index, np.uint8) for index in range(5)}
    write_error_maps(tmp_path / "maps.png", panels)
    picture = pixels(tmp_path / "maps.png")
    for index in range(5):
        assert (picture == 40 * index).all(-1).sum() > 1000, index
    # 4 columns and 2 rows of squares, with titles
    assert picture.shape[1] > 1.5 * picture.shape[0]
