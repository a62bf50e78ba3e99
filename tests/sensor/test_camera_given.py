"""What is said by hand beside a camera file fills what it leaves open, and contradicts nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from invisp_deploy.errors import RequestError
from invisp_deploy.sensor.camera_file import AS_GIVEN, GREY_WORLD, CameraFile, read_camera_file
from invisp_deploy.sensor.camera_given import with_given
from invisp_deploy.sensor.companding import Companding

CAMERA = CameraFile("a.toml", "", "", "RG12", (128,) * 4, 4000, GREY_WORLD, None, 64, 48)
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
    assert with_given(CAMERA, same) == replace(CAMERA, cfa="RGGB")


@pytest.mark.parametrize(("name", "format", "bits"), [("imx219", "pBAA", 10), ("imx477", "SBGGR12_CSI2P", 12)])
def test_a_shipped_file_takes_the_format_of_a_mode(name: str, format: str, bits: int) -> None:
    mode = {"width": 2028, "height": 1520, "format": format, "stride": 3072}
    camera = with_given(read_camera_file(name), mode)
    assert (camera.pattern, camera.layout.bits, camera.white) == ("BGGR", bits, 2**bits - 1)
    for other in ("RG14", "RG16", "RGGB"):
        with pytest.raises(RequestError, match=rf"has (14|16|8) bits, and the levels of .*{name}.toml are not of that"):
            with_given(read_camera_file(name), {**mode, "stride": None, "format": other})
    with pytest.raises(RequestError, match="does not say which format its frames have: pass `format`"):
        with_given(read_camera_file(name), {"width": 64, "height": 48})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"width": 66}, r"`pipe` says 66, and a.toml has 64 as 'width': leave it out"),
        ({"format": "pRCC"}, "`format` says pRCC, and a.toml has RG12 as 'format'"),
        ({"format": "RG13"}, "The `format` 'RG13' is unknown"),
        ({"black": (100.0,) * 4}, "`black` says"),
        ({"white_balance": (2.0, 1.0, 1.5)}, "`white_balance` says .* and a.toml has grey-world"),
        ({"stride": 100}, "The `stride` 100 is less than"),
        ({"cfa": "BGGR"}, "'cfa' is BGGR, and the format RG12 has RGGB"),
    ],
)
def test_a_contradiction_is_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        with_given(CAMERA, given)


def test_a_size_is_needed() -> None:
    with pytest.raises(RequestError, match="a.toml does not say how large its frames are: pass `pipe`"):
        with_given(replace(CAMERA, width=None, height=None), {})
