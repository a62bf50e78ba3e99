"""The table of cameras: enough of them, none that is judged on, matrices as LibRaw has them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.colour import srgb_to_camera
from invisp_deploy.training.camera_table import table_cameras

JUDGED = (
    "GoPro", "Sony", "Blackmagic", "Nikon D5000", "Nikon D700", "Canon EOS 30D", "Canon EOS D30", "Canon EOS 5D",
    "Canon EOS 6D", "Canon EOS 550D", "Kiss X4", "Rebel T2i", "Canon PowerShot G2", "Canon PowerShot S40",
    "Canon PowerShot S45", "Kodak", "Google", "Raspberry",
)  # fmt: skip


def test_there_are_many_cameras_each_with_a_matrix_of_its_own() -> None:
    cameras = table_cameras()
    assert len(cameras) >= 150
    assert len({camera.name.split()[0] for camera in cameras}) >= 10, "makes"
    assert len({camera.matrix for camera in cameras}) == len(cameras)
    assert sum(bool(camera.noise) for camera in cameras) >= 60


@pytest.mark.parametrize("name", JUDGED)
def test_no_camera_that_is_judged_on_is_in_it(name: str) -> None:
    # `Canon EOS 5D Mark II` is another camera
    pattern = re.compile(rf"{re.escape(name)}( |$)(?!Mark)", re.IGNORECASE)
    assert [
        camera.name for camera in table_cameras() if pattern.match(camera.name) or name in camera.name.split()
    ] == []


def test_nor_is_the_matrix_of_one(sample_frame: RawFrame) -> None:
    assert sample_frame.camera == "Canon EOS 30D"
    distances = [np.abs(np.subtract(camera.matrix, sample_frame.color_matrix)).max() for camera in table_cameras()]
    assert min(distances) > 1e-3


def test_matrices_can_be_inverted_and_keep_white() -> None:
    for camera in table_cameras():
        matrix = srgb_to_camera(camera.matrix)
        assert np.linalg.cond(matrix) < 20, camera.name
        np.testing.assert_allclose(np.linalg.inv(matrix).sum(1), 1, atol=1e-9)


def test_levels_and_noise_are_those_of_sensors() -> None:
    for camera in table_cameras():
        assert 0 <= camera.black < camera.white / 4, camera.name
        for profile in camera.noise:
            assert 50 <= profile.iso <= 12_800
            assert 1e-7 < profile.shot < 1e-2, camera.name
            assert 0 <= profile.read < 1e-3, camera.name
    speeds = {profile.iso for camera in table_cameras() for profile in camera.noise}
    assert speeds == {50, 100, 200, 400, 800, 1600, 3200, 6400, 12800}


def test_known_cameras_have_their_published_matrix() -> None:
    """Of LibRaw's own table (`adobe_coeff`), which has the same numbers."""
    known = {
        "Canon EOS 20D": (6599, -537, -891, -8071, 15783, 2424, -1983, 2234, 7462),
        "Nikon D300": (9030, -1992, -715, -8465, 16302, 2255, -2689, 3217, 8069),
    }
    found = {camera.name: camera.matrix for camera in table_cameras()}
    for name, numbers in known.items():
        np.testing.assert_allclose(np.ravel(found[name]), np.array(numbers) / 10_000)
