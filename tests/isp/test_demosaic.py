"""Demosaicing against the published kernels, scipy's convolution, LibRaw's bilinear one, and its exact undoing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import convolve

from invisp_deploy.contract import BORDERS, CFA_PATTERNS
from invisp_deploy.formats.dng import write_dng
from invisp_deploy.isp.demosaic import demosaic, measured_weight, remosaic, sites, window_cfa
from invisp_deploy.isp.frame import RawFrame

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


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_border_is_scipys_mode_of_that_name(border: str, cfa: str, shape: tuple[int, int]) -> None:
    """The masked colour planes, convolved with the published kernels by scipy: how the authors' library does it."""
    mosaic = random_mosaic(shape, 4)
    rows, columns = np.indices(shape)
    colours = np.array(list(cfa))[(rows % 2) * 2 + columns % 2]
    expected = [
        convolve(np.where(colours == colour, mosaic, 0).astype(np.float64), kernel, mode=border)
        for colour, kernel in (("R", RED_BLUE_KERNEL), ("G", GREEN_KERNEL), ("B", RED_BLUE_KERNEL))
    ]
    np.testing.assert_allclose(demosaic(mosaic, cfa, border), np.stack(expected), atol=5e-7)


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize(
    ("border", "least", "most"), [("mirror", 1, 1), ("reflect", 0.25, 2.25), ("constant", 0.25, 1)]
)
def test_what_each_border_makes_of_a_flat_field(cfa: str, border: str, least: float, most: float) -> None:
    rgb = demosaic(np.ones((9, 12), np.float32), cfa, border)
    assert (rgb.min(), rgb.max()) == (least, most)
    assert (rgb[:, 1:-1, 1:-1] == 1).all()


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("shape", SHAPES)
def test_zeros_beyond_the_edge_leave_measured_colours_and_repeated_pixels_weigh_them(
    cfa: str, shape: tuple[int, int]
) -> None:
    mosaic = random_mosaic(shape, 5)
    np.testing.assert_array_equal(remosaic(demosaic(mosaic, cfa, "constant"), cfa), mosaic)
    weight = measured_weight(shape, cfa, (True, True, True, True))
    np.testing.assert_array_equal(weight, remosaic(demosaic(np.ones(shape, np.float32), cfa, "reflect"), cfa))
    np.testing.assert_allclose(remosaic(demosaic(mosaic, cfa, "reflect"), cfa) / weight, mosaic, rtol=2e-7)


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
def test_agrees_with_libraws_bilinear_inside(cfa: str, tmp_path: Path) -> None:
    import rawpy

    mosaic = np.random.default_rng(1).integers(0, 65536, (40, 46)).astype(np.uint16)
    write_dng(tmp_path / "a.dng", RawFrame(mosaic, cfa, (0, 0, 0, 0), 65535, (1, 1, 1)))
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


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0.1, 1 / 3, 1.0, 3398.0])
def test_a_flat_field_stays_flat_to_the_bit(cfa: str, shape: tuple[int, int], level: float) -> None:
    rgb = demosaic(np.full(shape, level, np.float32), cfa)
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


@pytest.mark.parametrize("cfa", CFA_PATTERNS)
@pytest.mark.parametrize("shape", SHAPES)
def test_remosaic_undoes_it_bit_for_bit(cfa: str, shape: tuple[int, int]) -> None:
    mosaic = random_mosaic(shape, 3)
    again = remosaic(demosaic(mosaic, cfa), cfa)
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
