"""What is said by hand beside a camera file fills what it leaves open, and contradicts nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.sensor.camera_file import AS_GIVEN, GREY_WORLD, CameraFile
from invisp_deploy.sensor.camera_given import with_given
from invisp_deploy.sensor.companding import Companding

CAMERA = CameraFile("a.toml", "", "", "RG12", (128,) * 4, 4000, GREY_WORLD, "RGGB", 64, 48)
MATRIX = (("D65", ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))),)


def test_what_is_open_is_filled() -> None:
    open_ = replace(CAMERA, width=None, height=None, white_balance=AS_GIVEN)
    curve = Companding(((0, 0), (4095, 4095)))
    given = {
        "width": 80, "height": 60, "stride": 256, "white_balance": (2.0, 1.0, 1.5), "color_matrix": MATRIX,
        "companding": curve, "cfa": None,
    }  # fmt: skip
    assert with_given(open_, given) == replace(
        open_, width=80, height=60, stride=256, white_balance=(2.0, 1.0, 1.5), color_matrix=MATRIX, companding=curve
    )
    assert with_given(CAMERA, {}) == CAMERA


def test_the_same_said_again_is_no_contradiction() -> None:
    same = {"width": 64, "height": 48, "format": "SRGGB12", "black": (128.0,) * 4, "white": 4000, "cfa": "RGGB"}
    assert with_given(CAMERA, same) == CAMERA


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"width": 66}, r"`pipe` says 66, and a.toml has 64 as 'width': leave it out"),
        ({"format": "pRCC"}, "`format` says pRCC, and a.toml has RG12 as 'format'"),
        ({"format": "RG13"}, "The `format` 'RG13' is unknown"),
        ({"black": (100.0,) * 4}, "`black` says"),
        ({"white_balance": (2.0, 1.0, 1.5)}, "`white_balance` says .* and a.toml has grey-world"),
        ({"stride": 100}, "The `stride` 100 is less than"),
    ],
)
def test_a_contradiction_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        with_given(CAMERA, given)


def test_a_size_is_needed() -> None:
    with pytest.raises(RequestError, match="a.toml does not say how large its frames are: pass `pipe`"):
        with_given(replace(CAMERA, width=None, height=None), {})
