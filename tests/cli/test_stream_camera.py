"""invisp stream from a camera of Linux, whose system calls are simulated: there was no device."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import main
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.picture import read_picture
from tests.simulated_v4l2 import SimulatedCamera

COLOUR = ("--white-balance", "2,1,1.5", "--color-matrix", "1,0,0,0,1,0,0,0,1")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["stream", "--threads", "1", *map(str, arguments)])


@pytest.fixture
def camera(small_frame: RawFrame, monkeypatch: pytest.MonkeyPatch) -> SimulatedCamera:
    """64x48 words of 12 bits in rows of 160 bytes; one frame is damaged, two were missed, then it is pulled out."""
    rows = np.zeros((48, 80), "<u2")
    rows[:, :64] = small_frame.mosaic[:48, :64]
    recorded = [(sequence, rows.tobytes(), sequence != 1) for sequence in (0, 1, 2, 5, 6)]
    found = SimulatedCamera("RG12", 64, 48, 160, recorded)
    found.install(monkeypatch)
    return found


def test_a_camera_says_what_it_sends_and_what_was_missed(camera: SimulatedCamera, tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    source = ("--v4l2", os.devnull, "--buffers", 3, "--black", 128, *COLOUR)
    result = run(*source, "-o", tmp_path / "out", "--frames", 4, "--report", report)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("4 of 4 frames done, 2 missed by the camera, 1 damaged by the camera; ")
    data = json.loads(report.read_text())
    assert (data["taken"], data["done"], data["camera"]) == (4, 4, {"missed": 2, "damaged": 1})
    assert data["settings"]["v4l2"] == os.devnull
    pictures = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in pictures] == [f"frame-00000{number}.jpg" for number in range(4)]
    record = read_picture(pictures[3]).record
    assert record is not None
    assert (record.facts.cfa, record.facts.white, record.height, record.width) == ("RGGB", 4095, 48, 64)
    assert camera.calls[-1] == "REQBUFS", "its buffers are given back"


def test_a_camera_that_is_pulled_out_ends_the_stream_after_its_last_frame(
    camera: SimulatedCamera, tmp_path: Path
) -> None:
    result = run("--v4l2", os.devnull, "--black", 128, *COLOUR, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 1
    assert "Error: The camera has gone: No such device, after 4 frames" in result.stderr
    assert json.loads(result.stdout)["done"] == 4 == len(list((tmp_path / "out").iterdir()))


def test_what_does_not_go_with_a_camera_is_refused(camera: SimulatedCamera, tmp_path: Path) -> None:
    out = ("-o", tmp_path / "out")
    of_camera = ("--v4l2", os.devnull)
    for arguments, words in (
        ((*of_camera, tmp_path, *out), "one source"),
        ((*of_camera, "--stride", 160, *out), "leave it out with --v4l2"),
        ((*of_camera, "--rate", 5, *out), "sets its own pace"),
        ((*of_camera, *out), "--black"),
        (("--v4l2", tmp_path / "absent", "--black", 128, *out), "No such file"),
        ((tmp_path, "--buffers", 3, *out), "pass --v4l2 DEVICE"),
    ):
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert words in result.stderr
