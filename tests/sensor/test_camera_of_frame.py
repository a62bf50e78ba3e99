"""Camera files of RAW files: the mosaic under such a file is the frame again."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest

from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.ifd import Entry
from invisp_deploy.formats.negative import Negative
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.sensor.camera_file import GREY_WORLD, CameraNoise, camera_text, read_camera_file
from invisp_deploy.sensor.camera_frame import frame_of_camera
from invisp_deploy.sensor.camera_of_frame import camera_of_frame

CASES = Path(__file__).parents[1] / "data" / "cases"


@pytest.mark.parametrize("name", ["active_area_odd_blacks", "baseline_exposure", "gainmap", "letterbox_black0"])
def test_a_mosaic_by_its_own_camera_file_is_the_frame_again(name: str, tmp_path: Path) -> None:
    frame = read_raw(CASES / f"{name}.dng")
    path = tmp_path / "camera.toml"
    camera, notes = camera_of_frame(frame, str(path))
    assert notes == ()
    path.write_text(camera_text(camera))
    assert read_camera_file(path) == camera
    again = frame_of_camera(read_camera_file(path), frame.mosaic, name="f")
    assert again.facts == frame.facts
    height, width = frame.mosaic.shape
    assert (camera.height, camera.width) == (height, width)
    carried = (51009, 51041)  # gain maps, noise
    stated = {code: entry for code, entry in frame.negative.mosaic.items() if code in carried} if frame.negative else {}
    assert (again.negative.mosaic if again.negative else {}) == stated
    assert bool(stated) is (name in ("baseline_exposure", "gainmap"))


def test_a_whole_raw_file(sample_frame: RawFrame, tmp_path: Path) -> None:
    camera, notes = camera_of_frame(sample_frame, "a.toml")
    assert (camera.format, camera.width, camera.height, notes) == ("SRGGB12", 3522, 2348, ())
    path = tmp_path / "a.toml"
    path.write_text(camera_text(camera))
    assert frame_of_camera(read_camera_file(path), sample_frame.mosaic, name="f").facts == sample_frame.facts


def test_what_a_file_lacks_or_says_beyond_is_told(small_frame: RawFrame) -> None:
    opcodes = Entry(7, struct.pack(">2I4B2I", 1, 1, 1, 3, 0, 0, 0, 0))
    noise = Entry(12, struct.pack("<6d", 3e-4, 3e-7, 1e-4, 2e-7, 2e-4, 1e-7))
    negative = Negative({}, {51009: opcodes, 51022: opcodes, 51041: noise})
    camera, notes = camera_of_frame(replace(small_frame, gains=None, color_matrix=None, negative=negative), "a.toml")
    assert (camera.white_balance, camera.color_matrix, camera.lens_shading) == (GREY_WORLD, (), ())
    assert camera.noise == (CameraNoise(1.0, 1e-4, 1e-7),), "the least of three colours"
    assert [note.split(",")[0] for note in notes] == [
        "the file has no as-shot white balance: each frame is balanced by its own means (grey-world)",
        "the file has no colour matrix",
        "OpcodeList2 and OpcodeList3 of the file is more than a camera file says",
    ]
