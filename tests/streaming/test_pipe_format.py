"""Bytes of a pipe to frames, against what numpy wrote."""

from __future__ import annotations

import numpy as np
import pytest

from invisp_deploy.errors import RawFileError, RequestError
from invisp_deploy.rendering.options import Explicit
from invisp_deploy.streaming.pipe_format import PipeFormat, pipe_size

VALUES = Explicit((2.0, 1.0, 1.5), 64.0, None, "GRBG")


@pytest.mark.parametrize(("bits", "white"), [(12, 4095), (14, 16383), (16, 65535)])
def test_a_mosaic_is_what_was_written(bits: int, white: int) -> None:
    samples = np.random.default_rng(1).integers(0, white + 1, (6, 8), np.uint16)
    pipe = PipeFormat(8, 6, bits, VALUES, "Maker Model 1")
    frame = pipe.mosaic(bytearray(samples.astype("<u2").tobytes()), "frame-000000")
    np.testing.assert_array_equal(frame.mosaic, samples)
    assert (frame.cfa, frame.black, frame.white, frame.gains) == ("GRBG", (64.0,) * 4, white, (2.0, 1.0, 1.5))
    assert frame.camera == "Maker Model 1"
    assert pipe.frame_bytes == 96


def test_samples_of_the_other_byte_order_are_noticed() -> None:
    big = np.full((4, 4), 300, ">u2").tobytes()
    with pytest.raises(RawFileError, match="frame-000007 holds the value 11265, 12 bits end at 4095"):
        PipeFormat(4, 4, 12, VALUES).mosaic(bytearray(big), "frame-000007")


def test_a_white_level_below_black_and_missing_values_are_refused() -> None:
    blank = bytearray(32)
    with pytest.raises(RawFileError, match="levels are wrong"):
        PipeFormat(4, 4, 12, Explicit(None, 200.0, 100, "RGGB")).mosaic(blank, "f")
    with pytest.raises(RequestError, match="`cfa` and `black`"):
        PipeFormat(4, 4, 12, Explicit(None, 200.0, 100, None)).mosaic(blank, "f")


def test_a_picture_is_what_was_written() -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (4, 6, 3), np.uint8)
    pipe = PipeFormat(6, 4, 8, VALUES, pictures=True)
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
