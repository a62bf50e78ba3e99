"""Figures as files: deterministic, and whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invisp_deploy.report.figures import write_figure


def line(figure: Any) -> None:
    figure.subplots().plot([0, 1], [1, 0])


def test_the_same_figure_is_the_same_bytes_without_a_version(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        write_figure(tmp_path / name, line, (4, 3), dpi=50)
    data = (tmp_path / "a.png").read_bytes()
    assert data == (tmp_path / "b.png").read_bytes()
    assert b"atplotlib" not in data
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (200, 150)


def test_a_figure_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail(figure: Any) -> None:
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        write_figure(tmp_path / "a.png", fail, (4, 3))
    assert list(tmp_path.iterdir()) == []
