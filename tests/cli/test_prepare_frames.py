"""invisp prepare frames as people call it: raw frames in, DNGs out, all of them or none."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from invisp_deploy.cli.main import main
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.sensor.camera_file import AS_GIVEN, camera_text
from invisp_deploy.sensor.camera_of_frame import camera_of_frame
from tests.cli.refusal import refused_at_once as refused

CASES = Path(__file__).parents[1] / "data" / "cases"
SIDE = 64
COUNT = 5


@pytest.fixture(scope="module")
def mosaics(small_frame: RawFrame) -> list[np.ndarray]:
    """Parts of a photograph."""
    return [np.ascontiguousarray(small_frame.mosaic[2 * n : 2 * n + SIDE, :SIDE]) for n in range(COUNT)]


@pytest.fixture
def frames(mosaics: list[np.ndarray], tmp_path: Path) -> Path:
    path = tmp_path / "frames.raw"
    path.write_bytes(b"".join(mosaic.astype("<u2").tobytes() for mosaic in mosaics))
    return path


@pytest.fixture
def camera(small_frame: RawFrame, mosaics: list[np.ndarray], tmp_path: Path) -> Path:
    path = tmp_path / "camera.toml"
    described, _ = camera_of_frame(replace(small_frame, mosaic=mosaics[0]), str(path))
    path.write_text(camera_text(replace(described, white_balance=AS_GIVEN)))
    path.with_name("fixed.toml").write_text(camera_text(described))
    return path


def prepare(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prepare", "frames", *map(str, arguments)])


def test_frames_become_dngs_of_their_mosaics(
    frames: Path, camera: Path, mosaics: list[np.ndarray], small_frame: RawFrame, tmp_path: Path
) -> None:
    out = tmp_path / "dngs"
    result = prepare(frames, "--camera", camera.with_name("fixed.toml"), "-o", out)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"wrote {COUNT} DNGs of {SIDE}x{SIDE} to {out}",
        f"next: invisp train {out} -o run/",
    ]
    paths = sorted(out.iterdir())
    assert [path.name for path in paths] == [f"frame-00000{number}.dng" for number in range(COUNT)]
    for path, mosaic in zip(paths, mosaics, strict=True):
        frame = read_raw(path)
        np.testing.assert_array_equal(frame.mosaic, mosaic)
        assert (frame.camera, frame.cfa, frame.white) == ("Canon EOS 30D", "RGGB", small_frame.white)
        assert frame.black == small_frame.black
        assert small_frame.gains is not None
        assert frame.gains == pytest.approx([gain / small_frame.gains[1] for gain in small_frame.gains])


def test_lines_beside_frames_and_one_in_two_of_standard_input(
    frames: Path, camera: Path, mosaics: list[np.ndarray], tmp_path: Path
) -> None:
    lines = tmp_path / "lines"
    lines.write_text("".join(f'{{"frame": {n}, "gains": [{2 + n}, 1, 1.5], "iso": {100 + n}}}\n' for n in range(COUNT)))
    out = tmp_path / "dngs"
    out.mkdir()  # empty
    command = [
        sys.executable,
        "-m",
        "invisp_deploy",
        "prepare",
        "frames",
        "-",
        "--json",
        "--every",
        "2",
        "--frames",
        "2",
    ]
    words = ["--camera", str(camera), "--frame-facts", str(lines), "-o", str(out)]
    done = subprocess.run([*command, *words], input=frames.read_bytes(), capture_output=True)
    assert done.returncode == 0, done.stderr
    paths = [out / "frame-000000.dng", out / "frame-000002.dng"]
    assert json.loads(done.stdout)["written"] == [str(path) for path in paths]
    assert sorted(out.iterdir()) == paths
    for path, number in zip(paths, (0, 2), strict=True):
        frame = read_raw(path)
        np.testing.assert_array_equal(frame.mosaic, mosaics[number])
        assert frame.gains == pytest.approx((2 + number, 1, 1.5))
        assert frame.metadata.exif[0x8827].numbers == (100 + number,)


def test_all_of_them_or_none(frames: Path, camera: Path, tmp_path: Path) -> None:
    out = tmp_path / "dngs"
    refused(prepare(frames, "--camera", camera, "-o", out), 1, "frame-000000 has no gains")
    (tmp_path / "lines").write_text('{"gains": [2, 1, 1.5]}\n' * 2 + '{"gains": [2, 1]}\n' * 3)
    beside = ("--frame-facts", tmp_path / "lines")
    refused(prepare(frames, "--camera", camera, *beside, "-o", out), 1, "The line for frame-000002: 'gains' is three")
    fixed = camera.with_name("fixed.toml")
    half = tmp_path / "half.raw"
    half.write_bytes(frames.read_bytes()[:-100])
    refused(prepare(half, "--camera", fixed, "-o", out), 1, "within frame 4: 8092 of 8192 bytes")
    half.write_bytes(b"")
    refused(prepare(half, "--camera", fixed, "-o", out), 1, "before the first frame")
    half.write_bytes(frames.read_bytes()[:8192] + b"\xff" * 8192)
    refused(prepare(half, "--camera", fixed, "-o", out), 1, "frame-000001")
    assert not out.exists()
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_requests_that_cannot_be(frames: Path, camera: Path, tmp_path: Path) -> None:
    fixed, out = camera.with_name("fixed.toml"), tmp_path / "dngs"
    refused(prepare(tmp_path / "no", "--camera", fixed, "-o", out), 2, "There is no file")
    refused(prepare(tmp_path, "--camera", fixed, "-o", out), 2, "is a folder: name a file of raw frames")
    refused(prepare(frames, "--camera", "imx47", "-o", out), 2, "no camera file imx47")
    refused(prepare(frames, "--camera", fixed, "-o", tmp_path), 2, "is not an empty folder")
    refused(prepare(frames, "--camera", fixed, "-o", tmp_path / "a" / "b"), 2, "does not exist")
    text = fixed.read_text()
    camera.write_text(text.replace("width = 64\nheight = 64\n", ""))
    refused(prepare(frames, "--camera", camera, "-o", out), 2, "does not say how large", "pass --pipe")
    by_hand = ("--pipe", f"{SIDE}x{SIDE}", "--format", "RG12", "--frames", 1)
    assert prepare(frames, "--camera", camera, *by_hand, "-o", tmp_path / "one").exit_code == 0
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["frame-000000.dng"]
    refused(prepare(frames, "--camera", fixed, *by_hand, "--stride", 9, "-o", out), 2, "--stride 9 is less")
    refused(prepare(frames, "--camera", fixed, "--pipe", "9x9", "-o", out), 2, "--pipe says 9", "as 'width'")
    camera.write_text(text.replace("width = 64", "width = 16"))
    refused(prepare(frames, "--camera", camera, "-o", out), 2, "22x22")
    assert not out.exists()


def test_frames_that_make_no_sense_as_they_were_said_become_no_dngs(camera: Path, tmp_path: Path) -> None:
    """Rows of 124 pixels, padded to 256 bytes, taken for rows without padding."""
    source, out = CASES / "stride_256_for_124x64x3.raw", tmp_path / "dngs"
    text = camera.with_name("fixed.toml").read_text().replace("width = 64", "width = 124")
    camera.write_text(text)
    refused(prepare(source, "--camera", camera, "-o", out), 1, "frame-000000 makes no sense", "--stride 256", "--force")
    assert not out.exists()
    result = prepare(source, "--camera", camera, "--force", "--frames", 3, "-o", out)
    assert result.exit_code == 0, result.output
    sheared = read_raw(out / "frame-000000.dng").mosaic
    result = prepare(source, "--camera", camera, "--stride", 256, "-o", tmp_path / "right")
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "right").iterdir())) == 3
    assert not np.array_equal(read_raw(tmp_path / "right" / "frame-000000.dng").mosaic, sheared)
