"""The JPEG simulator against libjpeg: tables, decoded pictures, and gradients by finite differences."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from invisp_deploy.errors import RequestError
from invisp_deploy.tolerances import TOLERANCES
from invisp_deploy.training.jpeg_simulator import FOURIER_TERMS, JpegSimulator, fourier_round, quantisation_tables

SUBSAMPLINGS = ["4:4:4", "4:2:2", "4:2:0"]


@pytest.fixture(scope="module")
def photograph(sample_raw: Path) -> Any:
    """(H, W, 3) uint8: the camera's own picture, reduced so that its JPEG grid is gone."""
    import rawpy

    with rawpy.imread(str(sample_raw)) as raw:
        picture = Image.open(io.BytesIO(raw.extract_thumb().data))
    return np.asarray(picture.convert("RGB").resize((576, 384), Image.Resampling.LANCZOS))


def libjpeg(picture: Any, quality: int, subsampling: str) -> Any:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(stream))


@torch.no_grad()
def simulated(picture: Any, simulator: JpegSimulator) -> Any:
    tensor = torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float() / 255
    return simulator(tensor)[0].permute(1, 2, 0).numpy() * 255


@pytest.mark.parametrize("quality", [1, 10, 25, 49, 50, 75, 90, 95, 100])
def test_tables_are_those_that_libjpeg_writes(quality: int) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "JPEG", quality=quality)
    written = Image.open(stream).quantization  # type: ignore[attr-defined]
    for index, table in enumerate(quantisation_tables(quality)):
        np.testing.assert_array_equal(table.numpy().ravel(), written[index])


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize(("height", "width"), [(384, 576), (383, 575), (129, 250), (100, 41)])
def test_close_to_libjpeg_and_far_closer_than_no_jpeg(
    subsampling: str, height: int, width: int, photograph: Any
) -> None:
    picture = photograph[384 - height :, 576 - width :]  # the lower right: structure, not sky
    decoded = libjpeg(picture, 90, subsampling).astype(np.float64)
    ours = simulated(picture, JpegSimulator(90, subsampling))
    assert ours.shape == decoded.shape
    error = np.abs(ours - decoded).mean()
    assert error <= TOLERANCES["simulator-libjpeg"].limit
    assert error < 0.4 * np.abs(picture - decoded).mean()


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("quality", [50, 75, 95])
def test_close_at_other_qualities(quality: int, subsampling: str, photograph: Any) -> None:
    decoded = libjpeg(photograph, quality, subsampling).astype(np.float64)
    error = np.abs(simulated(photograph, JpegSimulator(quality, subsampling)) - decoded).mean()
    assert error < 0.5 * np.abs(photograph - decoded).mean()


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_with_true_rounding_it_is_libjpeg_but_for_ties(
    subsampling: str, photograph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Fourier series is the largest part that is not libjpeg's; its integer DCT is what is left."""
    decoded = libjpeg(photograph, 75, subsampling)
    series = np.abs(simulated(photograph, JpegSimulator(75, subsampling)) - decoded).mean()
    monkeypatch.setattr("invisp_deploy.training.jpeg_simulator.fourier_round", torch.round)
    true = np.abs(simulated(photograph, JpegSimulator(75, subsampling)) - decoded).mean()
    assert true < 0.2
    assert true < series / 3


def test_outputs_are_bytes_within_the_range(photograph: Any) -> None:
    ours = simulated(photograph, JpegSimulator())
    assert ours.min() >= 0
    assert ours.max() <= 255
    np.testing.assert_allclose(ours, np.rint(ours), atol=1e-3)


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_a_flat_grey_passes_unchanged(subsampling: str) -> None:
    grey = np.full((20, 27, 3), 128, np.uint8)
    np.testing.assert_allclose(simulated(grey, JpegSimulator(90, subsampling)), grey, atol=1e-3)


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_gradient_by_finite_differences(subsampling: str) -> None:
    torch.manual_seed(0)
    simulator = JpegSimulator(90, subsampling, eight_bit=False).double()
    picture = (0.3 + 0.4 * torch.rand(1, 3, 7, 9, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(simulator, (picture,), eps=1e-7, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_rounding_to_bytes_does_not_stop_the_gradient(subsampling: str) -> None:
    torch.manual_seed(0)
    picture = (0.3 + 0.4 * torch.rand(1, 3, 16, 16)).requires_grad_()
    JpegSimulator(90, subsampling)(picture).sum().backward()
    assert picture.grad is not None
    assert picture.grad.isfinite().all()
    assert (picture.grad.abs() > 0).float().mean() > 0.99


def test_fourier_rounding_has_slope_one_at_whole_numbers() -> None:
    x = torch.arange(-5, 6, dtype=torch.float64, requires_grad=True)
    rounded = fourier_round(x)
    rounded.sum().backward()
    torch.testing.assert_close(rounded.detach(), x.detach(), atol=1e-12, rtol=0)
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.ones_like(x))


def test_nine_terms_would_turn_the_slope() -> None:
    x = torch.arange(-5, 6, dtype=torch.float64, requires_grad=True)
    fourier_round(x, 9).sum().backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, -torch.ones_like(x))
    assert FOURIER_TERMS % 2 == 0


def test_fourier_rounding_comes_close_to_rounding() -> None:
    x = torch.linspace(-4, 4, 8001, dtype=torch.float64)
    away = (x - x.floor() - 0.5).abs() > 0.1
    assert (fourier_round(x) - x.round())[away].abs().max() < 0.1
    assert (fourier_round(x, 200) - x.round())[away].abs().max() < 0.01


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(RequestError, match="quality is 1 to 100, got 0"):
        JpegSimulator(0)
    with pytest.raises(RequestError, match="'4:1:1'"):
        JpegSimulator(90, "4:1:1")
