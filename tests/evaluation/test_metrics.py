"""Metrics against scikit-image and against their definitions written out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from invisp_deploy.contract import CameraContract
from invisp_deploy.errors import RequestError
from invisp_deploy.evaluation.metrics import (
    DEFINITIONS,
    mean_metrics,
    paper_domain,
    psnr,
    raw_psnr,
    raw_psnr_of,
    raw_psnr_paper,
    rgb_psnr,
    rgb_ssim,
)
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.demosaic import demosaic


@pytest.fixture
def recovered(small_frame: RawFrame) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 12, small_frame.mosaic.shape)
    return np.clip(np.rint(small_frame.mosaic + noise), 128, 4095).astype(np.uint16)


@pytest.mark.parametrize("shape", [(5, 7, 3), (300, 40, 3), (513, 9)])
def test_psnr_is_scikit_images(shape: tuple[int, ...]) -> None:
    from skimage.metrics import peak_signal_noise_ratio

    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, shape).astype(np.uint8) for _ in range(2))
    assert psnr(a, b, 255) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9)
    assert rgb_psnr(a, b) == psnr(a, b, 255)


def test_one_level_everywhere_is_the_known_figure() -> None:
    a = np.full((8, 8, 3), 100, np.uint8)
    assert rgb_psnr(a, a + 1) == pytest.approx(20 * math.log10(255))
    assert rgb_psnr(a + 1, a) == pytest.approx(20 * math.log10(255))  # unsigned numbers do not wrap


def test_equal_arrays_are_infinitely_good(small_frame: RawFrame) -> None:
    recipe = small_frame.recipe(CameraContract())
    assert raw_psnr(small_frame.mosaic, small_frame.mosaic, recipe) == math.inf
    assert raw_psnr_paper(small_frame.mosaic, small_frame.mosaic, recipe) == math.inf


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(RequestError, match=r"\(4, 4\) and \(4, 5\)"):
        psnr(np.zeros((4, 4)), np.zeros((4, 5)), 1)


def test_raw_psnr_is_its_definition(small_frame: RawFrame, recovered: np.ndarray) -> None:
    black = np.tile(np.reshape(small_frame.black, (2, 2)), (128, 128))
    a, b = ((mosaic - black) / (4095 - black) for mosaic in (recovered, small_frame.mosaic))
    expected = -10 * math.log10(np.square(a - b).mean())
    recipe = small_frame.recipe(CameraContract())
    assert raw_psnr(recovered, small_frame.mosaic, recipe) == pytest.approx(expected, abs=0.01)


def test_raw_psnr_of_some_pixels_is_its_definition_over_them(small_frame: RawFrame, recovered: np.ndarray) -> None:
    pixels = np.random.default_rng(1).random((256, 256)) < 0.03
    recovered[~pixels] = 9  # what lies elsewhere counts nothing
    span = 4095 - np.mean(small_frame.black)
    difference = recovered[pixels].astype(float) - small_frame.mosaic[pixels]
    expected = 20 * math.log10(span) - 10 * math.log10(np.square(difference).mean())
    recipe = small_frame.recipe(CameraContract())
    assert raw_psnr_of(pixels, recovered, small_frame.mosaic, recipe) == pytest.approx(expected, abs=1e-9)
    assert raw_psnr_of(np.zeros_like(pixels), recovered, small_frame.mosaic, recipe) is None


def test_the_mean_is_over_the_files_that_have_the_figure() -> None:
    figures = {"a": {"x": 1.0, "y": None, "z": None}, "b": {"x": 2.0, "y": 40.0, "z": None}}
    assert mean_metrics(figures) == {"x": 1.5, "y": 40.0, "z": None}
    assert mean_metrics({}) == {}


@pytest.mark.parametrize("white_balance", ["max", "min", "none"])
@pytest.mark.parametrize("gamma", [1.0, 2.2])
def test_the_papers_raw_psnr_is_its_definition_under_every_contract(
    white_balance: str, gamma: float, small_frame: RawFrame, recovered: np.ndarray
) -> None:
    """Gains divided by the largest, gamma 1/2.2, clipped, three channels, mean over 3x3 patches."""
    contract = CameraContract(white_balance=white_balance, curve=gamma)
    recipe = small_frame.recipe(contract)
    black = np.tile(np.reshape(small_frame.black, (2, 2)), (128, 128))
    sites = np.zeros((256, 256))
    for index, colour in enumerate("RGGB"):
        gains = recipe.gains
        sites[index // 2 :: 2, index % 2 :: 2] = gains["RGB".index(colour)] / max(gains)

    def domain(mosaic: np.ndarray) -> np.ndarray:
        linear = np.clip((mosaic - black) / (4095 - black), 0, 1) * sites
        return demosaic(linear.astype(np.float32), "RGGB").astype(np.float64) ** (1 / 2.2)

    a, b = domain(recovered), domain(small_frame.mosaic)
    edges = (0, 85, 170, 256)
    figures = [
        -10 * math.log10(np.square(a[:, t:u, l:r] - b[:, t:u, l:r]).mean())
        for t, u in zip(edges, edges[1:], strict=False)
        for l, r in zip(edges, edges[1:], strict=False)  # noqa: E741
    ]
    assert raw_psnr_paper(recovered, small_frame.mosaic, recipe) == pytest.approx(np.mean(figures), abs=1e-3)


def test_the_papers_domain_does_not_depend_on_how_gains_are_normalised(small_frame: RawFrame) -> None:
    tensor = np.random.default_rng(0).random((3, 8, 8), np.float32)
    by_max = small_frame.recipe(CameraContract(white_balance="max"))
    by_min = replace(by_max, gains=tuple(gain * 1.9 for gain in by_max.gains))
    brighter = (tensor**2.2 * 1.9) ** (1 / 2.2)
    np.testing.assert_allclose(paper_domain(brighter, by_min), paper_domain(tensor, by_max), atol=1e-5)


def test_the_papers_domain_is_clipped(small_frame: RawFrame) -> None:
    recipe = small_frame.recipe(CameraContract())
    wild = paper_domain(np.array([[[-1.0, 0.5, 3.0]]] * 3, np.float32), recipe)
    assert wild.min() == 0
    assert wild.max() == 1


def test_every_metric_states_its_unit_and_peak() -> None:
    assert {"rgb-psnr", "raw-psnr", "raw-psnr-paper"} <= set(DEFINITIONS)
    assert all(text.startswith("dB, peak ") for text in DEFINITIONS.values())


@pytest.mark.parametrize("height", [11, 40, 512, 527, 1050])
def test_ssim_in_strips_is_scikit_images(height: int) -> None:
    from skimage.metrics import structural_similarity

    rng = np.random.default_rng(height)
    picture = rng.integers(0, 256, (height, 24, 3), np.uint8)
    target = np.clip(picture + rng.normal(0, 20, picture.shape), 0, 255).astype(np.uint8)
    expected = structural_similarity(
        picture, target, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert rgb_ssim(picture, target) == pytest.approx(expected, abs=1e-12)
