"""Lines of the side channel, and what is said of those that are none."""

from __future__ import annotations

import pytest

from invisp_deploy.errors import RawFileError
from invisp_deploy.sensor.frame_line import FrameLine, read_frame_line


def test_a_line_is_what_it_says() -> None:
    line = b'{"frame": 7, "gains": [2.1, 1, 1.6], "black": [64, 65, 65, 64], "exposure": 0.01, "gain": 2, "iso": 200}\n'
    expected = FrameLine(7, (2.1, 1.0, 1.6), (64.0, 65.0, 65.0, 64.0), 0.01, 2.0, 200)
    assert read_frame_line(line, "frame-000007") == expected
    assert read_frame_line(b'{"black": 64.5}', "f") == FrameLine(black=(64.5,) * 4)
    assert read_frame_line(b"{}", "f") == FrameLine()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"gains 2 1 1", "The line for f is no JSON"),
        (b"\xff\xfe", "The line for f is no JSON"),
        (b"[" * 5000, "nested too deeply"),
        (b"[2, 1, 1]", r"is \[2, 1, 1\], expected one JSON object"),
        (b'{"gians": [2, 1, 1]}', "the field 'gians', which none has: did you mean gains"),
        (b'{"qqqq": 1}', "expected frame, gains, black, exposure, gain, iso"),
        (b'{"gains": [2, 1]}', r"'gains' is three gains of R, G and B above 0, got \[2, 1\]"),
        (b'{"gains": [2, 0, 1]}', "'gains' is three gains"),
        (b'{"gains": 2}', "'gains' is three gains"),
        (b'{"gains": [2, 1, NaN]}', "'gains' is three gains"),
        (b'{"black": [1, 2]}', "'black' is a DN, or four of them"),
        (b'{"black": -1}', "'black' is a DN, or four of them"),
        (b'{"exposure": 0}', "'exposure' is the seconds"),
        (b'{"exposure": "1/100"}', "'exposure' is the seconds"),
        (b'{"gain": true}', "'gain' is the gain"),
        (b'{"iso": 12.5}', "'iso' is a sensitivity"),
        (b'{"frame": -1}', "'frame' is the number of its frame"),
    ],
)
def test_a_line_that_is_none(line: bytes, words: str) -> None:
    with pytest.raises(RawFileError, match=words):
        read_frame_line(line, "f")
