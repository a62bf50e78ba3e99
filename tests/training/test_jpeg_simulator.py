"""The JPEG simulator against libjpeg: tables, decoded pictures, and gradients by finite differences."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from invisp_deploy.errors import RequestError
from invisp_deploy.formats.subsampling import SUBSAMPLINGS
from invisp_deploy.tolerances import TOLERANCES
from invisp_deploy.training.jpeg_simulator import Compression, JpegSimulator, draw_compressions, quantisation_tables
from invisp_deploy.training.options import JpegOptions
from invisp_deploy.training.rounding import ROUND, dsq_curve


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
def simulated(picture: Any, jpeg: Compression, rounding: str = "fourier") -> Any:
    return JpegSimulator(rounding)(planes(picture), [jpeg])[0].permute(1, 2, 0).numpy() * 255


def planes(picture: Any) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None].float() / 255


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
    ours = simulated(picture, Compression(90, subsampling))
    assert ours.shape == decoded.shape
    error = np.abs(ours - decoded).mean()
    assert error <= TOLERANCES["simulator-libjpeg"].limit
    assert error < 0.4 * np.abs(picture - decoded).mean()


@pytest.mark.parametrize("subsampling", ["4:2:2", "4:2:0"])
@pytest.mark.parametrize("patch", [100, 172])
def test_the_right_edge_is_as_near_as_the_rest(patch: int, subsampling: str, photograph: Any) -> None:
    """Half the width of such patches is no whole number of blocks; libjpeg fills the last before it halves."""
    places = [(row, column) for row in range(0, 384 - patch, 40) for column in range(0, 576 - patch, 40)]
    edge, inside = [], []
    for row, column in places:
        picture = np.ascontiguousarray(photograph[row : row + patch, column : column + patch])
        decoded = libjpeg(picture, 90, subsampling).astype(np.float64)
        error = np.abs(simulated(picture, Compression(90, subsampling), "straight-through") - decoded)
        edge.append(error[:, -16:].mean())
        inside.append(error[:, :-16].mean())
    assert np.mean(edge) < 1.25 * np.mean(inside)


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("quality", [50, 75, 95])
def test_close_at_other_qualities(quality: int, subsampling: str, photograph: Any) -> None:
    decoded = libjpeg(photograph, quality, subsampling).astype(np.float64)
    error = np.abs(simulated(photograph, Compression(quality, subsampling)) - decoded).mean()
    assert error < 0.5 * np.abs(photograph - decoded).mean()


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize(("quality", "times"), [(75, 3), (90, 2)])
def test_true_rounding_is_nearest_to_libjpeg_and_every_other_nearer_than_none(
    quality: int, times: int, subsampling: str, photograph: Any
) -> None:
    """With it, libjpeg's integer DCT is all that is left. DSQ rounds truly as well; only its gradient is another."""
    decoded = libjpeg(photograph, quality, subsampling).astype(np.float64)
    error = {
        name: np.abs(simulated(photograph, Compression(quality, subsampling), name) - decoded).mean() for name in ROUND
    }
    assert error["straight-through"] < 0.2
    assert error["straight-through"] < error["fourier"] / times
    assert error["dsq"] == pytest.approx(error["straight-through"], abs=1e-3)
    assert max(error.values()) < 0.5 * np.abs(photograph - decoded).mean()


def test_each_picture_of_a_batch_has_its_own_quality_and_subsampling(photograph: Any) -> None:
    jpegs = [Compression(95, "4:2:2"), Compression(40, "4:4:4"), Compression(70, "4:2:0"), Compression(70, "4:2:2")]
    parts = [photograph[64 * index :][:64, :80] for index in range(4)]
    with torch.no_grad():
        together = JpegSimulator("straight-through")(torch.cat([planes(part) for part in parts]), jpegs)
    for ours, part, jpeg in zip(together, parts, jpegs, strict=True):
        picture = ours.permute(1, 2, 0).numpy() * 255
        np.testing.assert_allclose(picture, simulated(part, jpeg, "straight-through"), atol=1e-3)
        error = [np.abs(picture - libjpeg(part, *other)).mean() for other in jpegs]
        assert error[jpegs.index(jpeg)] == min(error) < 0.3


def test_parameters_are_drawn_evenly_from_their_ranges() -> None:
    options = JpegOptions(quality=(70, 98), subsampling=("4:2:2", "4:2:0"))
    drawn = draw_compressions(options, 3000, np.random.default_rng(0))
    counts = np.bincount([jpeg.quality for jpeg in drawn])
    assert set(np.flatnonzero(counts)) == set(range(70, 99))
    assert counts[70:].min() > 3000 / 29 / 2
    assert 1350 < sum(jpeg.subsampling == "4:2:0" for jpeg in drawn) < 1650
    assert draw_compressions(JpegOptions(), 2, np.random.default_rng(0)) == [Compression(90, "4:2:2")] * 2


def test_outputs_are_bytes_within_the_range(photograph: Any) -> None:
    ours = simulated(photograph, Compression())
    assert ours.min() >= 0
    assert ours.max() <= 255
    np.testing.assert_allclose(ours, np.rint(ours), atol=1e-3)


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_a_flat_grey_passes_unchanged(subsampling: str) -> None:
    grey = np.full((20, 27, 3), 128, np.uint8)
    np.testing.assert_allclose(simulated(grey, Compression(90, subsampling)), grey, atol=1e-3)


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_gradient_by_finite_differences(subsampling: str) -> None:
    picture, jpeg = middling(7, 9), [Compression(90, subsampling)]
    simulator = JpegSimulator(eight_bit=False).double()
    assert torch.autograd.gradcheck(lambda x: simulator(x, jpeg), (picture,), eps=1e-7, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(
    ("name", "same"), [("straight-through", lambda x: x), ("dsq", dsq_curve)], ids=["straight-through", "dsq"]
)
def test_true_roundings_have_the_gradient_of_their_curves(
    name: str, same: Callable[[torch.Tensor], torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No value clips, so nothing behind the rounding tells the two apart."""
    picture = middling(12, 20)
    weight = torch.rand_like(picture)
    monkeypatch.setitem(ROUND, "curve", same)
    made = [
        JpegSimulator(one, eight_bit=False).double()(picture, [Compression(75, "4:2:0")]) for one in (name, "curve")
    ]
    assert (made[0] - made[1]).abs().max() > 1e-3
    ours, expected = (torch.autograd.grad((one * weight).sum(), picture)[0] for one in made)
    torch.testing.assert_close(ours, expected)


def middling(height: int, width: int) -> torch.Tensor:
    torch.manual_seed(0)
    return (0.3 + 0.4 * torch.rand(1, 3, height, width, dtype=torch.float64)).requires_grad_()


@pytest.mark.parametrize("rounding", list(ROUND))
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_rounding_to_bytes_does_not_stop_the_gradient(subsampling: str, rounding: str) -> None:
    torch.manual_seed(0)
    picture = (0.3 + 0.4 * torch.rand(1, 3, 16, 16)).requires_grad_()
    JpegSimulator(rounding)(picture, [Compression(90, subsampling)]).sum().backward()
    assert picture.grad is not None
    assert picture.grad.isfinite().all()
    assert (picture.grad.abs() > 0).float().mean() > 0.99


def test_unknown_settings_are_refused() -> None:
    picture = torch.rand(1, 3, 8, 8)
    with pytest.raises(RequestError, match="quality is 1 to 100, got 0"):
        JpegSimulator()(picture, [Compression(0)])
    with pytest.raises(RequestError, match="'4:1:1'"):
        JpegSimulator()(picture, [Compression(90, "4:1:1")])
    with pytest.raises(RequestError, match="got 2 for 1"):
        JpegSimulator()(picture, [Compression(), Compression()])
    with pytest.raises(RequestError, match="one of fourier, dsq, straight-through, got 'none'"):
        JpegSimulator("none")
