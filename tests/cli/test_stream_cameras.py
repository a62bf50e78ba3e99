"""invisp stream by a camera file: the pictures of the frames are those of their RAW files; lines beside frames."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import main
from invisp_deploy.config import NetworkConfig
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.ifd import Entry
from invisp_deploy.formats.negative import Negative
from invisp_deploy.formats.picture import read_picture
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.sensor.camera_file import AS_GIVEN, CameraFile, CameraNoise, camera_text, read_camera_file
from invisp_deploy.sensor.lens_shading import shading_opcodes
from tests.cli.refusal import refused
from tests.graphs import CANON_30D, Graphs, write_graphs
from tests.simulated_v4l2 import SimulatedCamera

FLAT, SHADED = ((1.0, 1.0), (1.0, 1.0)), ((1.0, 1.5), (1.25, 2.0))


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return write_graphs(tmp_path_factory.mktemp("graphs"), NetworkConfig(2, 8, 2), CANON_30D)


@pytest.fixture(scope="module")
def dng(small_frame: RawFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph with a black for each site, that lies on its side, with noise and lens shading."""
    opcodes = Entry(7, shading_opcodes((FLAT, SHADED, FLAT, FLAT), 64, 96))
    noise = Entry(12, np.array((1e-4, 1e-7)).tobytes())
    frame = replace(
        small_frame,
        mosaic=np.ascontiguousarray(small_frame.mosaic[:64, :96]),
        black=(127.0, 128.5, 128.0, 129.25),
        orientation=6,
        negative=Negative({}, {51009: opcodes, 51041: noise}),
    )
    path = tmp_path_factory.mktemp("dng") / "photo.dng"
    write_dng(path, frame)
    return path


@pytest.fixture(scope="module")
def camera(dng: Path) -> Path:
    path = dng.with_suffix(".toml")
    assert CliRunner().invoke(main, ["prepare", "camera", str(dng), "-o", str(path)]).exit_code == 0
    return path


def rewritten(camera: Path, folder: Path, change: Callable[[CameraFile], CameraFile]) -> Path:
    path = folder / "changed.toml"
    path.write_text(camera_text(change(read_camera_file(camera))))
    return path


def stream(
    graphs: Graphs, data: bytes, *arguments: object, lines: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """invisp stream with frames on standard input, and with lines on another descriptor."""
    command = [sys.executable, "-m", "invisp_deploy", "stream", "--threads", "1", "--engine", graphs.forward]
    words = [*map(str, (*command, *arguments))]
    if lines is None:
        return subprocess.run(words, input=data, capture_output=True)
    reading, writing = os.pipe()
    os.write(writing, lines)
    os.close(writing)
    try:
        return subprocess.run(
            [*words, "--frame-facts", str(reading)], input=data, capture_output=True, pass_fds=[reading]
        )
    finally:
        os.close(reading)


def scan(path: Path) -> bytes:
    """What a JPEG holds from its start of scan on."""
    data = path.read_bytes()
    return data[data.rindex(b"\xff\xda") : data.rindex(b"\xff\xd9")]


def test_frames_by_the_camera_file_of_a_dng_are_rendered_as_the_dng(
    graphs: Graphs, dng: Path, camera: Path, tmp_path: Path
) -> None:
    mosaic = read_raw(dng).mosaic.astype("<u2").tobytes()
    done = stream(graphs, mosaic * 2, "--camera", camera, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    alone = CliRunner().invoke(main, ["run", "--engine", str(graphs.forward), str(dng), "-o", str(tmp_path / "a.jpg")])
    assert alone.exit_code == 0, alone.output
    expected = read_picture(tmp_path / "a.jpg")
    for number in range(2):
        path = tmp_path / "out" / f"frame-00000{number}.jpg"
        found = read_picture(path)
        assert found.pixels.tobytes() == expected.pixels.tobytes()
        assert scan(path) == scan(tmp_path / "a.jpg")
        assert found.record == expected.record
        assert (found.metadata.make, found.metadata.model) == (expected.metadata.make, expected.metadata.model)
    words = ["--engine", graphs.inverse, tmp_path / "out" / "frame-000000.jpg", "-o", tmp_path / "b.dng"]
    back = CliRunner().invoke(main, ["run", *map(str, words)])
    assert back.exit_code == 0, back.output
    recovered, source = read_raw(tmp_path / "b.dng"), read_raw(dng)
    assert replace(recovered.facts, color_matrix=None) == replace(source.facts, color_matrix=None)
    np.testing.assert_allclose(recovered.color_matrix, source.color_matrix, atol=1e-7)  # LibRaw's float32, twice
    assert recovered.negative is not None
    assert source.negative is not None
    assert {code: recovered.negative.mosaic[code] for code in (51009, 51041)} == {
        code: source.negative.mosaic[code] for code in (51009, 51041)
    }


def test_what_the_file_leaves_open_is_said_by_hand_and_the_rest_is_not(
    graphs: Graphs, dng: Path, camera: Path, tmp_path: Path
) -> None:
    mosaic = read_raw(dng).mosaic.astype("<u2").tobytes()
    without = rewritten(camera, tmp_path, lambda one: replace(one, width=None, height=None, color_matrix=()))
    said = ("--pipe", "96x64", "--format", "SRGGB12", "--color-matrix", "1,0,0,0,1,0,0,0,1", "--white", 4095)
    done = stream(graphs, mosaic, "--camera", without, *said, "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    record = read_picture(tmp_path / "out" / "frame-000000.jpg").record
    assert record is not None
    assert record.facts.color_matrix == ((1, 0, 0), (0, 1, 0), (0, 0, 1))

    def run(*arguments: object) -> Result:
        words = ["stream", "--engine", graphs.forward, "-o", tmp_path / "no", *arguments]
        return CliRunner().invoke(main, [*map(str, words)], input=b"")

    refused(run("--camera", without), 2, "does not say how large its frames are: pass --pipe")
    for option, value, field in (
        ("--pipe", "96x66", "height"),
        ("--format", "pRCC", "format"),
        ("--black", 128, "black"),
        ("--white", 4000, "white"),
        ("--white-balance", "2,1,1", "white_balance"),
        ("--color-matrix", "1,0,0,0,1,0,0,0,1", "color_matrix"),
    ):
        refused(run("--camera", camera, option, value), 2, f"{option} says", f"as '{field}'", str(camera))
    refused(run("--camera", camera, "--cfa", "BGGR"), 2, "'cfa' is BGGR, and the format RG12 has RGGB")
    refused(run("--camera", camera, "--stride", 100), 2, "--stride 100 is less than")
    refused(run("--camera", camera, "--format", "RG13"), 2, "--format 'RG13' is unknown")
    refused(run("--camera", tmp_path / "no.toml"), 2, "There is no camera file")
    refused(run("--camera", camera, dng), 2, "one source")
    refused(run("--frame-facts", 3, dng), 2, "--frame-facts goes with a camera file")
    v4l2 = ("--v4l2", tmp_path / "video0")
    refused(run("--camera", camera, *v4l2, "--frame-facts", 3), 2, "--frame-facts has a line for each", "--v4l2")
    refused(run("--camera", camera, *v4l2, "--pipe", "96x64"), 2, "one source")
    refused(run("--camera", camera, "--frame-facts", 0), 2, "is standard input")
    refused(run("--camera", camera, "--frame-facts", tmp_path / "absent"), 2, "--frame-facts", "cannot be read")
    refused(run("--camera", camera, "--frame-facts", tmp_path), 2, "--frame-facts", "is a folder")
    refused(run("--camera", camera, "--engine", graphs.inverse), 2, "name one model")
    assert not (tmp_path / "no").exists()


def test_lines_beside_frames_change_what_holds_for_each(
    graphs: Graphs, dng: Path, camera: Path, tmp_path: Path
) -> None:
    mosaic = read_raw(dng).mosaic.astype("<u2").tobytes()
    noise = (CameraNoise(1.0, 1e-4, 1e-7), CameraNoise(8.0, 8e-4, 1e-6))
    given = rewritten(camera, tmp_path, lambda one: replace(one, white_balance=AS_GIVEN, noise=noise))
    lines = (
        b'{"frame": 0, "gains": [2, 1, 1.5], "exposure": 0.004, "gain": 8}\n'
        b'{"frame": 1, "gains": [3, 1, 1.25], "black": 120}\n'
        b'{"frame": 2, "exposure": 0.004}\n'
        b'{"frame": 3, "gians": [3, 1, 1.25]}\n'
        b'{"frame": 5, "gains": [1.5, 1, 2], "iso": 640}\n'
    )
    report = tmp_path / "report.json"
    done = stream(graphs, mosaic * 6, "--camera", given, "-o", tmp_path / "out", "--report", report, lines=lines)
    assert done.returncode == 1, done.stderr
    said = done.stderr.decode()
    assert "frame-000002 has no gains" in said
    assert "The line for frame-000003 has the field 'gians', which none has: did you mean gains?" in said
    assert "frame-000004 has no line beside it: the next one is of frame 5" in said
    assert "Traceback" not in said
    assert (json.loads(report.read_text())["done"], json.loads(report.read_text())["failed"]) == (3, 3)
    assert sorted(path.stem[-1] for path in (tmp_path / "out").iterdir()) == ["0", "1", "5"]
    first, second, last = (read_picture(tmp_path / "out" / f"frame-00000{number}.jpg") for number in (0, 1, 5))
    assert first.record is not None
    assert second.record is not None
    assert (first.record.facts.gains, second.record.facts.gains) == ((2, 1, 1.5), (3, 1, 1.25))
    assert (first.record.facts.black, second.record.facts.black) == ((127, 128.5, 128, 129.25), (120,) * 4)
    assert first.metadata.exif[0x829A].numbers == (0.004,)
    assert first.metadata.exif[0x8827].numbers == (800,)
    assert last.metadata.exif[0x8827].numbers == (640,)
    assert (first.pixels != second.pixels).mean() > 0.5


def test_a_side_channel_that_ends_or_is_late_ends_the_stream(
    graphs: Graphs, dng: Path, camera: Path, tmp_path: Path
) -> None:
    mosaic = read_raw(dng).mosaic.astype("<u2").tobytes()
    done = stream(graphs, mosaic * 3, "--camera", camera, "-o", tmp_path / "out", lines=b"{}\n{}\n")
    assert done.returncode == 1
    assert b"There is no line for frame-000002: the side channel has ended" in done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2
    os.mkfifo(tmp_path / "fifo")
    late = ("--frame-facts", tmp_path / "fifo", "--timeout", 0.3)
    done = stream(graphs, mosaic, "--camera", camera, "-o", tmp_path / "none", *late)
    assert done.returncode == 1
    assert b"The line for frame-000000 did not come within 0.3 seconds" in done.stderr
    assert not list((tmp_path / "none").glob("*"))


def test_a_camera_of_linux_and_its_camera_file(
    small_frame: RawFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The driver says the mode, the shipped file the levels and colours; there was no device."""
    rows = np.zeros((48, 80), "<u2")
    rows[:, :64] = small_frame.mosaic[:48, 1:65] + 128
    SimulatedCamera("BA12", 64, 48, 160, [(0, rows.tobytes(), True)]).install(monkeypatch)
    words = ["--v4l2", os.devnull, "--camera", "imx477", "--frames", 1, "-o", tmp_path / "out"]
    result = CliRunner().invoke(main, ["stream", *map(str, words)])
    assert result.exit_code == 0, result.output
    picture = read_picture(tmp_path / "out" / "frame-000000.jpg")
    assert picture.record is not None
    facts = picture.record.facts
    assert (facts.cfa, facts.black, facts.white, facts.camera) == ("GRBG", (256,) * 4, 4095, "Sony IMX477")
    assert facts.gains is not None
    assert facts.gains[1] == 1
    assert facts.color_matrix is not None
    assert picture.metadata.model == "IMX477"
