"""What a RAW costs, from plain facts: the page, and what the picture shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from invisp_deploy.report.coders import coders_page, draw_coders

GREEN, ORANGE = (0x2F, 0x85, 0x5A), (0xC0, 0x56, 0x21)
NAMES = ("0", "2", "4", "8", "1s", "2s", "3s")


def bound(bits: float, psnr: float | None) -> dict[str, Any]:
    return {
        "ours": bits,
        "jpeg-xl": bits + 1,
        "jpeg-ls": bits + 1.25,
        "psnr": psnr,
        "psnr-of-mosaic": psnr and psnr - 2,
    }


def one(name: str, more: float = 0.0) -> dict[str, Any]:
    rates = (4.5, 2.5, 1.5, 0.5, 1.75, 0.75, 0.25)
    found = {
        key: bound(rate + more, None if key == "0" else 50 + 8 * rate) for key, rate in zip(NAMES, rates, strict=True)
    }
    return {
        "file": name,
        "camera": "Maker One",
        "size": [4000, 3000],
        "noise": {"gain": 0.1, "read": 1.0, "stated": False},
        "source": 10.0,
        "dng": 6.0,
        "plain": 1.25,
        "jpeg": 1.0,
        "predicted": 48.25,
        "bounds": found,
    }


def facts() -> dict[str, Any]:
    silent = one("c.dng", 2.0)
    silent["noise"] = None
    for key in ("1s", "2s", "3s"):
        del silent["bounds"][key]
    refused = [{"file": "d.KDC", "why": "The file has no colour matrix."}]
    return {
        "quality": 90,
        "subsampling": "4:2:2",
        "files": [one("a.CR2"), one("b.dng", 1.0), silent],
        "refused": refused,
    }


def test_the_page_has_what_exact_raws_cost() -> None:
    lines = coders_page(facts(), "images/coders.png").splitlines()
    assert "| a.CR2 | 12.0 | 10.00 | 6.00 | 5.50 | 5.75 | 1.00 | 4.50 | 5.50 | 55% |" in lines
    mean = (10, 6, 6.5, 6.75, 1, 5.5, 6.5)
    assert f"| **mean** |  | {' | '.join(f'**{each:.2f}**' for each in mean)} | **65%** |" in lines
    assert "quality 90, 4:2:2" in lines[0]


def test_the_page_has_every_bound_from_the_widest() -> None:
    lines = coders_page(facts(), "images/coders.png").splitlines()
    assert "| file | nothing stored | 3 σ | 2 σ | 1 σ | 8 DN | 4 DN | 2 DN |" in lines
    own = "0.25 (52.0) | 0.75 (56.0) | 1.75 (64.0) | 0.50 (54.0) | 1.50 (62.0) | 2.50 (70.0)"
    assert f"| a.CR2 | 0 (48.2) | {own} |" in lines
    assert "| c.dng | 0 (48.2) | – | – | – | 2.50 (54.0) | 3.50 (62.0) | 4.50 (70.0) |" in lines


def test_the_means_are_of_files_whose_noise_is_known() -> None:
    lines = coders_page(facts(), "images/coders.png").splitlines()
    assert "| 3 σ | 0.75 | 52.0 | 1.75 | 2.00 | 50.0 |" in lines
    assert "| none | 5.00 | exact | 6.00 | 6.25 | exact |" in lines


def test_the_page_shows_the_picture_and_what_was_refused() -> None:
    page = coders_page(facts(), "images/coders.png")
    assert page.count("](images/coders.png)") == 1
    assert "| d.KDC | The file has no colour matrix. |" in page.splitlines()
    assert "refused" not in coders_page(facts() | {"refused": []}, "x")


def test_the_picture_shows_both_curves(tmp_path: Path) -> None:
    draw_coders(tmp_path / "a.png", facts())
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    for colour in (GREEN, ORANGE):
        assert (pixels == colour).all(axis=2).sum() > 200
