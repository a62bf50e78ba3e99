"""The table over files from plain facts: the page, the lines, and what the picture shows."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from invisp_deploy.report.files import draw_files, files_lines, files_page

METRICS = ("rgb-psnr", "raw-psnr-paper", "raw-psnr", "raw-psnr-unclipped", "raw-psnr-clipped")
GREEN, RED = (0x2F, 0x85, 0x5A), (0xC5, 0x30, 0x30)


def figures(theirs: float, gain: float) -> dict[str, dict[str, float | None]]:
    columns = {"against": theirs, "model": theirs + gain, "gain": gain}
    return {name: dict.fromkeys(METRICS, value) for name, value in columns.items()}


def facts() -> dict[str, Any]:
    return {
        "model": {"name": "ours", "weights": "0" * 64, "configuration": "small"},
        "against": {"name": "theirs", "weights": "1" * 64, "configuration": "closed-form"},
        "quality": 90,
        "subsampling": "4:2:2",
        "files": [
            {"file": "a.CR2", "camera": "Maker | One", "size": [4000, 3000], "clipped": 0.0123, **figures(40.0, 1.5)},
            {"file": "b.dng", "camera": "", "size": [640, 480], "clipped": 0.0, **figures(41.0, -0.001)},
        ],
        "refused": [{"file": "c.raw", "why": "c.raw is not a RAW file."}],
        "mean": figures(40.5, 0.7495),
    }


def test_the_page_has_every_file_beside_its_rival() -> None:
    found = facts()
    found["files"][1]["model"]["raw-psnr"] = found["files"][1]["gain"]["raw-psnr"] = None
    lines = files_page(found, "images/files.png").splitlines()
    assert "| file | camera | MP | clipped | RGB | RAW (paper) | RAW | RAW unclipped |" in lines
    better = " | ".join(["40.00 → 41.50 (+1.50)"] * 4)
    assert f"| a.CR2 | Maker \\| One | 12.0 | 1.23% | {better} |" in lines
    level = "41.00 → 41.00 (+0.00)"
    assert f"| b.dng | – | 0.3 | 0.00% | {level} | {level} | 41.00 → – (–) | {level} |" in lines
    mean = " | ".join(["**40.50 → 41.25 (+0.75)**"] * 4)
    assert f"| **mean** |  |  |  | {mean} |" in lines
    assert "| c.raw | c.raw is not a RAW file. |" in lines
    assert sum("](images/files.png)" in line for line in lines) == 1
    assert "quality 90, 4:2:2, in dB: `theirs` → `ours`" in lines[0]
    assert "refused" not in files_page(found | {"refused": []})


def test_the_lines_have_the_same_figures() -> None:
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in files_lines(facts()).splitlines()]
    figured = ("RGB", "RAW (paper)", "RAW", "RAW unclipped")
    assert rows[0] == ["file", "MP", "clipped", *(cell for name in figured for cell in (name, "+/-"))]
    assert rows[2:] == [
        ["a.CR2", "12.0", "1.2%", *["41.50", "+1.50"] * 4],
        ["b.dng", "0.3", "0.0%", *["41.00", "+0.00"] * 4],
        ["mean", "", "", *["41.25", "+0.75"] * 4],
    ]


@pytest.mark.parametrize(("gain", "colour", "other"), [(1.5, GREEN, RED), (-1.5, RED, GREEN)])
def test_the_picture_has_an_arrow_a_file_in_the_colour_of_its_sign(
    gain: float, colour: tuple[int, int, int], other: tuple[int, int, int], tmp_path: Path
) -> None:
    found = facts() | {"mean": figures(40.5, gain)}
    for row in found["files"]:
        row.update(figures(40.0, gain))
    long = copy.deepcopy(found)
    long["files"] *= 3
    drawn = {}
    for name, each in (("short", found), ("long", long)):
        draw_files(tmp_path / f"{name}.png", each)
        with Image.open(tmp_path / f"{name}.png") as image:
            drawn[name] = np.asarray(image.convert("RGB"))[60:]  # below the legend, which has both colours
    counts = {name: (pixels == colour).all(-1).sum() for name, pixels in drawn.items()}
    assert counts["short"] > 200
    assert counts["long"] > 1.8 * counts["short"]
    assert len(drawn["long"]) > len(drawn["short"])
    assert not (drawn["short"] == other).all(-1).any()
    assert files_without_figures(found, tmp_path) < counts["short"]


def files_without_figures(found: dict[str, Any], folder: Path) -> int:
    """Coloured pixels where the first file has no figures, and so no arrow."""
    found["files"][0]["model"] = dict.fromkeys(METRICS)
    draw_files(folder / "without.png", found)
    with Image.open(folder / "without.png") as image:
        pixels = np.asarray(image.convert("RGB"))[60:]
    return int(((pixels == GREEN) | (pixels == RED)).all(-1).sum())
