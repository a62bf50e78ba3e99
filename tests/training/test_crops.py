"""Held-out crops: the same for every run, through libjpeg, figures and pictures of what they say."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor, nn

from invisp_deploy.calibration.codec import JpegCodec
from invisp_deploy.config import NetworkConfig
from invisp_deploy.contract import CameraContract
from invisp_deploy.report.crops import ERROR_SCALE
from invisp_deploy.training.crops import Crops, measure_crops
from invisp_deploy.training.data import Pair, load_pairs
from tests.graphs import gentle_network

CONTRACT = CameraContract(white="adjusted", white_balance="min", cfa="RGGB")
JPEG = JpegCodec(80, "4:2:0")


@pytest.fixture(scope="module")
def pairs(small_dng: Path) -> list[Pair]:
    return load_pairs([small_dng], CONTRACT)


@pytest.fixture(scope="module")
def held_out(pairs: list[Pair]) -> Crops:
    return Crops.of(pairs, CONTRACT, 32, count=5)


def through_libjpeg(picture: Tensor) -> Tensor:
    stream = io.BytesIO()
    pixels = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(stream, "JPEG", quality=JPEG.quality, subsampling=JPEG.subsampling)
    return torch.from_numpy(np.array(Image.open(stream))).permute(2, 0, 1).float() / 255


class Brightening(nn.Module):
    """Renders by doubling and recovers by halving: what was above a half clips."""

    renders = True

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))

    def forward(self, raw: Tensor) -> Tensor:
        return raw * self.gain

    def inverse(self, rgb: Tensor) -> Tensor:
        return rgb / self.gain


def test_crops_are_the_same_for_every_run(pairs: list[Pair], held_out: Crops) -> None:
    again = Crops.of(pairs, CONTRACT, 32, count=5)
    assert torch.equal(again.raw, held_out.raw)
    assert torch.equal(again.target, held_out.target)
    assert held_out.raw.shape == (5, 3, 32, 32)
    assert (held_out.label, Crops.of(pairs, CONTRACT, 32, label="training").label) == ("held-out", "training")


def test_figures_are_those_of_pictures_through_libjpeg(held_out: Crops) -> None:
    network = gentle_network(NetworkConfig(1, 4, 2))
    with torch.no_grad():
        shown = torch.stack([through_libjpeg(picture) for picture in network(held_out.raw)])
        recovered = network.inverse(shown)
    found = measure_crops(network, held_out, JPEG, 7, 1.5)
    rgb = peak_signal_noise_ratio(held_out.target.numpy(), shown.numpy(), data_range=1)
    raw = peak_signal_noise_ratio(held_out.raw.numpy(), recovered.numpy(), data_range=1)
    assert (found.rgb_psnr, found.raw_psnr) == (pytest.approx(rgb, abs=1e-3), pytest.approx(raw, abs=1e-3))
    assert (found.step, found.seconds, found.crops) == (7, 1.5, "held-out")


def test_clipped_pixels_are_measured_apart(held_out: Crops) -> None:
    network, gain = Brightening(), 1 / float(held_out.raw.amax(1).median())
    with torch.no_grad():
        network.gain.fill_(gain)
        recovered = torch.stack([through_libjpeg(raw * network.gain) / network.gain for raw in held_out.raw])
    found = measure_crops(network, held_out, JPEG)
    clipped = (held_out.raw * gain > 1).any(1).numpy()
    assert 0.05 < clipped.mean() < 0.95
    squares = (recovered - held_out.raw).square().permute(0, 2, 3, 1).double().numpy()
    expected = [-10 * math.log10(squares[where].mean()) for where in (clipped, ~clipped)]
    assert [found.raw_psnr_clipped, found.raw_psnr_unclipped] == pytest.approx(expected, abs=1e-3)
    assert expected[0] < expected[1] - 1, "what was clipped is lost"


def test_no_clipped_pixel_has_no_figure(held_out: Crops) -> None:
    network = Brightening()
    with torch.no_grad():
        network.gain.fill_(0.5)
    found = measure_crops(network, held_out, JPEG)
    assert found.raw_psnr_clipped is None
    assert found.raw_psnr_unclipped == found.raw_psnr


def test_a_method_that_renders_nothing_inverts_the_target_which_is_of_a_jpeg_already(held_out: Crops) -> None:
    network = Brightening()
    network.renders = False
    found = measure_crops(network, held_out, JPEG)
    raw = peak_signal_noise_ratio(held_out.raw.numpy(), held_out.target.numpy() / 2, data_range=1)
    assert found.rgb_psnr is None
    assert found.raw_psnr == pytest.approx(raw, abs=1e-3)


def test_the_picture_has_a_row_a_crop(held_out: Crops) -> None:
    network = Brightening()
    picture = measure_crops(network, held_out, JPEG).picture
    assert picture.shape == (4 * 32, 4 * 32, 3)
    for index in range(4):
        row = picture[32 * index :][:32]
        for column, shown in ((0, held_out.raw), (2, held_out.target)):
            expected = np.rint(np.clip(shown[index].permute(1, 2, 0).numpy(), 0, 1) * 255)
            np.testing.assert_array_equal(row[:, 32 * column :][:, :32], expected)
        rendered = through_libjpeg(2 * held_out.raw[index])
        np.testing.assert_array_equal(row[:, 32:64], np.rint(rendered.permute(1, 2, 0).numpy() * 255))
        error = (rendered / 2 - held_out.raw[index]).abs().mean(0).numpy()
        assert (row[:, 96:].sum(-1)[error > ERROR_SCALE] == 3 * 255).all()
        assert (row[:, 96:, 1:][error < ERROR_SCALE / 3 - 1e-6] == 0).all()
