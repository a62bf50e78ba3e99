"""Demosaicing against the published kernels, LibRaw's bilinear one, and its exact undoing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from invisp_deploy.contract import CFA_PATTERNS
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.formats.frame import RawFrame
from invisp_deploy.isp.demosaic import demosaic, remosaic, sites, window_cfa

SHAPES = [(2, 2), (2, 7), (3, 3), (8, 8), (9, 12), (16, 11), (33, 31)]

# Losson, Macaire and Yang, "Comparison of Color Demosaicing Methods" (2010), eqs. 18 and 19
GREEN_KERNEL = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
RED_BLUE_KERNEL = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4


def random_mosaic(shape: tuple[int, int], seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


def by_convolution(mosaic: npt.NDArray[np.float32], cfa: str) -> npt.NDArray[np.float64]:
    """Sparse colour planes, mirrored about the edge pixel, convolved with the published kernels."""
    rows, columns = np.indices(mosaic.shape)
    colours = np.array(list(cfa))[(rows % 2) * 2 + columns % 2]
    planes = []
    for colour in "RGB":
        sparse = np.pad(np.where(colours == colour, mosaic, 0).astype(np.float64), 1, mode="reflect")
        around = np.lib.stride_tricks.sliding_window_view(sparse, (3, 3))
        planes.append(np.einsum("hwij,ij->hw", around, GREEN_KERNEL if colour == "G" else RED_BLUE_KERNEL))
    return np.stack(planes)


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("shape", SHAPES)
def test_agrees_with_the_published_kernels_up_to_the_border(cfa: str, shape: tuple[int, int]) -> None:
    mosaic = random_mosaic(shape)
    np.testing.assert_allclose(demosaic(mosaic, cfa), by_convolution(mosaic, cfa), atol=2e-7)


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_agrees_with_libraws_bilinear_inside(cfa: str, tmp_path: Path) -> None:
    import rawpy

    mosaic = np.random.default_rng(1).integers(0, 65536, (40, 46)).astype(np.uint16)
    write_dng(tmp_path / "a.dng", RawFrame(cfa, (0, 0, 0, 0), 65535, (1, 1, 1), mosaic=mosaic))
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        theirs = raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
            output_color=rawpy.ColorSpace.raw,
            user_wb=[1, 1, 1, 1],
            gamma=(1, 1),
            no_auto_bright=True,
            adjust_maximum_thr=0,
            output_bps=16,
        )
    ours = demosaic(mosaic.astype(np.float32), cfa).transpose(1, 2, 0)
    difference = np.abs(ours[2:-2, 2:-2] - theirs[2:-2, 2:-2])
    assert difference.max() <= 1  # LibRaw rounds down to whole numbers


# Malvar, He and Cutler, "High-quality linear interpolation for demosaicing" (2004), fig. 2, in eighths
GREEN_AT_RED = [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]
RED_IN_RED_ROW = [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]
RED_AT_BLUE = [[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]]


def published(mosaic: npt.NDArray[np.float32], cfa: str) -> npt.NDArray[np.float64]:
    """Their kernels, two pixels from the border on, pixel by pixel."""
    height, width = mosaic.shape
    planes = np.empty((3, height - 4, width - 4))
    for row in range(2, height - 2):
        for column in range(2, width - 2):
            around = mosaic[row - 2 : row + 3, column - 2 : column + 3].astype(np.float64)
            own = cfa[(row % 2) * 2 + column % 2]
            beside = cfa[(row % 2) * 2 + (column + 1) % 2]
            for index, colour in enumerate("RGB"):
                if colour == own:
                    value = mosaic[row, column]
                elif colour == "G":
                    value = (around * GREEN_AT_RED).sum() / 8
                elif own == "G":
                    kernel = np.array(RED_IN_RED_ROW)
                    value = (around * (kernel if colour == beside else kernel.T)).sum() / 8
                else:
                    value = (around * RED_AT_BLUE).sum() / 8
                planes[index, row - 2, column - 2] = value
    return planes


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("shape", [(8, 8), (9, 12), (16, 11)])
def test_corrected_agrees_with_the_published_kernels_inside(cfa: str, shape: tuple[int, int]) -> None:
    mosaic = random_mosaic(shape)
    ours = demosaic(mosaic, cfa, corrected=True)
    np.testing.assert_allclose(ours[:, 2:-2, 2:-2], published(mosaic, cfa), atol=3e-7)


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("shape", [(2, 2), (3, 3), (8, 10), (9, 7)])
def test_beyond_the_edge_squares_repeat(cfa: str, shape: tuple[int, int]) -> None:
    """A mosaic inside of a larger one, whose rows and columns -1 and -2 are its own 1 and 0."""
    mosaic = random_mosaic(shape, 4)
    rows, columns = (np.r_[0, 1, 0:size, size - 2, size - 1] for size in shape)
    larger = demosaic(mosaic[np.ix_(rows, columns)], cfa, corrected=True)[:, 2:-2, 2:-2]
    np.testing.assert_array_equal(demosaic(mosaic, cfa, corrected=True), larger)


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0.1, 1 / 3, 1.0, 3398.0])
def test_a_flat_field_stays_flat_to_the_bit(cfa: str, shape: tuple[int, int], level: float, corrected: bool) -> None:
    rgb = demosaic(np.full(shape, level, np.float32), cfa, corrected)
    assert np.unique(rgb).tolist() == [np.float32(level)]


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("shape", SHAPES)
def test_each_colour_stays_within_its_own_range(cfa: str, shape: tuple[int, int]) -> None:
    mosaic = random_mosaic(shape, 2)
    rgb = demosaic(mosaic, cfa)
    for index, colour in enumerate("RGB"):
        measured = np.concatenate([mosaic[row::2, column::2].ravel() for row, column in sites(cfa)[colour]])
        assert measured.min() <= rgb[index].min()
        assert rgb[index].max() <= measured.max()


@pytest.mark.parametrize("corrected", [False, True])
@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("shape", SHAPES)
def test_remosaic_undoes_it_bit_for_bit(cfa: str, shape: tuple[int, int], corrected: bool) -> None:
    mosaic = random_mosaic(shape, 3)
    again = remosaic(demosaic(mosaic, cfa, corrected), cfa)
    assert again.dtype == mosaic.dtype
    np.testing.assert_array_equal(again, mosaic)


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_window_cfa_is_the_pattern_of_the_cut(cfa: str) -> None:
    colours = np.tile(np.array(list(cfa)).reshape(2, 2), (3, 3))
    for row in range(3):
        for column in range(3):
            assert window_cfa(cfa, row, column) == "".join(colours[row : row + 2, column : column + 2].ravel())


def test_sites_of_every_phase_hold_two_greens_on_a_diagonal() -> None:
    for cfa in CFA_PATTERNS:
        found = sites(cfa)
        assert [len(found[colour]) for colour in "RGB"] == [1, 2, 1]
        (a, b), (c, d) = found["G"]
        assert (a + c, b + d) == (1, 1)
