"""Bytes of a pipe to frames, against what numpy wrote."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from invisp_deploy.errors import RawFileError, RequestError
from invisp_deploy.rendering.options import Explicit
from invisp_deploy.sensor.camera_file import AS_GIVEN, CameraFile
from invisp_deploy.sensor.companding import Companding, companding_points
from invisp_deploy.sensor.frame_line import FrameLine
from invisp_deploy.sensor.layouts import layout_named
from invisp_deploy.streaming.pipe_format import PipeFormat, pipe_size
from tests.sensor.written import WRITERS

VALUES = Explicit((2.0, 1.0, 1.5), 64.0)


@pytest.mark.parametrize(("name", "white"), [("BA12", 4095), ("GR14", 16383), ("GR16", 65535), ("pgAA", 1023)])
def test_a_mosaic_is_what_was_written(name: str, white: int) -> None:
    samples = np.random.default_rng(1).integers(0, white + 1, (6, 8), np.uint16)
    pipe = PipeFormat(8, 6, layout_named(name), VALUES, "Maker Model 1")
    data = samples.astype("<u2").tobytes()
    if name == "pgAA":
        data = b"".join(WRITERS["pRAA"]([*map(int, row)]) for row in samples)
    frame = pipe.mosaic(bytearray(data), "frame-000000")
    np.testing.assert_array_equal(frame.mosaic, samples)
    assert (frame.cfa, frame.black, frame.white, frame.gains) == ("GRBG", (64.0,) * 4, white, (2.0, 1.0, 1.5))
    assert frame.camera == "Maker Model 1"
    assert pipe.frame_bytes == len(data)


def test_rows_are_a_stride_apart() -> None:
    samples = np.arange(32, dtype="<u2").reshape(4, 8)
    rows = np.full((4, 24), 0xEE, np.uint8)
    rows[:, :16] = samples.view(np.uint8)
    pipe = PipeFormat(8, 4, layout_named("RG10"), VALUES, stride=24)
    assert pipe.frame_bytes == 96
    np.testing.assert_array_equal(pipe.mosaic(bytearray(rows.tobytes()), "f").mosaic, samples)


def test_companded_samples_become_dn() -> None:
    curve = companding_points("0:0,100:100,255:4000")
    pipe = PipeFormat(4, 2, layout_named("aRA8"), VALUES, companding=curve)
    frame = pipe.mosaic(bytearray([0, 50, 100, 255, 7, 8, 9, 10]), "f")
    assert frame.mosaic.tolist() == [[0, 50, 100, 4000], [7, 8, 9, 10]]
    assert frame.white == 4000


def test_samples_of_the_other_byte_order_are_noticed() -> None:
    big = np.full((4, 4), 300, ">u2").tobytes()
    with pytest.raises(RawFileError, match="frame-000007 holds the value 11265, where 12 bits end at 4095"):
        PipeFormat(4, 4, layout_named("RG12"), VALUES).mosaic(bytearray(big), "frame-000007")


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("RG12", Explicit(cfa="RGGB"), "RG12 does not say `black`: pass"),
        ("android-raw10", VALUES, "android-raw10 does not say `black` and `cfa`"),
        ("RG12", Explicit(black=1.0, cfa="GRBG"), "of RGGB mosaics, `cfa` says GRBG"),
        ("aRA8", VALUES, "pass its points as `companding`"),
        ("RG10", Explicit(black=1.0, white=4095), "end at 1023 here, below the `white` 4095"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_refused(name: str, values: Explicit, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        PipeFormat(4, 4, layout_named(name), values)


def test_a_white_level_below_black_and_a_short_stride_are_refused() -> None:
    with pytest.raises(RawFileError, match="levels are wrong"):
        PipeFormat(4, 4, layout_named("RG12"), Explicit(None, 200.0, 100)).mosaic(bytearray(32), "f")
    with pytest.raises(RequestError, match="less than the 8 bytes"):
        PipeFormat(4, 4, layout_named("RG12"), VALUES, stride=7)
    with pytest.raises(RequestError, match="carries pictures"):
        PipeFormat(4, 4, None, VALUES).mosaic(bytearray(48), "f")


def test_a_picture_is_what_was_written() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (4, 6, 3), np.uint8)
    pipe = PipeFormat(6, 4, None, VALUES)
    assert pipe.frame_bytes == 72
    picture = pipe.picture(bytearray(pixels.tobytes()))
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert picture.record is None


@pytest.mark.parametrize("text", ["640", "640x", "0x480", "640x1", "640*480", "99999x4", "-4x4"])
def test_a_size_that_is_none(text: str) -> None:
    with pytest.raises(RequestError, match="such as 3520x2344"):
        pipe_size(text)


def test_a_size_is_width_first() -> None:
    assert pipe_size(" 640X480 ") == (640, 480)


def test_a_camera_file_says_all_of_a_pipe() -> None:
    samples = np.random.default_rng(3).integers(200, 4000, (6, 8), np.uint16)
    curve = Companding(((0, 0), (1024, 1024), (4095, 60000)))
    camera = CameraFile(
        "a.toml", "Maker", "Model 1", "GB12", (64.0, 65.0, 66.0, 67.0), 60000, AS_GIVEN, "GBRG", 8, 6, 20,
        companding=curve,
    )  # fmt: skip
    pipe = PipeFormat.of_camera(camera)
    assert pipe.frame_bytes == 120
    rows = np.zeros((6, 10), "<u2")
    rows[:, :8] = samples
    line = FrameLine(gains=(2.0, 1.0, 1.5), black=(60.0,) * 4)
    frame = pipe.mosaic(bytearray(rows.tobytes()), "f", line)
    np.testing.assert_array_equal(frame.mosaic, curve.expand(samples))
    assert (frame.cfa, frame.black, frame.white, frame.gains) == ("GBRG", (60.0,) * 4, 60000, (2.0, 1.0, 1.5))
    assert frame.camera == "Maker Model 1"
    with pytest.raises(RawFileError, match="f has no gains"):
        pipe.mosaic(bytearray(rows.tobytes()), "f")
    assert pipe.mosaic(bytearray(rows.tobytes()), "f", pipe.daylight).gains == (1, 1, 1)
    with pytest.raises(RequestError, match="does not say how large"):
        PipeFormat.of_camera(replace(camera, width=None, height=None))
