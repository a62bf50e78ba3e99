"""invisp prepare camera as people call it: a RAW file in, a camera file out that reads back."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner, Result

from invisp_deploy.cli.main import main
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.sensor.camera_file import read_camera_file
from invisp_deploy.sensor.camera_of_frame import camera_of_frame
from tests.cli.refusal import refused_at_once as refused


def prepare(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["prepare", "camera", *map(str, arguments)])


def test_a_raw_file_becomes_a_camera_file(small_dng: Path, tmp_path: Path) -> None:
    out = tmp_path / "camera.toml"
    result = prepare(small_dng, "-o", out)
    assert result.exit_code == 0, result.output
    wrote, then = result.stdout.splitlines()
    assert wrote.startswith(f"wrote {out} (")
    assert wrote.endswith("256x256, RG12")
    assert then == f"next: invisp stream --camera {out} -o pictures/ < frames.raw"
    assert read_camera_file(out) == camera_of_frame(read_raw(small_dng), str(out))[0]
    assert out.read_text().startswith("# Canon EOS 30D, by small.dng.\n")
    refused(prepare(small_dng, "-o", out), 2, "exists already", "--overwrite")
    assert prepare(small_dng, "-o", out, "--overwrite").exit_code == 0


def test_what_the_file_lacks_is_said_and_written(small_frame: RawFrame, tmp_path: Path) -> None:
    path = Path(os.fsdecode(bytes(tmp_path) + b"/\xff\nstrange.dng"))
    write_dng(path, replace(small_frame, gains=None, make="", model=""))
    result = prepare(path, "-o", tmp_path / "camera.toml")
    assert result.exit_code == 0, result.output
    assert "note: the file has no as-shot white balance" in result.stderr
    first, second = (tmp_path / "camera.toml").read_text().splitlines()[:2]
    assert first == "# A camera that the file does not name, by \\udcff\\nstrange.dng."
    assert second.startswith("# The file has no as-shot white balance: ")
    assert read_camera_file(tmp_path / "camera.toml").white_balance == "grey-world"


def test_what_is_no_raw_file_is_refused(small_dng: Path, tmp_path: Path) -> None:
    (tmp_path / "a.dng").write_bytes(b"no RAW" * 1000)
    refused(prepare(tmp_path / "a.dng", "-o", tmp_path / "a.toml"), 1, "a.dng")
    refused(prepare(tmp_path / "b.dng", "-o", tmp_path / "a.toml"), 2, "There is no file")
    refused(prepare(small_dng, "-o", tmp_path), 2, "is a folder")
    refused(prepare(small_dng, "-o", tmp_path / "a.toml", "--max-pixels", 0.01), 1, "--max-pixels")
    assert not (tmp_path / "a.toml").exists()
