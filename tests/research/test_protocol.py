"""The protocol with methods whose figures can be computed another way."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from invisp_deploy.contract import UNIVERSAL, CameraContract
from invisp_deploy.dataset.open import Dataset
from invisp_deploy.evaluation.metrics import paper_domain
from invisp_deploy.formats.pixels import CLIPPED
from invisp_deploy.isp.develop import develop
from invisp_deploy.isp.recipe import adjusted_white
from invisp_deploy.research.areas import Terms, areas_of
from invisp_deploy.research.methods import Method
from invisp_deploy.research.protocol import AS_RUN, CORRECT, judge, recover_area
from tests.graphs import CANON_30D
from tests.research.conftest import Exact

TILES = Terms(tiles=3, tile_size=96)


def jpeg(picture: np.ndarray, quality: int = 90, subsampling: int = 1) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=quality, subsampling=subsampling)
    return np.array(Image.open(stream))


@pytest.mark.parametrize("settings", [Terms(), TILES], ids=["whole", "tiles"])
def test_every_figure_is_defined_and_every_definition_has_a_figure(
    settings: Terms, photo_set: Dataset, method: Callable[..., Method]
) -> None:
    judged = judge(method("a", Exact()), photo_set, CANON_30D.cfa, settings)
    assert set(judged.correct) <= set(CORRECT)
    assert {"raw-psnr-clipped", *judged.correct} == set(CORRECT)
    assert set(judged.as_run) == set(AS_RUN)
    assert set(judged.files) == {"file1", "file2"}
    side = 96 * 96 * 3 if settings.tiles else 224 * 256
    assert judged.pixels == 2 * side
    for name in ("raw-psnr", "rgb-ssim"):
        assert judged.correct[name] == pytest.approx(np.mean([one[name] for one in judged.files.values()]))


def test_correct_figures_are_scikit_images(photo_set: Dataset, method: Callable[..., Method]) -> None:
    """The same steps by hand: rounded, through Pillow, its RGB and RAW compared by scikit-image."""
    judged = judge(method("a", Exact(0.5)), photo_set, CANON_30D.cfa, Terms(tiles=1, tile_size=96))
    for shot in photo_set.shots("test"):
        (window,) = areas_of(shot, CANON_30D.cfa, Terms(tiles=1, tile_size=96))
        recipe = shot.recipe(CANON_30D)
        raw = develop(shot.frame.mosaic, recipe, window)
        decoded = jpeg(np.rint(raw * 0.5 * 255).astype(np.uint8).transpose(1, 2, 0))
        target = shot.target(window)
        figures = judged.files[shot.name]
        assert figures["rgb-psnr"] == pytest.approx(peak_signal_noise_ratio(target, decoded), abs=1e-6)
        expected = structural_similarity(
            target, decoded, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert figures["rgb-ssim"] == pytest.approx(expected, abs=1e-9)
        linear = (decoded.astype(np.float64) / 255 / 0.5) ** 2.2
        true = shot.frame.mosaic[window].astype(np.float64)
        back = np.empty(true.shape)
        local = recipe.shifted(window[0].start, window[1].start)
        for site, colour in enumerate(local.cfa):
            at = (slice(site // 2, None, 2), slice(site % 2, None, 2))
            channel = "RGB".index(colour)
            share = np.clip(linear[(*at, channel)] / recipe.gains[channel], 0, 1)
            back[at] = np.rint(share * (recipe.white - local.black[site]) + local.black[site])
        span = recipe.white - np.mean(recipe.black)
        assert figures["raw-psnr"] == pytest.approx(peak_signal_noise_ratio(true, back, data_range=span), abs=0.01)


def test_as_run_truncates_and_takes_no_mosaic(photo_set: Dataset, method: Callable[..., Method]) -> None:
    settings = Terms(tiles=1, tile_size=96)
    judged = judge(method("a", Exact(0.5)), photo_set, CANON_30D.cfa, settings)
    expected = []
    for shot in photo_set.shots("test"):
        (window,) = areas_of(shot, CANON_30D.cfa, settings)
        recipe = shot.recipe(CANON_30D)
        raw = develop(shot.frame.mosaic, recipe, window)
        decoded = jpeg((raw * np.float32(0.5) * 255).astype(np.uint8).transpose(1, 2, 0))
        back = decoded.transpose(2, 0, 1).astype(np.float32) / 255 / np.float32(0.5)
        pair = (paper_domain(planes, recipe) for planes in (raw, back))
        expected.append(peak_signal_noise_ratio(*pair, data_range=1))
    assert judged.as_run["raw-psnr"] == pytest.approx(np.mean(expected), abs=0.01)
    assert judged.as_run["rgb-psnr"] != pytest.approx(judged.correct["rgb-psnr"], abs=0.005)


@pytest.mark.parametrize(
    "contract",
    [replace(CANON_30D, white="file"), replace(CANON_30D, white_balance="none", curve=1.0), UNIVERSAL],
    ids=["white", "linear", "universal"],
)
def test_figures_are_on_the_same_terms_whatever_the_contract(
    contract: CameraContract, photo_set: Dataset, method: Callable[..., Method], tmp_path: Path
) -> None:
    """Two mosaics and two pictures are what is compared: levels and paper's domain are those of the file."""
    terms = Terms(tiles=1, tile_size=96)
    judged = judge(method("a", Exact(0.9), contract=contract), photo_set, contract.cfa, terms)
    for shot in photo_set.shots("test"):
        (window,) = areas_of(shot, contract.cfa, terms)
        area = recover_area(Exact(0.9), photo_set, shot, contract, window, terms, tmp_path, own=True)
        span = adjusted_white(shot.facts.frame, shot.frame.mosaic) - np.mean(shot.facts.frame.black)
        pair = [mosaic.astype(np.float64) for mosaic in (area.mosaic, area.recovered)]
        expected = peak_signal_noise_ratio(*pair, data_range=span)
        assert judged.files[shot.name]["raw-psnr"] == pytest.approx(expected, abs=1e-6)
        paper = shot.recipe(CameraContract(white="adjusted")).shifted(window[0].start, window[1].start)
        pair = [develop(mosaic, paper) for mosaic in (area.mosaic, area.recovered)]
        expected = peak_signal_noise_ratio(*pair, data_range=1)
        assert judged.files[shot.name]["raw-psnr-paper"] == pytest.approx(expected, abs=1e-4)


def test_figures_answer_to_the_error(photo_set: Dataset, method: Callable[..., Method]) -> None:
    good, bad = (judge(method("a", Exact(0.5, error)), photo_set, CANON_30D.cfa, TILES) for error in (0.0, 0.05))
    assert good.correct["rgb-psnr"] == bad.correct["rgb-psnr"]
    for name in ("raw-psnr", "raw-psnr-paper", "raw-psnr-unclipped"):
        assert good.correct[name] > bad.correct[name] + 3
    assert good.as_run["raw-psnr"] > bad.as_run["raw-psnr"] + 3


def test_better_jpegs_give_better_raws(photo_set: Dataset, method: Callable[..., Method]) -> None:
    low, high = (judge(method("a", Exact()), photo_set, CANON_30D.cfa, Terms(quality=q)) for q in (70, 95))
    assert high.correct["raw-psnr"] > low.correct["raw-psnr"] + 1
    assert high.jpeg_bytes > 1.5 * low.jpeg_bytes


def test_one_that_renders_nothing_inverts_the_datasets_own_jpeg(
    photo_set: Dataset, method: Callable[..., Method], tmp_path: Path
) -> None:
    """Of the same quality it is not coded again; of another it is. No figures of a rendering are given."""
    shot = photo_set.shots("test")[0]
    (window,) = areas_of(shot, CANON_30D.cfa, Terms(tiles=1, tile_size=96))
    target = shot.target(window)
    for settings, expected in (
        (Terms(tiles=1, tile_size=96), target),
        (Terms(quality=60, tiles=1, tile_size=96), jpeg(target, 60)),
        (Terms(subsampling="4:4:4", tiles=1, tile_size=96), jpeg(target, 90, 0)),
    ):
        trial = recover_area(Exact(), photo_set, shot, CANON_30D, window, settings, tmp_path, own=False)
        assert np.array_equal(trial.decoded, expected)
    judged = judge(method("a", Exact(), renders=False), photo_set, CANON_30D.cfa, TILES)
    assert {*judged.correct, "raw-psnr-clipped"} == {name for name in CORRECT if not name.startswith("rgb")}
    foreign = judge(method("a", Exact()), photo_set, CANON_30D.cfa, TILES, foreign=True)
    assert foreign.correct == judged.correct


def test_clipped_and_unclipped_pixels_add_up_to_all(photo_set: Dataset, method: Callable[..., Method]) -> None:
    """One file whole: the mean squared error of all pixels is that of both parts together."""
    judged = judge(method("a", Exact()), photo_set, CANON_30D.cfa, Terms())
    total = clipped = 0
    for shot in photo_set.shots("test"):
        (window,) = areas_of(shot, CANON_30D.cfa, Terms())
        where = (shot.target(window) >= CLIPPED).any(-1)
        total, clipped = total + where.size, clipped + np.count_nonzero(where)
    errors = {name: 10 ** (-judged.correct.get(name, 100.0) / 10) for name in CORRECT if "clipped" in name}
    both = (clipped * errors["raw-psnr-clipped"] + (total - clipped) * errors["raw-psnr-unclipped"]) / total
    mean = np.mean([10 ** (-one["raw-psnr"] / 10) for one in judged.files.values()])
    assert both == pytest.approx(mean, rel=1e-6)
