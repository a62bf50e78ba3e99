"""Made frames of many cameras: what is drawn covers what files state, and LibRaw reads and renders what was written."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rawpy

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.formats.raw import read_raw, render_libraw
from invisp_deploy.isp.colour import srgb_to_camera
from invisp_deploy.isp.psnr import psnr
from invisp_deploy.isp.recipe import adjusted_white
from invisp_deploy.training.camera_table import table_cameras
from invisp_deploy.training.many_cameras import ManyCameras, drawn_noise


@pytest.fixture(scope="module")
def photo() -> Any:
    """(H, W, 3) uint8, smooth, with dark, bright and coloured places."""
    y, x = np.mgrid[0:120, 0:160] / 160
    colours = (130 + 120 * np.sin(7 * x + 2 * y), 110 + 100 * np.cos(5 * y), 100 + 70 * x * y + 60 * np.sin(9 * x))
    return np.rint(np.clip(np.stack(colours, -1), 0, 255)).astype(np.uint8)


@pytest.fixture(scope="module")
def frames(photo: Any) -> list[RawFrame]:
    return [ManyCameras().frame(photo, np.random.default_rng((9, number))) for number in range(200)]


def test_cameras_phases_and_levels_are_all_drawn(frames: list[RawFrame]) -> None:
    assert len({frame.model for frame in frames}) > 100
    phases = Counter(frame.cfa for frame in frames)
    assert set(phases) == set(CFA_PATTERNS)
    assert min(phases.values()) > 25
    bits = Counter(frame.white.bit_length() for frame in frames)
    assert all(bits[count] > 10 for count in (10, 12, 14, 16)), bits
    assert any(frame.white != (1 << frame.white.bit_length()) - 1 for frame in frames), "white below full scale"
    shares = np.array([frame.black[0] / frame.white for frame in frames])
    assert shares.min() == 0
    assert 0.05 < shares.max() < 0.25
    assert 20 < sum(len(set(frame.black)) > 1 for frame in frames) < 80, "sites that differ"
    matrices = {camera.name: camera.matrix for camera in table_cameras()}
    assert all(frame.color_matrix == matrices[frame.model] for frame in frames)


def test_light_is_warm_and_cold_and_some_places_clip(frames: list[RawFrame]) -> None:
    gains = np.array([frame.gains for frame in frames])
    assert np.corrcoef(np.log(gains[:, 0]), np.log(gains[:, 2]))[0, 1] < -0.4
    assert gains[:, 2].max() / gains[:, 2].min() > 3
    clipped = np.array([(frame.mosaic == frame.mosaic.max()).mean() for frame in frames])
    assert 0.03 < (clipped > 0.01).mean() < 0.5, "the sensor saturates"


def test_noise_spans_the_iso_speeds_and_some_frames_are_clean() -> None:
    rng = np.random.default_rng(4)
    drawn = [drawn_noise(table_cameras()[rng.integers(len(table_cameras()))], rng) for _ in range(400)]
    shots = np.array([noise.shot for noise in drawn])
    assert 0.05 < (shots == 0).mean() < 0.16
    assert shots[shots > 0].max() / shots[shots > 0].min() > 256  # eight stops
    assert np.median(shots) == pytest.approx(2e-4, rel=1), "a sensor of 5,000 electrons, or of 40,000 three stops up"


def test_equal_generators_give_equal_frames(photo: Any) -> None:
    one, other, third = (ManyCameras().frame(photo, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert one.facts == other.facts != third.facts
    np.testing.assert_array_equal(one.mosaic, other.mosaic)


def test_libraw_reads_what_was_written(frames: list[RawFrame], tmp_path: Path) -> None:
    for number, frame in enumerate(frames[:40]):
        path = tmp_path / f"{number}.dng"
        write_dng(path, frame)
        found = read_raw(path)
        np.testing.assert_array_equal(found.mosaic, frame.mosaic)
        assert (found.cfa, found.black, found.white) == (frame.cfa, frame.black, frame.white)
        assert found.camera == f"Made {frame.model}"
        assert frame.gains is not None
        assert found.gains is not None
        assert frame.color_matrix is not None
        np.testing.assert_allclose(np.array(found.gains) / found.gains[1], frame.gains, rtol=1e-5)
        with rawpy.imread(io.BytesIO(path.read_bytes())) as raw:  # type: ignore[arg-type]
            to_srgb = raw.color_matrix[:3, :3]
        np.testing.assert_allclose(to_srgb @ srgb_to_camera(frame.color_matrix), np.eye(3), atol=1e-4)


def test_libraw_renders_the_closed_form_of_it(frames: list[RawFrame], tmp_path: Path) -> None:
    """Levels, gains, clip, matrix, BT.709, on 2x2 squares (no demosaicing), against LibRaw at half size."""
    values = []
    for number, frame in enumerate(frames[:30]):
        path = tmp_path / f"{number}.dng"
        write_dng(path, frame)
        with rawpy.imread(str(path)) as raw:
            shown = raw.postprocess(use_camera_wb=True, no_auto_bright=True, user_flip=0, half_size=True)
        values.append(psnr(closed_form(frame).transpose(2, 0, 1), (shown / 255).transpose(2, 0, 1), 1))
    assert min(values) > 40, values
    assert render_libraw(path).shape == (*frame.mosaic.shape, 3)


def closed_form(frame: RawFrame) -> Any:
    """(H/2, W/2, 3) in [0, 1]."""
    assert frame.gains is not None
    assert frame.color_matrix is not None
    white, planes = adjusted_white(frame, frame.mosaic), [[], [], []]  # type: ignore[var-annotated]
    for index, colour in enumerate(frame.cfa):
        channel = "RGB".index(colour)
        site = frame.mosaic[index // 2 :: 2, index % 2 :: 2].astype(np.float64)
        light = np.clip((site - frame.black[index]) / (white - frame.black[index]), 0, 1)
        planes[channel].append(np.minimum(light * frame.gains[channel] / min(frame.gains), 1))
    camera = np.stack([np.mean(sites, 0) for sites in planes], -1)
    linear = camera @ np.linalg.inv(srgb_to_camera(frame.color_matrix)).T
    curved = np.where(linear < 0.018054, 4.5 * linear, 1.099297 * np.maximum(linear, 0.018054) ** 0.45 - 0.099297)
    return np.clip(curved, 0, 1)
