"""invisp stream between two GStreamers: bytes of a known scene, and the commands of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from invisp_deploy.cli.main import main
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.tolerances import TOLERANCES
from tests.gstreamer import launch, needs_gstreamer

PAGE = Path(__file__).parents[2] / "docs" / "gstreamer.md"
LONG = 120.0  # seconds after which a test that hangs fails
TO_SRGB = "3.2406,-1.5372,-0.4986,-0.9689,1.8758,0.0415,0.0557,-0.2040,1.0570"  # IEC 61966-2-1

pytestmark = needs_gstreamer


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which the commands are those of this checkout."""
    for name, words in (("invisp", ""), ("invisp-run", "run ")):
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m invisp_deploy {words}"$@"\n')
        script.chmod(0o755)
    return f"{tmp_path / 'bin'}:{os.environ['PATH']}"


def commands() -> list[str]:
    return re.findall(r"^```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S | re.M)


def test_the_page_has_commands_both_ways() -> None:
    assert len(commands()) == 5


@pytest.mark.parametrize("number", range(5))
def test_a_command_of_the_page_does_what_it_says(number: int, path: str, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(root)}
    words = ["bash", "-euo", "pipefail", "-c", commands()[number]]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LONG)
    assert done.returncode == 0, done.stderr
    made = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    frames = [f"frame-00000{number}.jpg" for number in range(3)]
    wanted = [
        [f"pictures/{name}" for name in frames],
        [f"padded/{name}" for name in frames],
        ["video.mp4"],
        ["frame-0.png", "frame-1.png"],
        ["part-0.jpg", "part-1.dng", "part-1.jpg", "part-2.jpg"],
    ][number]
    assert made == wanted
    if number < 2:
        facts = read_picture(tmp_path / made[0]).record
        assert facts is not None
        assert facts.alignment.inverse(np.zeros((facts.height, facts.width))).shape == (480, 640 + 2 * number)
    elif made == ["video.mp4"]:
        launch(f"filesrc location={tmp_path}/video.mp4 ! qtdemux ! h264parse ! multifilesink location={tmp_path}/%d")
        assert len([path for path in tmp_path.iterdir() if path.name.isdigit()]) == 5
    elif number == 3:
        bars = np.asarray(Image.open(tmp_path / "frame-0.png"))
        assert is_like_bars(bars)
    else:
        assert read_raw(tmp_path / "part-1.dng").cfa == "BGGR"


def is_like_bars(pixels: np.ndarray) -> bool:
    """White, yellow, cyan, green, magenta, red, blue from left to right, as SMPTE's bars are."""
    columns = (np.arange(7) + 0.5) / 7 * pixels.shape[1]
    bars = pixels[pixels.shape[0] // 3, columns.astype(int)].astype(int)
    on = bars > 128
    return [tuple(map(int, bar)) for bar in on] == [
        (1, 1, 1), (1, 1, 0), (0, 1, 1), (0, 1, 0), (1, 0, 1), (1, 0, 0), (0, 0, 1),
    ]  # fmt: skip


@pytest.mark.parametrize("cfa", ["bggr", "rggb", "grbg", "gbrg"])
def test_colours_and_samples_are_those_of_the_source(cfa: str, tmp_path: Path) -> None:
    """A plain colour, rows padded: each site of the RAW that comes back of the picture has its colour's sample."""
    colour = {"r": 200, "g": 120, "b": 60}
    frames = launch(
        "videotestsrc num-buffers=2 pattern=solid-color foreground-color=0xffc8783c ! "
        f"video/x-bayer,format={cfa},width=66,height=48 ! fdsink"
    )
    assert len(frames) == 2 * 48 * 68
    piped = ["stream", "--pipe", "66x48", "--stride", "68", "--format", cfa, "--black", "0", "--white-balance", "1,1,1"]
    words = [sys.executable, "-m", "invisp_deploy", *piped, "--color-matrix", TO_SRGB, "-o", str(tmp_path)]
    done = subprocess.run(words, input=frames, capture_output=True, timeout=LONG)
    assert done.returncode == 0, done.stderr
    red, green, blue = read_picture(tmp_path / "frame-000001.jpg").pixels[24, 33]
    assert red > green + 30 > blue + 60
    words = ["run", str(tmp_path / "frame-000001.jpg"), "-o", str(tmp_path / "back.dng")]
    assert CliRunner().invoke(main, words).exit_code == 0
    back = read_raw(tmp_path / "back.dng")
    assert back.cfa == cfa.upper()
    for place, letter in enumerate(cfa):
        site = back.mosaic[place // 2 :: 2, place % 2 :: 2].astype(int)
        assert np.median(np.abs(site - colour[letter])) <= TOLERANCES["piped-colour"].limit, letter
