"""Frames to DNGs through a folder that is there with all of them or not at all, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw
from invisp_deploy.sensor.camera_of_frame import camera_of_frame
from invisp_deploy.streaming.kept_frames import keep_frames
from invisp_deploy.streaming.pipe_format import PipeFormat
from invisp_deploy.streaming.pipeline import Frame


@pytest.fixture
def pipe(small_frame: RawFrame) -> PipeFormat:
    part = replace(small_frame, mosaic=np.ascontiguousarray(small_frame.mosaic[:32, :48]))
    return PipeFormat.of_camera(camera_of_frame(part, "camera.toml")[0])


def frames(small_frame: RawFrame, count: int) -> Iterator[Frame]:
    data = small_frame.mosaic[:32, :48].astype("<u2").tobytes()
    return (Frame(f"f{number}", f"f{number}", bytearray(data)) for number in range(count))


def test_what_is_written_is_told_as_it_comes(small_frame: RawFrame, pipe: PipeFormat, tmp_path: Path) -> None:
    told: list[Path] = []
    out = tmp_path / "out"
    written = keep_frames(frames(small_frame, 9), pipe, out, every=3, on_written=told.append)
    assert written == told == [out / "f0.dng", out / "f3.dng", out / "f6.dng"]
    np.testing.assert_array_equal(read_raw(out / "f3.dng").mosaic, small_frame.mosaic[:32, :48])


@pytest.mark.parametrize("there", [False, True])
def test_an_interrupt_leaves_nothing(small_frame: RawFrame, pipe: PipeFormat, tmp_path: Path, there: bool) -> None:
    out = tmp_path / "out"
    if there:
        out.mkdir()

    def interrupt(path: Path) -> None:
        if path.name == "f2.dng":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep_frames(frames(small_frame, 5), pipe, out, on_written=interrupt)
    assert list(tmp_path.rglob("*")) == [out] * there
