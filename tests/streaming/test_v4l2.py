"""A camera through linuxpy, the system calls behind it simulated: there was no device."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from invisp_deploy.errors import MissingExtraError, RawFileError, RequestError
from invisp_deploy.streaming.capture import Capture, CaptureFormat
from invisp_deploy.streaming.v4l2 import open_camera
from tests.simulated_v4l2 import SimulatedCamera

NULL = Path(os.devnull)


def test_frames_come_as_the_camera_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = [(number, bytes([number]) * (4 * 6 + 64), number != 5) for number in (3, 4, 5, 9, 10)]
    camera = SimulatedCamera("pBAA", 4, 4, 6, recorded)
    camera.install(monkeypatch)
    with open_camera(NULL, 3) as device:
        assert device.format == CaptureFormat("pBAA", 4, 4, 6)
        assert len(camera.memory) == 3
        capture = Capture(device, 24, threading.Event(), 5)
        frames = iter(capture)
        assert [bytes(next(frames).load) for _ in range(4)] == [bytes([number]) * 24 for number in (3, 4, 9, 10)]
        assert (capture.missed, capture.damaged) == (3, 1)
        with pytest.raises(RawFileError, match="No such device"):
            next(frames)
    assert camera.calls.count("DQBUF") == 6
    assert camera.calls.count("QBUF") == 3 + 5, "each buffer is given back"
    assert "S_FMT" not in camera.calls, "a camera stays as it was set"
    assert camera.calls.index("STREAMON") < camera.calls.index("DQBUF") < camera.calls.index("STREAMOFF")


def test_a_camera_that_was_pulled_out_can_be_left(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = SimulatedCamera("BA81", 4, 4, 4, [])
    camera.install(monkeypatch)
    with open_camera(NULL, 2):
        camera.gone = True
    assert camera.calls[-1] == "STREAMOFF"


def test_what_is_no_camera_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"none")
    for path, words in (
        (tmp_path / "absent", "No such file"),
        (tmp_path / "file", "Inappropriate ioctl"),
        (NULL, "Inappropriate ioctl"),
    ):
        with pytest.raises(RequestError, match=f"The camera {path} cannot be taken: {words}"), open_camera(path, 4):
            pytest.fail("it was taken")


def test_without_the_extra_a_sentence_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "linuxpy.video", None)
    with pytest.raises(MissingExtraError, match=r"needs `linuxpy`.*\[v4l2\]"), open_camera(NULL, 4):
        pytest.fail("it was taken")
