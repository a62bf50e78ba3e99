"""Frames of a camera file: which gains, levels and matrix hold, and what goes with them to a DNG."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from invisp_deploy.errors import ContractError, RawFileError
from invisp_deploy.isp.two_lights import LIGHTS, LitMatrix, matrix_between
from invisp_deploy.sensor.camera_file import AS_GIVEN, GREY_WORLD, CameraFile, CameraNoise
from invisp_deploy.sensor.camera_frame import frame_of_camera, grey_world
from invisp_deploy.sensor.frame_line import FrameLine
from invisp_deploy.sensor.lens_shading import shading_of_opcodes

COLD = ((0.4284, -0.0947, -0.0036), (-0.1852, 0.8642, 0.2864), (0.0881, 0.0585, 0.5278))
WARM = ((0.7, -0.3138, 0.1393), (-0.2214, 0.9898, 0.7122), (0.0062, 0.0959, 0.8515))
CAMERA = CameraFile(
    "camera.toml", "Maker", "Model 1", "RG12", (128, 128, 128, 128), 4000, (2.0, 1.0, 1.5), "RGGB",
    orientation=3, color_matrix=(("D65", COLD),),
)  # fmt: skip
MOSAIC = np.full((32, 48), 1000, np.uint16)


def colours(red: int, green: int, blue: int, cfa: str, side: int = 64) -> np.ndarray:
    levels = {"R": red, "G": green, "B": blue}
    square = np.array([levels[colour] for colour in cfa], np.uint16).reshape(2, 2)
    return np.tile(square, (side // 2, side // 2))


def test_a_frame_has_what_the_file_says() -> None:
    frame = frame_of_camera(CAMERA, MOSAIC, name="f")
    assert (frame.cfa, frame.black, frame.white, frame.gains) == ("RGGB", (128,) * 4, 4000, (2.0, 1.0, 1.5))
    assert (frame.orientation, frame.color_matrix, frame.camera) == (3, COLD, "Maker Model 1")
    assert (frame.metadata.make, frame.metadata.model) == ("Maker", "Model 1")
    assert not frame.metadata.exif
    assert frame.negative is None
    assert frame.mosaic is MOSAIC


def test_a_line_goes_before_the_file() -> None:
    line = FrameLine(0, (2.5, 1.0, 1.25), (100.0, 101.0, 102.0, 103.0), exposure=1 / 250, gain=4.0)
    frame = frame_of_camera(CAMERA, MOSAIC, line, name="f")
    assert (frame.gains, frame.black) == ((2.5, 1.0, 1.25), (100.0, 101.0, 102.0, 103.0))
    assert frame.metadata.exif[0x829A].numbers == (1 / 250,)
    assert frame.metadata.exif[0x8827].numbers == (400,), "gain 4 of 100, as libcamera has it"
    stated = frame_of_camera(CAMERA, MOSAIC, replace(line, iso=640, exposure=2.5), name="f")
    assert stated.metadata.exif[0x8827].numbers == (640,)
    assert stated.metadata.exif[0x829A].numbers == (2.5,)


@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_a_grey_world_is_grey(cfa: str) -> None:
    mosaic = colours(128 + 300, 128 + 600, 128 + 450, cfa)
    assert grey_world(mosaic, cfa, (128,) * 4, 4000) == pytest.approx((2, 1, 600 / 450))
    mosaic[:32] = 4000  # clipped: says nothing of colour
    frame = frame_of_camera(replace(CAMERA, cfa=cfa, white_balance=GREY_WORLD), mosaic, name="f")
    assert frame.gains == pytest.approx((2, 1, 600 / 450))
    line = FrameLine(gains=(3.0, 1.0, 2.0))
    assert frame_of_camera(replace(CAMERA, white_balance=GREY_WORLD), MOSAIC, line, name="f").gains == (3, 1, 2)


@pytest.mark.parametrize("level", [0, 128, 4000, 65535])
def test_a_frame_without_light_has_no_means(level: int) -> None:
    dark = np.full((64, 64), level, np.uint16)
    with pytest.raises(RawFileError, match="f is too dark or too bright .* 'white_balance' of camera.toml"):
        frame_of_camera(replace(CAMERA, white_balance=GREY_WORLD), dark, name="f")


def test_gains_that_were_to_be_given_and_were_not() -> None:
    camera = replace(CAMERA, white_balance=AS_GIVEN)
    with pytest.raises(RawFileError, match="f has no gains, .* as-given: pass `frame_facts`"):
        frame_of_camera(camera, MOSAIC, FrameLine(exposure=0.1), name="f")
    assert frame_of_camera(camera, MOSAIC, FrameLine(gains=(2.0, 1.0, 1.5)), name="f").gains == (2.0, 1.0, 1.5)


def test_two_matrices_follow_the_light_of_each_frame() -> None:
    camera = replace(CAMERA, color_matrix=(("A", WARM), ("D65", COLD)))
    lit = LitMatrix(LIGHTS["A"], WARM), LitMatrix(LIGHTS["D65"], COLD)
    for gains in ((1.98, 1.0, 2.46), (3.24, 1.0, 1.39)):
        frame = frame_of_camera(camera, MOSAIC, FrameLine(gains=gains), name="f")
        assert frame.color_matrix == matrix_between(*lit, gains)
    strange = frame_of_camera(camera, MOSAIC, FrameLine(gains=(1.0, 1.0, 50.0)), name="f")
    assert strange.color_matrix == COLD, "no light has these gains"
    flat = replace(camera, color_matrix=(("A", WARM), ("D65", ((1.0, 1.0, 1.0),) * 3)))
    with pytest.raises(ContractError, match="^f: The two colour matrices cannot be used"):
        frame_of_camera(flat, MOSAIC, name="f")


def test_levels_that_cannot_be_name_the_frame() -> None:
    with pytest.raises(RawFileError, match="^f: The black level .* must lie below the white level 4000"):
        frame_of_camera(CAMERA, MOSAIC, FrameLine(black=(5000.0,) * 4), name="f")


def test_noise_and_shading_go_to_the_negative() -> None:
    flat, shaded = ((1.0, 1.0), (1.0, 1.0)), ((1.0, 1.5), (1.25, 2.0))
    noise = (CameraNoise(1.0, 1e-4, 1e-7), CameraNoise(9.0, 9e-4, 5e-7))
    camera = replace(CAMERA, noise=noise, lens_shading=(flat, shaded, flat, flat))
    for gain, expected in ((None, (1e-4, 1e-7)), (5.0, (5e-4, 3e-7)), (100.0, (9e-4, 5e-7))):
        negative = frame_of_camera(camera, MOSAIC, FrameLine(gain=gain), name="f").negative
        assert negative is not None
        assert negative.mosaic[51041].numbers == pytest.approx(expected)
    assert shading_of_opcodes(negative.mosaic[51009].data, 32, 48) == camera.lens_shading
